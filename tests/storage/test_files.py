"""Files of the dataset: whole or not there, named after what they hold."""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest

from engine import schema
from storage import files
from storage.files import Span


def _rows(*places: tuple[int, int, int | None]) -> pl.DataFrame:
    """Rows of a log, told by partition, offset and event time in µs."""
    told = pl.DataFrame(
        {name: [place[at] for place in places] for at, name in enumerate(("partition", "offset", "ts_event"))}
    )
    return told.cast({name: schema.empty(schema.LOG).schema[name] for name in told.columns})


def _us(*when: int) -> int:
    return int(datetime(*when, tzinfo=UTC).timestamp() * 1e6)  # type: ignore[arg-type, misc]


def test_rows_are_cut_by_partition_and_utc_date_and_keep_their_order() -> None:
    midnight = _us(2024, 8, 9)
    rows = _rows((1, 5, midnight), (0, 7, midnight - 1), (1, 6, midnight - 1), (1, 7, midnight), (0, 8, None))

    cut = files.by_date(rows, Path("ticks"), {0: Span(0, 7, 9), 1: Span(1, 5, 8)})

    assert [(path.parts[1], files.span_of(path), rows["offset"].to_pylist()) for path, rows in cut] == [
        ("date=1970-01-01", (0, 7, 9), [8]),
        ("date=2024-08-08", (0, 7, 9), [7]),
        ("date=2024-08-08", (1, 5, 8), [6]),
        ("date=2024-08-09", (1, 5, 8), [5, 7]),
    ]


@pytest.mark.parametrize(("us", "day"), [(-(2**63), "1970-01-01"), (-1, "1970-01-01"), (2**63 - 1, "9999-12-31")])
def test_absurd_times_lie_under_dates_that_every_reader_knows(us: int, day: str) -> None:
    [(path, _)] = files.by_date(_rows((0, 0, us)), Path("ticks"), {0: Span(0, 0, 1)})
    assert path.parent.name == f"date={day}"


def test_a_file_in_place_is_whole_and_keeps_its_metadata(tmp_path: Path) -> None:
    path = tmp_path / "ticks" / Span(3, 10, 20).file_name()
    files.put(_rows((3, 10, 0)).to_arrow().replace_schema_metadata({"rules": "{}"}), path)

    assert [file.name for file in path.parent.iterdir()] == ["p00003-00000000000000000010-00000000000000000020.parquet"]
    assert pq.read_schema(path).metadata[b"rules"] == b"{}"


@pytest.mark.parametrize("name", ["a.parquet", "p0-0-1.parquet", "p00000-0-1.parquet.tmp", "P00000.parquet"])
def test_a_file_of_another_kind_has_no_span(name: str) -> None:
    assert files.span_of(Path(name)) is None
