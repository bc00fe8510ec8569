"""Columns of 128-bit integers do what Python's integers do."""

from collections.abc import Sequence
from itertools import accumulate

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.int128 import Int128, product, running_sum, running_sum128, squares

EDGES = (0, 1, -1, 2**63 - 1, -(2**63), 2**64, -(2**64), 2**64 - 1, 2**126, -(2**126), 2**127 - 1, -(2**127))
WIDE = st.one_of(st.sampled_from(EDGES), st.integers(-(2**127), 2**127 - 1))
WORD = st.one_of(st.sampled_from((0, 1, -1, 2**63 - 1, -(2**63))), st.integers(-(2**63), 2**63 - 1))
UNITS = st.one_of(st.sampled_from((0, 2**50 - 1, 1 - 2**50)), st.integers(1 - 2**50, 2**50 - 1))


def column(values: Sequence[int]) -> Int128:
    high, low = zip(*(divmod(value, 2**64) for value in values), strict=True)
    return Int128(np.array(high, np.int64), np.array(low, np.uint64))


def ints(values: Sequence[int]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array(values, np.int64)


def wrapped(value: int) -> int:
    """The value as 128 bits hold it."""
    return (value + 2**127) % 2**128 - 2**127


def as_float(value: int) -> float:
    """DESIGN 4: sign x (high word x 2^64 + low word) of the magnitude."""
    high, low = divmod(abs(value), 2**64)
    magnitude = float(high) * 2.0**64 + float(low)
    return -magnitude if value < 0 else magnitude


@given(st.lists(st.tuples(WIDE, WIDE), min_size=1))
def test_sums_and_differences_wrap_as_two_words_do(pairs: list[tuple[int, int]]) -> None:
    a, b = (column(side) for side in zip(*pairs, strict=True))
    assert a.plus(b).to_ints() == [wrapped(x + y) for x, y in pairs]
    assert a.minus(b).to_ints() == [wrapped(x - y) for x, y in pairs]


@given(st.lists(st.tuples(WIDE, WORD), min_size=1))
def test_products_with_a_word_wrap_as_two_words_do(pairs: list[tuple[int, int]]) -> None:
    wide, words = zip(*pairs, strict=True)
    assert column(wide).times(ints(words)).to_ints() == [wrapped(x * y) for x, y in pairs]


# The magnitude of -2^127 has no room; sums of squared prices stay far below it.
@given(st.lists(WIDE.filter(lambda value: value != -(2**127)), min_size=1))
def test_floats_are_those_of_the_design(values: list[int]) -> None:
    assert column(values).to_float().tolist() == [as_float(value) for value in values]


@given(st.lists(WORD, min_size=1))
def test_words_are_widened_with_their_sign(values: list[int]) -> None:
    assert Int128.of(ints(values)).to_ints() == values


@given(st.lists(st.tuples(WORD, WORD), min_size=1))
def test_products_are_exact_whichever_way_their_size_allows(pairs: list[tuple[int, int]]) -> None:
    bound = float(max(abs(a * b) for a, b in pairs))
    a, b = (ints(side) for side in zip(*pairs, strict=True))
    assert product(a, b, bound).to_ints() == [x * y for x, y in pairs]


@given(st.lists(UNITS, min_size=1))
def test_squares_of_prices_in_units_are_exact(values: list[int]) -> None:
    assert squares(ints(values)).to_ints() == [value * value for value in values]


@given(st.lists(WORD))
def test_running_sums_are_exact_past_a_word(values: list[int]) -> None:
    bound = float(sum(map(abs, values)))
    assert running_sum(ints(values), bound).to_ints() == [0, *accumulate(values)]


@given(st.lists(WIDE, min_size=1))
def test_running_sums_of_wide_values_wrap_as_two_words_do(values: list[int]) -> None:
    assert running_sum128(column(values)).to_ints() == [0, *map(wrapped, accumulate(values))]


def test_rows_are_taken_and_put_by_place() -> None:
    rows = column([1, -(2**100), 2**100])
    assert rows.take(np.array([2, 0])).to_ints() == [2**100, 1]
    rows.put(np.array([0]), column([-7]))
    assert rows.to_ints() == [-7, -(2**100), 2**100]
