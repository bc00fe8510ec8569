"""Equality of frames down to the bit: NaN, infinities, zeros of both signs and null are all different values."""

from collections.abc import Collection

import polars as pl
from polars.testing import assert_frame_equal


def assert_same(found: pl.DataFrame, wanted: pl.DataFrame, leave_out: Collection[str] = ()) -> None:
    """Compare rows, order, types and bits."""
    names = [name for name in wanted.columns if name not in leave_out]
    assert_frame_equal(bits(found.select(names)), bits(wanted.select(names)), check_exact=True)


def bits(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with each float as its 64 bits."""
    return frame.with_columns(pl.selectors.float().reinterpret(signed=True))
