"""Columns of frames as arrays and back, by way of Arrow: some µs a column, where a small query takes a hundred."""

from typing import Any

import polars as pl
import pyarrow as pa

from engine.int128 import Floats, Ints


def ints(column: pl.Series, null: int = 0) -> Ints:
    """Whole numbers, or times as µs; `null` where there is none."""
    array = column.to_arrow()
    array = array.view(pa.int64()) if pa.types.is_timestamp(array.type) else array.cast(pa.int64())
    taken: Ints = (array.fill_null(null) if array.null_count else array).to_numpy(zero_copy_only=False)
    return taken


def floats(column: pl.Series) -> Floats:
    """Numbers; NaN where there is none."""
    taken: Floats = column.to_arrow().to_numpy(zero_copy_only=False)
    return taken


def nullable(name: str, values: Floats) -> pl.Series:
    """A column in which NaN has become null."""
    return pl.Series(name, values, nan_to_null=True)


def constant(name: str, value: Any, dtype: pl.DataType, rows: int) -> pl.Series:
    """The same value in every row."""
    return pl.Series(name, [value], dtype=dtype).new_from_index(0, rows)
