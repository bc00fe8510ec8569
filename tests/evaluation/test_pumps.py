"""What hits and what is false, at every edge of the rules; whole folders with known answers."""

from pathlib import Path

import numpy as np
import pytest

from engine.evaluation import pump_files, pumps
from engine.evaluation.curve import EDGES
from engine.evaluation.pump_files import Event, PumpEvents
from engine.evaluation.pumps import false_alerts, outcomes
from engine.evaluation.report import Report
from engine.rules import Rules
from tests.evaluation.made import DAYS, EVENT_US, HOUR, MINUTE, QUIET, SECOND, Tape, fresh, pump_events, rules
from tests.shared import shared


def measured(folder: Path, rules: Rules) -> Report[pumps.Quality]:
    return pumps.evaluate(pump_files.read(folder), rules, lambda: fresh(rules))


@pytest.mark.parametrize(
    ("alerts_us", "onset_us", "delay_s"),
    [
        ([-10 * SECOND], None, -10.0),
        ([-10 * SECOND - 1], None, None),
        ([300 * SECOND], None, 300.0),
        ([300 * SECOND + 1], None, None),
        ([-70 * SECOND], -60 * SECOND, -10.0),  # Where an onset is given the ten seconds lie before it,
        ([-70 * SECOND - 1], -60 * SECOND, None),
        ([20 * SECOND], 40 * SECOND, None),
        ([300 * SECOND], 40 * SECOND, 260.0),  # while the five minutes still lie after the event.
        ([310 * SECOND], 40 * SECOND, None),
        ([7 * SECOND, 9 * SECOND, -HOUR], 5 * SECOND, 2.0),  # The first that hits, wherever it stands.
        ([], None, None),
    ],
)
def test_an_alert_hits_from_ten_seconds_before_the_onset_to_five_minutes_after_the_event(
    alerts_us: list[int], onset_us: int | None, delay_s: float | None
) -> None:
    event = Event("tape", "ABC", EVENT_US, None if onset_us is None else EVENT_US + onset_us)
    [told] = outcomes([event], {"tape": np.array(alerts_us, np.int64) + EVENT_US})
    assert (told.hit, told.delay_s) == (delay_s is not None, delay_s)


@pytest.mark.parametrize(
    ("alert_us", "false"),
    [
        (-600 * SECOND, 0),
        (-600 * SECOND - 1, 1),
        (7_200 * SECOND, 0),
        (7_200 * SECOND + 1, 1),
        (24 * HOUR, 0),  # Another event of the symbol is known there,
        (48 * HOUR, 1),  # and here one of another symbol.
    ],
)
def test_an_alert_is_false_outside_ten_minutes_before_to_two_hours_after_any_known_event_of_its_symbol(
    alert_us: int, false: int
) -> None:
    known = {"ABC": np.array([EVENT_US, EVENT_US + 24 * HOUR]), "XYZ": np.array([EVENT_US + 48 * HOUR])}
    labels = PumpEvents(Path(), (Event("tape", "ABC", EVENT_US, None),), known)
    assert false_alerts(labels, {"tape": np.array([EVENT_US + alert_us])}) == false


def test_recall_false_alerts_and_delay_of_a_folder(tmp_path: Path) -> None:
    folder = pump_events(
        tmp_path / "pumps",
        [
            Tape("AAA", jumps_us=[10 * SECOND, 5 * HOUR], onset_us=8 * SECOND),  # Found after 2 s; one false alert.
            Tape("BBB", jumps_us=[3 * HOUR, 4 * HOUR, 7 * HOUR]),  # Missed; of three alerts one is explained.
            Tape("CCC", jumps_us=[10 * SECOND]),  # Found after 10 s, counted from the event.
            Tape("DDD", jumps_us=[-MINUTE, 2 * MINUTE], onset_us=0),  # The episode opens too early and is still open.
        ],
        known=[("BBB", 4 * HOUR + MINUTE), ("AAA", 6 * HOUR)],
    )
    report = measured(folder, rules())
    told = report.together
    assert (told.events, told.hits, told.false_alerts, report.together.symbols, report.extent.series) == (4, 2, 3, 4, 4)
    assert [each.delay_s for each in told.outcomes] == [2.0, None, 10.0, None]
    assert told.recall == 0.5
    assert told.delay_median_s == 6.0
    assert told.symbol_days == pytest.approx(4 * DAYS, rel=1e-12)
    assert told.false_alerts_per_symbol_day == pytest.approx(3 / (4 * DAYS), rel=1e-12)
    assert report.detectors == {"spike": told}
    assert report.extent.rows == 4 * 3_600


