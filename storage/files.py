"""Parquet files that no reader ever meets half written, and their names.

A file of the embedded dataset or a capture is called `p<partition>-<first>-<end>.parquet` after the messages it holds,
`end` being the first offset no longer in it. It lies under `<table>/date=YYYY-MM-DD/`.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

_NAME = re.compile(r"^p(\d{5,})-(\d{20})-(\d{20})\.parquet$")
_FIRST_DAY: Final = date(1970, 1, 1)  # Rows without a time lie here too.
_LAST_DAY: Final = date(9999, 12, 31)
NO_DAY: Final = f"date={_FIRST_DAY.isoformat()}"
"""The folder of what has no date."""


class Span(NamedTuple):
    """The messages [first, end) of a partition."""

    partition: int
    first: int
    end: int

    def file_name(self) -> str:
        """Names sort as the log does."""
        return f"p{self.partition:05d}-{self.first:020d}-{self.end:020d}.parquet"


def span_of(path: Path) -> Span | None:
    """The span that a file's name tells; None for a file of another kind."""
    found = _NAME.match(path.name)
    return Span(*map(int, found.groups())) if found else None


def holes(spans: Iterable[Span], taken: Iterable[Span]) -> list[Span]:
    """What of the messages `taken`, one span for each partition, no other span covers; in order."""
    found, covering = [], sorted(spans)
    for partition, first, end in sorted(taken):
        covered = first
        for span in (*(each for each in covering if each.partition == partition), Span(partition, end, end)):
            if covered < min(span.first, end):
                found.append(Span(partition, covered, min(span.first, end)))
            covered = max(covered, span.end)
    return found


def by_date(
    rows: pl.DataFrame, folder: Path, spans: Mapping[int, Span], *, time: str = "ts_event"
) -> Iterator[tuple[Path, pa.Table]]:
    """Cut rows into one file for each partition and UTC date of `time`, named after the partition's span.

    The rows of a file keep their order. `folder` is that of the table, as `data/ticks`.
    """
    day = pl.col(time).dt.date().fill_null(_FIRST_DAY).clip(_FIRST_DAY, _LAST_DAY).alias("day")
    pieces = rows.select("partition", day).with_row_index().group_by("partition", "day").agg("index")
    for partition, on, index in pieces.sort("partition", "day").iter_rows():
        path = folder / f"date={on.isoformat()}" / spans[partition].file_name()
        yield path, rows[index].to_arrow()


def put(rows: pa.Table, path: Path, *, compression: str = "zstd") -> None:
    """Write rows under another name, make them durable, put them in place by rename. Raises OSError."""
    with placed(path) as file:
        pq.write_table(rows, file, compression=compression, write_page_checksum=True)


def put_bytes(payload: bytes, path: Path) -> None:
    """The same for a file of another kind."""
    with placed(path) as file:
        file.write(payload)


@contextmanager
def placed(path: Path) -> Iterator[BinaryIO]:
    """A file to write that is put in place by rename once it is whole and durable."""
    path.parent.mkdir(parents=True, exist_ok=True)
    meanwhile = path.with_name(f"{path.name}.tmp")
    try:
        with meanwhile.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        meanwhile.replace(path)
    except BaseException:
        meanwhile.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
