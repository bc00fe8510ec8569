"""Detectors on series with windows, from file to score."""

from pathlib import Path

import numpy as np
import pytest

from engine.evaluation import benchmark, nab_files
from engine.evaluation.benchmark import as_anomaly, as_edge
from engine.evaluation.curve import EDGES
from engine.evaluation.report import Report
from engine.rules import Rules
from tests.evaluation.made import fresh, nab, rules

WALK = [100 + 0.01 * (row * 7 % 5) for row in range(400)]
ZSCORE = {"use": "zscore", "window_ms": 3_600_000, "threshold": 2.5, "count_min": 30}


def spiked(*rows: int) -> list[float]:
    return [value + 5.0 * (row in rows) for row, value in enumerate(WALK)]


def measured(folder: Path, rules: Rules) -> Report[benchmark.Benchmark]:
    return benchmark.evaluate(nab_files.read(folder), rules, lambda: fresh(rules))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    series = {"made/found.csv": spiked(100), "made/quiet.csv": WALK, "made/twice.csv": spiked(200, 300)}
    windows = {"made/found.csv": [(100, 119)], "made/quiet.csv": [], "made/twice.csv": [(200, 209), (350, 359)]}
    return nab(tmp_path / "nab", series, windows)


def test_windows_found_at_their_first_row_score_by_their_share(folder: Path) -> None:
    report = measured(folder, rules({"spike": ZSCORE}))
    told = report.together
    assert (told.windows, report.extent.series, report.extent.rows) == (3, 3, 1_200)
    assert report.extent.rows_scored == 3 * 370
    assert (told.found, told.missed) == (2, ("made/twice.csv 2020-01-01 05:50:00",))
    # One false detection lies far behind its window; the threshold that sees both windows sees it too.
    assert told.scores == pytest.approx(
        {
            "standard": 100 * (4 - 0.11) / 6,
            "reward_low_FP_rate": 100 * (4 - 0.22) / 6,
            "reward_low_FN_rate": 100 * (6 - 0.11) / 9,
        },
        rel=1e-9,
    )
    assert told.edge["standard"] > 100
    assert told.threshold["standard"] == pytest.approx(told.edge["standard"] / (1 + told.edge["standard"]))
    assert report.detectors == {"spike": told}


def test_an_alert_is_a_detection_once_an_episode(tmp_path: Path) -> None:
    values = [value + 5.0 * (100 <= row < 105 or 300 <= row < 320) for row, value in enumerate(WALK)]
    folder = nab(tmp_path / "nab", {"made/long.csv": values}, {"made/long.csv": [(100, 119)]})
    told = measured(folder, rules({"spike": ZSCORE})).together
    assert told.alerts.scores["standard"] == pytest.approx(100 * (2 - 0.11) / 2, rel=1e-9)
    by_row = next(point.scores["standard"] for point in told.curve if point.edge == told.alerts.edge["standard"])
    assert by_row is not None
    assert by_row < 90
    probation = nab(tmp_path / "other", {"made/early.csv": spiked(50, 100)}, {"made/early.csv": [(100, 119)]})
    assert measured(probation, rules({"spike": ZSCORE})).together.alerts.scores["standard"] == pytest.approx(100.0)


def test_the_curve_tells_the_score_at_each_edge(folder: Path) -> None:
    told = measured(folder, rules({"spike": ZSCORE})).together
    assert [point.edge for point in told.curve] == list(EDGES)
    assert told.curve[-1].scores == told.scores  # Between what is usual and what is not, nothing changes.
    low = told.curve[0].scores["standard"]
    assert low is not None
    assert low < 0


def test_a_set_scores_a_row_as_its_highest_detector(folder: Path) -> None:
    never = ZSCORE | {"count_min": 1_000}
    report = measured(folder, rules({"never": never, "spike": ZSCORE}))
    assert report.together == report.detectors["spike"]
    silent = report.detectors["never"]
    assert set(silent.scores.values()) == {0.0}
    assert (silent.found, silent.edge["standard"]) == (0, np.inf)
    assert set(silent.alerts.scores.values()) == {0.0}
    twice = measured(folder, rules({"spike": ZSCORE, "same": ZSCORE}))
    assert twice.together == report.together  # A row is a detection once.


def test_no_alert_is_better_than_false_ones_alone(tmp_path: Path) -> None:
    folder = nab(tmp_path / "nab", {"made/false.csv": spiked(100)}, {"made/false.csv": [(300, 310)]})
    told = measured(folder, rules({"spike": ZSCORE})).together
    assert (told.scores["standard"], told.alerts.scores["standard"]) == (0.0, 0.0)
    assert told.alerts.edge["standard"] == told.edge["standard"] == np.inf


def test_values_too_large_for_the_decimals_are_counted(tmp_path: Path) -> None:
    folder = nab(tmp_path / "nab", {"made/large.csv": [1e8, 2e8, 3.0]}, {"made/large.csv": []})
    report = measured(folder, rules({"spike": ZSCORE}))
    assert report.extent.rows_out_of_range == 2
    assert report.together.scores == dict.fromkeys(report.together.scores)


def test_scores_from_nothing_to_infinity_become_numbers_from_0_to_1() -> None:
    scores = np.array([-2.0, 0.0, 0.5, 1.0, 3.0, np.inf])
    assert as_anomaly(scores).tolist() == pytest.approx([0.0, 0.0, 1 / 3, 0.5, 0.75, 1.0], rel=1e-12)
    assert [as_edge(each) for each in (0.0, 0.5, 0.75, 1.0)] == [0.0, 1.0, 3.0, np.inf]
