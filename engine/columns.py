"""Columns of frames as arrays and back: a few µs a column, where a small query takes a hundred."""

from typing import Any, TypeAlias, TypeVar

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

Ints: TypeAlias = NDArray[np.int64]
Words: TypeAlias = NDArray[np.uint64]
Floats: TypeAlias = NDArray[np.float64]
Mask: TypeAlias = NDArray[np.bool_]
Places: TypeAlias = NDArray[np.intp]

NEVER = int(np.iinfo(np.int64).min)
"""No value yet, or none: below every id, time and clock."""

_Column = TypeVar("_Column", bound="np.generic[Any]")


def ints(column: pl.Series, null: int = 0) -> Ints:
    """Whole numbers, or times as µs; `null` where there is none."""
    if not column.null_count():
        values = column.to_numpy()
        return values.view(np.int64) if values.dtype.kind == "M" else values.astype(np.int64, copy=False)
    array = column.to_arrow()
    array = array.view(pa.int64()) if pa.types.is_timestamp(array.type) else array.cast(pa.int64())
    taken: Ints = array.fill_null(null).to_numpy(zero_copy_only=False)
    return taken


def floats(column: pl.Series) -> Floats:
    """Numbers; NaN where there is none."""
    return column.to_numpy()


def texts(column: pl.Series, places: Places) -> list[str]:
    """The texts at these places."""
    taken: list[str] = column.to_arrow().take(pa.array(places)).to_pylist()
    return taken


def nullable(name: str, values: Floats) -> pl.Series:
    """A column in which NaN has become null."""
    return pl.Series(name, values, nan_to_null=True)


def extended(column: NDArray[_Column], more: int) -> NDArray[_Column]:
    """The column with `more` zeros behind it."""
    wider = np.zeros((len(column) + more, *column.shape[1:]), column.dtype)  # Zeros take no memory until written to.
    wider[: len(column)] = column
    return wider