def test_the_curve_passes_through_the_figures_at_edge_one_and_falls_silent_in_the_end(tmp_path: Path) -> None:
    folder = pump_events(tmp_path / "pumps", [Tape("AAA", jumps_us=[0, 5 * HOUR]), Tape("BBB", jumps_us=[0])])
    told = measured(folder, rules(threshold=20.0)).together
    assert [point.edge for point in told.curve] == list(EDGES)
    at_one = next(point for point in told.curve if point.edge == 1.0)
    assert (at_one.recall, at_one.false_alerts_per_symbol_day, at_one.delay_median_s) == (
        told.recall,
        told.false_alerts_per_symbol_day,
        told.delay_median_s,
    )
    assert (told.recall, told.curve[-1].recall) == (1.0, 0.0)
    assert told.curve[-1].delay_median_s is None
    assert told.curve[0].recall == 1.0


def test_the_alerts_of_a_set_are_those_of_all_its_detectors(tmp_path: Path) -> None:
    folder = pump_events(
        tmp_path / "pumps",
        [Tape("AAA", jumps_us=[20 * SECOND, 5 * HOUR]), Tape("BBB")],
        known=[("BBB", HOUR)],
    )
    quick, never = {"use": "zscore", **QUIET}, {"use": "zscore", **QUIET, "threshold": 1e6}
    alone = measured(folder, rules({"quick": quick}))
    one = measured(folder, rules({"quick": quick, "never": never}))
    two = measured(folder, rules({"quick": quick, "same": quick}))
    assert one.together == one.detectors["quick"] == alone.together
    assert (one.detectors["never"].hits, one.detectors["never"].false_alerts) == (0, 0)
    assert one.detectors["never"].delay_median_s is None
    assert (two.together.hits, two.together.false_alerts) == (1, 2)  # Each detector's false alert is one.


def test_a_detector_that_does_not_alert_is_measured_by_itself_alone(tmp_path: Path) -> None:
    folder = pump_events(tmp_path / "pumps", [Tape("AAA", jumps_us=[20 * SECOND, 5 * HOUR])])
    quick, never = {"use": "zscore", **QUIET}, {"use": "zscore", **QUIET, "threshold": 1e6}
    report = measured(folder, rules({"quick": quick | {"alert": False}, "never": never}))
    assert report.alerting == ["never"]
    assert (report.together, report.detectors["quick"].hits) == (report.detectors["never"], 1)
    assert report.by_name == report.detectors
    silent = measured(folder, rules({"quick": quick | {"alert": False}, "never": never | {"alert": False}}))
    assert silent.alerting == ["quick", "never"]  # A set that calls no one is measured as one that does.
    assert silent.together.hits == 1


def test_several_events_of_one_tape_count_its_days_once(tmp_path: Path) -> None:
    folder = pump_events(tmp_path / "pumps", [Tape("AAA", jumps_us=[10 * SECOND, 4 * HOUR + 30 * SECOND])])
    with (folder / "labels.csv").open("a") as labels:
        labels.write(f"tapes/AAA.parquet,AAA,{EVENT_US + 4 * HOUR},,weak\n")
    told = measured(folder, rules()).together
    assert [each.delay_s for each in told.outcomes] == [10.0, 30.0]
    assert told.symbol_days == pytest.approx(DAYS, rel=1e-12)
    assert told.false_alerts == 0


def test_the_collected_pumps_are_read_as_their_description_counts_them() -> None:
    folder = shared("data/labelled/pump_events")
    report = measured(folder, rules(window_ms=60_000))
    assert (report.together.events, report.extent.series, report.together.symbols) == (48, 48, 32)
    assert report.extent.rows == 1_534_623
    assert report.extent.rows_out_of_range == 0
    assert round(report.together.symbol_days, 1) == 912.9
