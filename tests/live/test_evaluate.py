"""`tickstream evaluate`: what it prints for a person and for a program, and what it says of a bad folder."""

import json
from pathlib import Path

import pytest

from engine import settings
from engine.evaluation.curve import EDGES
from tests.evaluation.made import DAYS, HOUR, QUIET, SECOND, Tape, nab, pump_events
from tests.live.commands import Command, ran, told

BUILT_IN = settings.load(environ={}).settings.detectors
SILENCE = ("count_min=1_000_000_000", "alert=false")
SILENT = [f"--set=detectors.{name}.{each}" for name in BUILT_IN if name != "spike" for each in SILENCE]
SPEAKS = {**QUIET, "alert": "true"}
SETS = [*(f"--set=detectors.spike.{name}={value}" for name, value in SPEAKS.items()), *SILENT]
"""Of the built-in detectors only one speaks."""


KEEP = ("flagged", "all")


def pumps(folder: Path) -> Path:
    return pump_events(folder, [Tape("AAA", jumps_us=[10 * SECOND, 5 * HOUR], onset_us=8 * SECOND), Tape("BBB")])


def evaluated(folder: Path, *arguments: str) -> Command:
    command = ran(folder.parent / "evaluate", "evaluate", str(folder), *SETS, *arguments)
    assert command.process.returncode == 0, command.err
    return command


def test_pumps_as_json(tmp_path: Path) -> None:
    command = evaluated(pumps(tmp_path / "pumps"), "--json")
    report = told(command)
    assert {name: report[name] for name in ("recall", "delay_median_s", "events", "hits", "false_alerts")} == {
        "recall": 0.5,
        "delay_median_s": 2.0,
        "events": 2,
        "hits": 1,
        "false_alerts": 1,
    }
    assert report["symbol_days"] == pytest.approx(2 * DAYS)
    assert report["false_alerts_per_symbol_day"] == pytest.approx(1 / (2 * DAYS))
    assert {name: report[name] for name in ("series", "symbols", "rows", "rows_out_of_range")} == {
        "series": 2,
        "symbols": 2,
        "rows": 7_200,
        "rows_out_of_range": 0,
    }
    assert [each["hit"] for each in report["outcomes"]] == [True, False]
    assert [point["edge"] for point in report["curve"]] == list(EDGES)
    assert report["curve"][0].keys() == {"edge", "recall", "false_alerts_per_symbol_day", "delay_median_s"}
    assert report["detectors"]["spike"]["curve"] == report["curve"]
    assert report["detectors"].keys() == BUILT_IN.keys()
    assert report["alerting"] == ["spike"]


def test_detectors_that_keep_flags_alone_are_measured_by_all_their_scores(tmp_path: Path) -> None:
    folder = pumps(tmp_path / "pumps")
    flags_alone, every = (told(evaluated(folder, f"--set=detectors.spike.keep={keep}", "--json")) for keep in KEEP)
    assert flags_alone == every
    assert every["rows_scored"] > 6_000


def test_the_curve_is_drawn_where_it_is_asked_for(tmp_path: Path) -> None:
    command = evaluated(pumps(tmp_path / "pumps"), f"--plot={tmp_path / 'curve.svg'}")
    assert command.out.startswith("2 events")
    assert "recall, %" in (tmp_path / "curve.svg").read_text()


def test_a_picture_of_another_kind_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    command = ran(tmp_path / "evaluate", "evaluate", str(pumps(tmp_path / "pumps")), "--plot=curve.pdf")
    assert (command.process.returncode, command.out) == (78, "")
    assert command.err == "tickstream: --plot curve.pdf: must end in .svg or .png\n"


def test_what_is_not_known_is_null(tmp_path: Path) -> None:
    command = evaluated(pump_events(tmp_path / "pumps", [Tape("BBB")]), "--json")
    assert told(command)["delay_median_s"] is None
    assert "NaN" not in command.out
    assert "Infinity" not in command.out


