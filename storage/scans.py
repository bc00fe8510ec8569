"""Rows from outside shown to DuckDB, as its view `rows`: Parquet files, Arrow files, any Arrow stream."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Final, TypeAlias

import duckdb
import numpy as np
import pyarrow as pa

from engine.errors import Misconfigured

Rows: TypeAlias = Sequence[Path] | pa.RecordBatchReader
"""Files in order, or a stream."""

_PARQUET: Final = b"PAR1"
_ARROW_FILE: Final = b"ARRO"


def shown(connection: duckdb.DuckDBPyConnection, rows: Rows) -> Iterator[str]:
    """Show the rows in as few turns as their kinds allow; each turn is called by what it shows.

    Beside their own columns `rows` have `filename` and `file_row_number`; the view `files` tells each file's `number`
    in the order given.
    """
    if isinstance(rows, pa.RecordBatchReader):
        _show(connection, connection.from_arrow(_numbered(rows, "")), {"": 0})
        yield "the stream"
        return
    for is_parquet, group in groupby(enumerate(rows), key=lambda numbered: _magic(numbered[1]) == _PARQUET):
        numbers = {str(path): number for number, path in group}
        if is_parquet:
            first, more = next(iter(numbers)), len(numbers) - 1
            name = f"{first} and {more} more" if more else first
            with readable(name):
                _show(connection, _parquet(connection, list(numbers)), numbers)
            yield name
            continue
        for name, number in numbers.items():
            with readable(name), pa.OSFile(name) as file:
                _show(connection, connection.from_arrow(_numbered(_arrow(file), name)), {name: number})
                yield name


@contextmanager
def readable(name: str) -> Iterator[None]:
    """Say which rows could not be read, and why, as Misconfigured."""
    try:
        yield
    except (duckdb.IOException, duckdb.OutOfMemoryException):
        raise  # Of our own disk and memory.
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        raise Misconfigured(f"{name}: cannot be read: {said(error)}") from error


def said(error: Exception) -> str:
    """The first line of what a library says."""
    return str(error).partition("\n")[0]


def _magic(path: Path) -> bytes:
    with readable(str(path)), path.open("rb") as file:
        return file.read(4)


def _parquet(connection: duckdb.DuckDBPyConnection, files: list[str]) -> duckdb.DuckDBPyRelation:
    return connection.read_parquet(
        files, union_by_name=True, filename=True, file_row_number=True, hive_partitioning=False
    )


def _arrow(file: pa.NativeFile) -> pa.RecordBatchReader:
    if file.read(4) != _ARROW_FILE:
        file.seek(0)
        return pa.ipc.open_stream(file)
    opened = pa.ipc.open_file(file)
    batches = (opened.get_batch(at) for at in range(opened.num_record_batches))
    return pa.RecordBatchReader.from_batches(opened.schema, batches)


def _numbered(rows: pa.RecordBatchReader, name: str) -> pa.RecordBatchReader:
    schema = rows.schema.append(pa.field("filename", pa.string())).append(pa.field("file_row_number", pa.int64()))

    def batches() -> Iterator[pa.RecordBatch]:
        start = 0
        for batch in rows:
            batch.validate(full=True)
            place = np.arange(start, start + batch.num_rows)
            start += batch.num_rows
            yield pa.record_batch([*batch.columns, pa.repeat(name, batch.num_rows), place], schema=schema)

    return pa.RecordBatchReader.from_batches(schema, batches())


def _show(connection: duckdb.DuckDBPyConnection, rows: duckdb.DuckDBPyRelation, numbers: dict[str, int]) -> None:
    rows.create_view("rows", replace=True)
    files = pa.table({"filename": pa.array(numbers, pa.string()), "number": pa.array(numbers.values(), pa.int64())})
    connection.register("files", files)
