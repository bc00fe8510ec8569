"""The other baseline: a ring of recent prices for each key, its sums in float64, in a compiled loop.

What a quick engineer would write: one pass, no exactness, drifting sums. It gives n, mean, std and z of every row, with
the row itself in its window as the rolling expressions have it.
"""

from typing import Any

import numba
import numpy as np

from bench.ticks import WINDOW_MS
from engine.columns import Floats, Ints

_SIZE = 1 << 17
"""Ticks a ring can hold: more than any key has in a window."""


class Rings:
    """Empty rings of so many keys."""

    def __init__(self, keys: int) -> None:
        self._t, self._x = np.zeros((keys, _SIZE), np.int64), np.zeros((keys, _SIZE))
        self._ends, self._sums = np.zeros((keys, 2), np.int64), np.zeros((keys, 2))

    def measure(self, key: Ints, t: Ints, price: Floats) -> tuple[Ints, Floats, Floats, Floats]:
        """n, mean, std and z of the next rows."""
        size = len(key)
        told = (np.empty(size, np.int64), np.empty(size), np.empty(size), np.empty(size))
        _measure(key, t, price, WINDOW_MS * 1_000, (self._t, self._x, self._ends, self._sums), told)
        return told


@numba.njit(error_model="numpy")
def _measure(key: Any, t: Any, price: Any, span_us: int, rings: Any, told: Any) -> None:
    ts, xs, ends, sums = rings
    n, mean, std, z = told
    for i in range(len(key)):
        k, now, x = key[i], t[i], price[i]
        first, end, total, squares = ends[k, 0], ends[k, 1], sums[k, 0], sums[k, 1]
        while first < end and ts[k, first & (_SIZE - 1)] <= now - span_us:
            gone = xs[k, first & (_SIZE - 1)]
            total -= gone
            squares -= gone * gone
            first += 1
        ts[k, end & (_SIZE - 1)], xs[k, end & (_SIZE - 1)] = now, x
        total += x
        squares += x * x
        ends[k, 0], ends[k, 1], sums[k, 0], sums[k, 1] = first, end + 1, total, squares
        count = end + 1 - first
        n[i], mean[i] = count, total / count
        std[i] = np.sqrt(max(squares - total * total / count, 0.0) / (count - 1))
        z[i] = (x - mean[i]) / std[i]
