"""NAB's scores, by small cases computed by hand."""

from math import exp, inf

import numpy as np
import pytest

from engine.evaluation.nab import OUTSIDE, PROFILES, Profile, Rows, normalised, of_detections, rows_of, sweep

STANDARD = PROFILES["standard"]


def sigmoid(position: float) -> float:
    return 2 / (1 + exp(5 * position)) - 1


FIRST = sigmoid(-1.0)
"""What a detection at the first row of a window is worth before it is scaled to 1."""


def test_the_first_fifteen_percent_are_on_probation_and_at_most_750_rows() -> None:
    counted = {rows: len(rows_of(np.zeros(rows), []).anomaly) for rows in (0, 1, 7, 20, 39, 5_000, 5_007, 20_000)}
    assert counted == {0: 0, 1: 1, 7: 6, 20: 17, 39: 34, 5_000: 4_250, 5_007: 4_257, 20_000: 19_250}


def test_a_row_in_a_window_is_worth_the_more_the_earlier_it_comes() -> None:
    rows = rows_of(np.zeros(100), [(50, 53)], first_number=7)
    inside = rows.window == 7
    assert inside.sum() == 4
    assert np.flatnonzero(inside)[0] == 50 - 15
    assert rows.worth[inside] == pytest.approx([1.0, *(sigmoid(at) / FIRST for at in (-0.75, -0.5, -0.25))], rel=1e-12)


def test_a_row_outside_costs_the_more_the_further_it_lies_behind_a_window() -> None:
    rows = rows_of(np.zeros(100), [(50, 54)])
    worth = dict(zip(range(15, 100), rows.worth.tolist(), strict=True))
    assert (rows.window[:35] == OUTSIDE).all()
    assert {worth[at] for at in range(15, 50)} == {-1.0}  # Nothing lies before them.
    assert [worth[at] for at in (55, 58, 66)] == pytest.approx([sigmoid(at) for at in (0.25, 1.0, 3.0)], rel=1e-12)
    assert worth[67] == worth[99] == -1.0


def test_the_window_before_counts_and_one_on_probation_too() -> None:
    rows = rows_of(np.zeros(100), [(5, 9), (50, 59)])
    worth = dict(zip(range(15, 100), rows.worth.tolist(), strict=True))
    assert worth[15] == pytest.approx(sigmoid(6 / 4), rel=1e-12)
    assert worth[60] == pytest.approx(sigmoid(1 / 9), rel=1e-12)
    assert set(rows.window.tolist()) == {OUTSIDE, 1}


def test_behind_a_window_of_one_row_a_detection_costs_its_whole_weight() -> None:
    rows = rows_of(np.zeros(30), [(20, 20)])
    assert rows.worth[20 - 4] == 1.0
    assert set(rows.worth[20 - 4 + 1 :].tolist()) == {-1.0}


def test_a_threshold_is_swept_over_the_corpus() -> None:
    rows = Rows(
        anomaly=np.array([0.9, 0.2, 0.5, 0.5, 0.0, 0.7]),
        window=np.array([OUTSIDE, 0, 0, OUTSIDE, OUTSIDE, 1]),
        worth=np.array([-0.5, 1.0, 0.25, -1.0, -1.0, 0.75]),
    )
    told = sweep(rows, Profile(found=1.0, false=0.1, missed=2.0))
    wanted = {
        inf: -4.0,
        0.9: -4.05,
        0.7: -4.05 + 2.75,  # A window that is found costs nothing any more.
        0.5: -1.3 + 2.25 - 0.1,
        0.2: 0.85 + 0.75,  # Its first detection is what it earns.
        0.0: 1.6 - 0.1,
    }
    assert told.threshold.tolist() == list(wanted)
    assert told.score == pytest.approx(list(wanted.values()), rel=1e-12)
    assert [told.nothing, told.best, told.threshold_best] == pytest.approx([-4.0, 1.6, 0.2], rel=1e-12)
    assert [told.at(threshold) for threshold in (2.0, 0.9, 0.8, 0.5, 0.3, 0.0, -1.0)] == pytest.approx(
        [-4.0, -4.05, -4.05, 0.85, 0.85, 1.5, 1.5]
    )


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_a_sweep_agrees_with_the_score_of_the_rows_at_or_above_each_threshold(profile: Profile) -> None:
    random = np.random.default_rng(5)
    series = [random.integers(0, 12, 300) / 12 for _ in range(4)]
    parts = [rows_of(each, [(60, 79), (150, 154), (200, 200)], 3 * at) for at, each in enumerate(series)]
    rows = Rows(*map(np.concatenate, zip(*parts, strict=True)))
    told = sweep(rows, profile)
    for threshold in (*np.arange(13) / 12, inf):
        detected = np.flatnonzero(rows.anomaly >= threshold)
        assert told.at(threshold) == pytest.approx(of_detections(rows, detected, profile), rel=1e-9)


def test_of_two_best_thresholds_the_higher_is_taken() -> None:
    rows = Rows(np.array([0.5, 0.4]), np.array([0, 0]), np.array([1.0, 0.5]))
    assert sweep(rows, STANDARD).threshold_best == 0.5


def test_the_profiles_weigh_as_published() -> None:
    rows = rows_of(np.array([*[0.0] * 20, 1.0, *[0.0] * 79]), [(50, 59)])  # One detection, far from any window.
    at_one = {name: sweep(rows, profile).at(1.0) for name, profile in PROFILES.items()}
    assert at_one == {"standard": -1.11, "reward_low_FP_rate": -1.22, "reward_low_FN_rate": -2.11}


def test_no_detection_is_zero_and_the_first_row_of_every_window_a_hundred() -> None:
    anomaly = np.zeros(200)
    anomaly[[60, 120]] = 1.0
    perfect = sweep(rows_of(anomaly, [(60, 69), (120, 139)]), STANDARD)
    assert normalised(perfect.best, perfect.nothing, 2, STANDARD) == pytest.approx(100.0, rel=1e-12)
    silent = sweep(rows_of(np.zeros(200), [(60, 69), (120, 139)]), STANDARD)
    assert silent.threshold_best == inf
    assert normalised(silent.best, silent.nothing, 2, STANDARD) == 0.0
    assert normalised(0.0, 0.0, 0, STANDARD) is None


def test_half_of_the_windows_found_late_and_a_false_alarm() -> None:
    anomaly = np.zeros(200)
    anomaly[[65, 160]] = 0.8, 0.6  # Sixth of ten rows; 21 rows behind a window of twenty.
    told = sweep(rows_of(anomaly, [(60, 69), (120, 139)]), STANDARD)
    late, false = sigmoid(-5 / 10) / FIRST, 0.11 * sigmoid(21 / 19)
    assert told.score[:3] == pytest.approx([-2.0, late - 1.0, late - 1.0 + false], rel=1e-12)
    assert normalised(told.best, told.nothing, 2, STANDARD) == pytest.approx(100 * (late + 1.0) / 4, rel=1e-12)
