"""Folders of pump events, good and bad."""

from pathlib import Path

import polars as pl
import pytest

from engine.errors import Misconfigured
from engine.evaluation import pump_files
from tests.evaluation.made import DAYS, EVENT_US, SECOND, Tape, pump_events


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tapes = [Tape("AAA", onset_us=5 * SECOND), Tape("BBB")]
    return pump_events(tmp_path / "pumps", tapes, known=[("AAA", 7), ("AAA", -7), ("XYZ", 0)])


def refused(folder: Path) -> str:
    with pytest.raises(Misconfigured) as problem:
        pump_files.read(folder)
    return str(problem.value)


def test_labels_tell_events_onsets_and_what_else_is_known(folder: Path) -> None:
    labels = pump_files.read(folder)
    assert labels.events == (
        pump_files.Event("tapes/AAA.parquet", "AAA", EVENT_US, EVENT_US + 5 * SECOND),
        pump_files.Event("tapes/BBB.parquet", "BBB", EVENT_US, None),
    )
    assert [event.start_us - EVENT_US for event in labels.events] == [5 * SECOND, 0]
    assert {symbol: (times - EVENT_US).tolist() for symbol, times in labels.known_us.items()} == {
        "AAA": [-7, 0, 7],
        "BBB": [0],
        "XYZ": [0],
    }


def test_other_known_events_and_onsets_need_not_be_told(folder: Path) -> None:
    (folder / "known_events.csv").unlink()
    pl.read_csv(folder / "labels.csv").drop("onset_ts").write_csv(folder / "labels.csv")
    labels = pump_files.read(folder)
    assert [event.onset_us for event in labels.events] == [None, None]
    assert {symbol: times.tolist() for symbol, times in labels.known_us.items()} == {
        "AAA": [EVENT_US],
        "BBB": [EVENT_US],
    }


@pytest.mark.parametrize("file", ["labels.csv", "known_events.csv"])
@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "cannot be read as labels"),
        (b"a,b\n1,2\n", "cannot be read as labels"),
        (b"file,symbol,event_ts\na,AAA,soon\n", "cannot be read as labels"),
        (b"file,symbol,event_ts\n\xff\xfe,\xff,1\n", "cannot be read as labels"),
        (b"file,symbol,event_ts\na,AAA,1\nb,BB", "1 values of"),
        (b"file,symbol,event_ts\na,AAA,1600000000000000000\n", "event_ts must be in microseconds"),
        (b"file,symbol,event_ts\na,AAA,-1\n", "event_ts must be in microseconds"),
    ],
)
def test_bad_labels_are_named(folder: Path, file: str, content: bytes, problem: str) -> None:
    (folder / file).write_bytes(content)
    told = refused(folder)
    assert str(folder / file) in told
    assert problem in told
    assert "\n" not in told


def test_labels_without_events_are_refused(folder: Path) -> None:
    (folder / "labels.csv").write_text("file,symbol,event_ts\n")
    assert "holds no event" in refused(folder)


def test_a_tape_covers_the_days_from_its_first_trade_to_its_last(folder: Path) -> None:
    ticks = pump_files.ticks_of(folder, "tapes/AAA.parquet", "AAA")
    assert pump_files.days_of(ticks) == pytest.approx(DAYS, rel=1e-12)


def test_a_torn_tape_is_named(folder: Path) -> None:
    tape = folder / "tapes" / "AAA.parquet"
    tape.write_bytes(tape.read_bytes()[:-100])
    with pytest.raises(Misconfigured, match=r"AAA\.parquet: cannot be read as ticks"):
        pump_files.ticks_of(folder, "tapes/AAA.parquet", "AAA")


@pytest.mark.parametrize(
    ("file", "symbol", "problem"),
    [
        ("tapes/CCC.parquet", "CCC", r"CCC\.parquet: cannot be read as ticks"),
        ("tapes/AAA.parquet", "BBB", r"AAA\.parquet: holds AAA; labels\.csv says BBB"),
        ("tapes/none.parquet", "AAA", r"none\.parquet: holds no trades"),
    ],
)
def test_a_tape_that_is_absent_empty_or_of_another_symbol_is_named(
    folder: Path, file: str, symbol: str, problem: str
) -> None:
    pl.read_parquet(folder / "tapes" / "AAA.parquet").clear().write_parquet(folder / "tapes" / "none.parquet")
    with pytest.raises(Misconfigured, match=problem):
        pump_files.ticks_of(folder, file, symbol)