def test_pumps_as_text_name_what_was_missed(tmp_path: Path) -> None:
    other = [f"--set=detectors.other.{name}={value}" for name, value in ({"use": "zscore"} | QUIET).items()]
    lines = evaluated(pumps(tmp_path / "pumps"), *other).out.splitlines()
    assert lines[0] == "2 events of 2 symbols, 0.8 symbol-days"
    assert [line.split() for line in lines if line.startswith(("spike", "other", "together"))] == [
        ["spike", "1/2", "50.0", "1.200", "2.00"],
        ["other", "1/2", "50.0", "1.200", "2.00"],
        ["together", "1/2", "50.0", "2.401", "2.00"],
    ]
    assert len({len(line) for line in lines if line.startswith(("detector", "spike", "other", "together"))}) == 1
    assert lines[-2:] == ["missed: 1", "  2020-09-13 12:26:40  tapes/BBB.parquet"]


def test_a_set_that_scores_nothing_is_told_of(tmp_path: Path) -> None:
    command = evaluated(pumps(tmp_path / "pumps"), "--set=detectors.spike.window_ms=1000")
    assert "no row has a score" in command.out


def test_nab_as_json_and_as_text(tmp_path: Path) -> None:
    values = [100 + 0.01 * (row * 7 % 5) + 5 * (row == 100) for row in range(400)]
    series = {"made/one.csv": values, "made/large.csv": [1e9, 1e9]}
    folder = nab(tmp_path / "nab", series, {"made/one.csv": [(100, 119), (300, 310)], "made/large.csv": []})
    hour = "--set=detectors.spike.window_ms=3_600_000"
    report = told(evaluated(folder, hour, "--json"))
    assert report["nab"]["standard"] == pytest.approx(50.0)
    assert report["nab"]["reward_low_FN_rate"] == pytest.approx(50.0)
    assert report["nab"]["missed"] == ["made/one.csv 2020-01-01 05:00:00"]
    assert report["nab"]["alerts"]["standard"] == pytest.approx(50.0)
    assert report["nab"].keys() >= {"reward_low_FP_rate", "threshold", "edge", "found", "curve"}
    assert report["nab"]["curve"][0].keys() == {"edge", "standard", "reward_low_FP_rate", "reward_low_FN_rate"}
    assert report["detectors"]["spike"] == report["nab"]
    assert (report["series"], report["nab"]["windows"], report["rows"], report["rows_out_of_range"]) == (2, 2, 402, 2)

    text = evaluated(folder, hour).out
    assert [line.split()[:3] for line in text.splitlines() if line.startswith("spike")] == [["spike", "1/2", "50.00"]]
    assert "2 rows are out of range" in text
    assert text.endswith("missed: 1\n  made/one.csv 2020-01-01 05:00:00\n")


@pytest.mark.parametrize(
    ("file", "content", "problem"),
    [
        ("other.csv", "a,b\n", "holds neither pump events (labels.csv) nor NAB (labels/combined_windows.json)"),
        ("labels.csv", "file,symbol,event_ts\ngone.parquet,AAA,1\n", "gone.parquet: cannot be read as ticks"),
        ("labels/combined_windows.json", json.dumps({"a.csv": []}), "none of the series"),
    ],
)
def test_a_bad_folder_is_told_in_one_line(tmp_path: Path, file: str, content: str, problem: str) -> None:
    path = tmp_path / "folder" / file
    path.parent.mkdir(parents=True)
    path.write_text(content)
    command = ran(tmp_path / "evaluate", "evaluate", str(tmp_path / "folder"))
    assert command.process.returncode == 78
    assert problem in command.err
    assert command.err.count("\n") == 1


def test_a_folder_that_is_absent_is_wrong_usage(tmp_path: Path) -> None:
    command = ran(tmp_path / "evaluate", "evaluate", str(tmp_path / "absent"))
    assert command.process.returncode == 2
    assert "Usage: " in command.err
