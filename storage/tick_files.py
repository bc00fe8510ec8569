"""One tick file, Parquet or Arrow, as frames of the log (DESIGN 10)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from engine import schema
from engine.errors import Rejected
from storage.conform import conform

_BATCH_ROWS: Final = 100_000
_TEXT_BYTES_MAX: Final = 2**31
_PARQUET, _ARROW_FILE, _ARROW_STREAM = b"PAR1", b"ARRO", b"\xff\xff\xff\xff"


def ticks_of(path: Path, number: int) -> Iterator[pl.DataFrame]:
    """The rows of a file with the columns of LOG, some at a time, as they lie in it.

    A file that tells places keeps them; another is message `number` of partition 0. Raises Rejected where the file is
    torn or holds other columns, OSError where it cannot be opened.
    """
    row = 0
    try:
        for rows in _tables(path):
            placed = _placed(_with_time(rows), number, row)
            row += rows.num_rows
            ticks = conform(placed, schema.LOG, bytes_max=_TEXT_BYTES_MAX)
            if ticks.num_rows:
                yield schema.frame(ticks)
    except (pa.ArrowException, ValueError, MemoryError) as error:
        raise Rejected("torn", str(error).splitlines()[0]) from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise Rejected("torn", str(error).splitlines()[0]) from error  # Arrow's own, about what the file holds.


def _tables(path: Path) -> Iterator[pa.Table]:
    with path.open("rb") as file:
        magic = file.read(4)
    if magic == _PARQUET:
        with pq.ParquetFile(path, page_checksum_verification=True) as parquet:
            yield parquet.schema_arrow.empty_table()  # So that a file of no rows is judged by its columns too.
            for batch in parquet.iter_batches(_BATCH_ROWS):
                yield pa.Table.from_batches([batch])
    elif magic == _ARROW_FILE:
        with pa.OSFile(str(path)) as source, pa.ipc.open_file(source) as arrow:
            yield arrow.schema.empty_table()
            for at in range(arrow.num_record_batches):
                yield pa.Table.from_batches([arrow.get_batch(at)])
    elif magic == _ARROW_STREAM:
        with pa.OSFile(str(path)) as source, pa.ipc.open_stream(source) as stream:
            yield stream.schema.empty_table()
            for batch in stream:
                yield pa.Table.from_batches([batch])
    else:
        raise Rejected("not_ticks", "is empty" if not magic else "is neither Parquet nor Arrow")


def _with_time(rows: pa.Table) -> pa.Table:
    """`ts`, µs since 1970, is taken as `ts_event` where that is absent."""
    if "ts_event" in rows.column_names or rows.column_names.count("ts") != 1:
        return rows
    time = rows["ts"]
    if pa.types.is_int64(time.type):
        time = time.cast(schema.TICK.field("ts_event").type)
    return rows.append_column("ts_event", time)


def _placed(rows: pa.Table, number: int, first_row: int) -> pa.Table:
    told = [name for name in schema.PLACE.names if name in rows.column_names]
    if len(told) == len(schema.PLACE):
        return rows
    if told:
        raise Rejected("columns", f"{', '.join(told)} without the other columns of a place in the log")
    count = rows.num_rows
    place = {
        "partition": pa.repeat(pa.scalar(0, pa.int32()), count),
        "offset": pa.repeat(pa.scalar(number, pa.int64()), count),
        "row": pa.array(range(first_row, first_row + count), pa.int32()),
    }
    for name, column in place.items():
        rows = rows.append_column(name, column)
    return rows
