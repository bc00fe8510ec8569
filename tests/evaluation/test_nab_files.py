"""NAB's files, good and bad."""

import gzip
import json
from pathlib import Path

import polars as pl
import pytest

from engine import schema
from engine.columns import ints
from engine.errors import Misconfigured
from engine.evaluation import nab_files
from tests.evaluation.made import clock, nab
from tests.shared import shared

NAME = "real/a long name.csv"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    windows = {NAME: [(3, 4), (8, 9)], "real/none.csv": [], "absent/series.csv": [(0, 1)]}
    return nab(tmp_path / "nab", {NAME: range(10), "real/none.csv": [1.5], "real/unlabelled.csv": [1]}, windows)


def refused(folder: Path) -> str:
    with pytest.raises(Misconfigured) as problem:
        list(nab_files.read(folder))
    assert "\n" not in str(problem.value)
    return str(problem.value)


def data(folder: Path, content: str | bytes, name: str = NAME) -> Path:
    file = folder / "data" / f"{name}.gz"
    file.write_bytes(content if isinstance(content, bytes) else gzip.compress(content.encode()))
    return file


def test_a_series_becomes_ticks_of_one_key_with_its_windows_as_rows(folder: Path) -> None:
    told = {series.name: series for series in nab_files.read(folder)}
    assert told.keys() == {NAME, "real/none.csv"}
    assert told[NAME].windows == ((3, 4), (8, 9))
    assert told["real/none.csv"].windows == ()
    ticks = told[NAME].ticks
    assert ticks.schema == schema.empty(schema.LOG).schema
    assert ticks["price"].to_list() == list(range(10))
    assert ticks["size"].is_null().all()
    assert ticks["ts_event"].dt.strftime("%Y-%m-%d %H:%M:%S").to_list() == [clock(row) for row in range(10)]
    assert ticks.select("exchange", "symbol").unique().rows() == [("nab", "a_long_name")]


def test_a_name_of_any_length_becomes_one_that_a_symbol_may_have(folder: Path) -> None:
    name = f"real/{'é' * 40}.csv"
    nab(folder, {name: [1, 2]}, {name: []})
    [series] = nab_files.read(folder)
    assert series.ticks["symbol"][0] == "é" * 32


def test_files_need_not_be_compressed(folder: Path) -> None:
    packed = folder / "data" / f"{NAME}.gz"
    (folder / "data" / NAME).write_bytes(gzip.decompress(packed.read_bytes()))
    packed.unlink()
    assert [len(series.ticks) for series in nab_files.read(folder)] == [10, 1]


def test_points_are_put_in_order_of_time(folder: Path) -> None:
    data(folder, "timestamp,value\n" + "".join(f"{clock(minute)},{at}\n" for at, minute in enumerate([0, 2, 1, 2, 3])))
    (folder / nab_files.LABELS).write_text(json.dumps({NAME: [[clock(1), clock(1)]]}))
    [series] = nab_files.read(folder)
    assert series.ticks["price"].to_list() == [0, 2, 1, 3, 4]
    assert series.windows == ((1, 1),)


def test_bounds_between_rows_take_the_rows_inside(folder: Path) -> None:
    bounds = [["2020-01-01 00:02:30", "2020-01-01 00:05:30"]]
    (folder / nab_files.LABELS).write_text(json.dumps({NAME: bounds}))
    assert [series.windows for series in nab_files.read(folder)] == [((3, 5),)]


def test_of_rows_with_the_last_time_the_first_ends_the_window(folder: Path) -> None:
    minutes = [0, 1, 2, 2, 3, 4, 4, 5]
    data(folder, "timestamp,value\n" + "".join(f"{clock(minute)},1\n" for minute in minutes))
    (folder / nab_files.LABELS).write_text(json.dumps({NAME: [[clock(2), clock(4)]]}))
    assert [series.windows for series in nab_files.read(folder)] == [((2, 5),)]


@pytest.mark.parametrize(
    "windows",
    [
        [("2021-01-01 00:00:00", "2021-01-02 00:00:00")],
        [("2020-01-01 00:02:10", "2020-01-01 00:02:20")],
        [(clock(4), clock(3))],
        [(clock(1), clock(4)), (clock(4), clock(6))],
    ],
)
def test_windows_without_rows_or_that_overlap_are_named(folder: Path, windows: list[tuple[str, str]]) -> None:
    (folder / nab_files.LABELS).write_text(json.dumps({NAME: windows}))
    assert refused(folder) == f"{folder / nab_files.LABELS}: {NAME}: a window holds no row, or overlaps another"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"a": [["x"]]}', b'{"a": 1}', b"\xff"])
def test_bad_labels_are_named(folder: Path, content: bytes) -> None:
    (folder / nab_files.LABELS).write_bytes(content)
    assert refused(folder).startswith(f"{folder / nab_files.LABELS}: cannot be read as labels")


def test_a_bound_that_is_no_time_is_named(folder: Path) -> None:
    (folder / nab_files.LABELS).write_text(json.dumps({NAME: [["now", "then"]]}))
    assert refused(folder).startswith(f"{folder / nab_files.LABELS}: {NAME}: ")


def test_labels_of_other_series_alone_are_refused(folder: Path) -> None:
    (folder / nab_files.LABELS).write_text(json.dumps({"absent.csv": []}))
    assert "none of the series" in refused(folder)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "cannot be read"),
        (b"no gzip", "cannot be read"),
        (gzip.compress(b"timestamp,value\n" * 100)[:-10], "cannot be read"),
        ("", "cannot be read"),
        ("time,value\n1,2\n", "cannot be read"),
        ("timestamp,price\n2020-01-01 00:00:00,2\n", "cannot be read"),
        ("timestamp,value\nsoon,2\n", "cannot be read"),
        ("timestamp,value\n2020-01-01 00:00:00,two\n", "cannot be read"),
        ("timestamp,value\n2020-01-01 00:00:00,1\n2020-01-01 00:01:00", "is missing"),
    ],
)
def test_a_bad_file_is_named(folder: Path, content: str | bytes, problem: str) -> None:
    file = data(folder, content)
    told = refused(folder)
    assert str(file) in told
    assert problem in told


def test_the_collected_series_are_read_as_their_list_counts_them() -> None:
    folder = shared("data/labelled/nab")
    listed = pl.read_csv(folder / "SERIES.csv").sort("file")
    told = list(nab_files.read(folder))
    assert [series.name for series in told] == listed["file"].to_list()
    assert [len(series.ticks) for series in told] == listed["n"].to_list()
    assert [len(series.windows) for series in told] == listed["windows"].to_list()
    assert all((ints(series.ticks["ts_event"]) > 0).all() for series in told)
