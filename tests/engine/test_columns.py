"""Columns of frames as arrays and back."""

import math

import numpy as np
import polars as pl
import pytest

from engine.columns import floats, ints, nullable, texts


@pytest.mark.parametrize("dtype", [pl.Int32, pl.Int64, pl.Datetime("us", "UTC")])
def test_whole_numbers_and_times_are_64_bits_wide(dtype: pl.DataType) -> None:
    column = pl.Series([5, None, 7], dtype=pl.Int64).cast(dtype)
    assert ints(column, -1).tolist() == [5, -1, 7]
    assert ints(column.slice(2)).tolist() == [7]
    assert ints(column).dtype == np.int64


def test_numbers_keep_their_bits_and_null_is_nan() -> None:
    found = floats(pl.Series([-0.0, None, math.inf, 0.1 + 0.2]))
    assert [math.isnan(each) for each in found.tolist()] == [False, True, False, False]
    assert found[[0, 2, 3]].tobytes() == np.array([-0.0, math.inf, 0.1 + 0.2]).tobytes()
    assert nullable("score", found).to_list() == [-0.0, None, math.inf, 0.1 + 0.2]


def test_a_column_of_chunks_is_one_array() -> None:
    column = pl.Series([1.0, 2.0]).append(pl.Series([3.0]))
    assert column.n_chunks() == 2
    assert floats(column).tolist() == [1.0, 2.0, 3.0]


def test_texts_are_taken_at_their_places() -> None:
    column = pl.Series(["a", "b", "c"]).append(pl.Series(["d"]))
    assert texts(column, np.array([3, 0])) == ["d", "a"]
