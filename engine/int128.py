"""Columns of 128-bit integers: two words a value, arithmetic modulo 2^128.

numpy has no such type; sums of squared prices need it. As with any two's complement numbers, a difference
of sums is exact as long as the true difference fits, however often the sums themselves have wrapped.
"""

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Ints: TypeAlias = NDArray[np.int64]
Words: TypeAlias = NDArray[np.uint64]
Floats: TypeAlias = NDArray[np.float64]

_HALF = np.uint64(32)
_LOW_HALF = np.uint64(0xFFFF_FFFF)
_WORD = 2.0**64
_HALF_WORD = 2.0**32
_FITS = 2.0**62
"""Products and sums below this bound stay in one signed word, whatever float64 rounding did to the bound."""
_ESTIMABLE = 2.0**113
"""Up to it float64, right to one part in 2^51, is near enough to find the high word."""


class Int128(NamedTuple):
    """High and low words; the high one carries the sign."""

    high: Ints
    low: Words

    @classmethod
    def zeros(cls, size: int) -> "Int128":
        """`size` zeros."""
        return cls(np.zeros(size, np.int64), np.zeros(size, np.uint64))

    @classmethod
    def of(cls, values: Ints) -> "Int128":
        """Widen signed words."""
        return cls(values >> 63, values.view(np.uint64))

    def take(self, index: NDArray[np.intp] | slice) -> "Int128":
        """The rows at these places."""
        return Int128(self.high[index], self.low[index])

    def put(self, index: NDArray[np.intp], values: "Int128") -> None:
        """Set rows in place."""
        self.high[index] = values.high
        self.low[index] = values.low

    def plus(self, other: "Int128") -> "Int128":
        """Add row by row."""
        low = self.low + other.low
        return Int128(self.high + other.high + (low < other.low), low)

    def minus(self, other: "Int128") -> "Int128":
        """Subtract row by row."""
        return Int128(self.high - other.high - (self.low < other.low), self.low - other.low)

    def times(self, factor: Ints) -> "Int128":
        """Multiply row by row with a signed word."""
        word = factor.view(np.uint64)
        high = _high_word(self.low, word).view(np.int64)
        # A negative factor stands for word - 2^64, which takes `low` off the high word again.
        high += self.high * factor - (self.low & (factor >> 63).view(np.uint64)).view(np.int64)
        return Int128(high, self.low * word)

    def to_float(self) -> Floats:
        """Each value as sign x (high x 2^64 + low) of its magnitude, each word rounded to float64 by itself."""
        words = self.words()
        if words is not None:
            return words.astype(np.float64)  # The same bits in a quarter of the time.
        size = self.magnitude() if (self.high < 0).any() else self
        signed: Floats = np.copysign(size.high * _WORD + _rounded(size.low), self.high)
        return signed

    def magnitude(self) -> "Int128":
        """Each value without its sign."""
        flip = self.high >> 63
        low = (self.low ^ flip.view(np.uint64)) - flip.view(np.uint64)
        return Int128((self.high ^ flip) + ((low == 0) & (flip < 0)), low)

    def words(self) -> Ints | None:
        """The values as signed words; None where one of them does not fit."""
        words = self.low.view(np.int64)
        return words if np.array_equal(self.high, words >> 63) else None

    def to_ints(self) -> list[int]:
        """Python's own integers."""
        return [(high << 64) + low for high, low in zip(self.high.tolist(), self.low.tolist(), strict=True)]


def product(a: Ints, b: Ints, bound: float) -> Int128:
    """The product row by row; `bound` is any number not below the largest |a x b|."""
    if bound < _FITS:
        return Int128.of(a * b)
    if bound > _ESTIMABLE:
        return Int128.of(a).times(b)
    low = a * b
    estimate = a.astype(np.float64)
    estimate *= b
    estimate -= low
    estimate /= _WORD
    high = np.rint(estimate, out=estimate).astype(np.int64)
    high += low >> 63  # The estimate took `low` with its sign.
    return Int128(high, low.view(np.uint64))


def squares(values: Ints) -> Int128:
    """The squares of values below 2^50 in magnitude."""
    return product(values, values, 2.0**100)


def running_sum(values: Ints, bound: float) -> Int128:
    """0, then the sums of the first 1, 2, … values; `bound` is any number not below the sum of their magnitudes."""
    if bound < _FITS:
        total = np.zeros(len(values) + 1, np.int64)
        np.cumsum(values, out=total[1:])
        return Int128.of(total)
    return running_sum128(Int128.of(values))


def running_sum128(values: Int128) -> Int128:
    """0, then the sums of the first 1, 2, … values."""
    low = np.zeros(len(values.low) + 1, np.uint64)
    np.cumsum(values.low, out=low[1:])
    high = np.zeros(len(low), np.int64)
    np.cumsum(values.high + (low[1:] < values.low), out=high[1:])
    return Int128(high, low)


def _rounded(words: Words) -> Floats:
    """Each word as the nearest float64, faster than by numpy's cast: halves are exact, their sum is rounded once."""
    high, low = (half.view(np.int64).astype(np.float64) for half in (words >> _HALF, words & _LOW_HALF))
    nearest: Floats = high * _HALF_WORD + low
    return nearest


def _high_word(a: Words, b: Words) -> Words:
    """The high words of the unsigned products, by halves."""
    a1, a0, b1, b0 = a >> _HALF, a & _LOW_HALF, b >> _HALF, b & _LOW_HALF
    middle = a1 * b0 + (a0 * b0 >> _HALF)
    low_middle = (middle & _LOW_HALF) + a0 * b1
    high: Words = a1 * b1 + (middle >> _HALF) + (low_middle >> _HALF)
    return high
