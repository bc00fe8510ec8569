"""Running maxima within segments of a column."""

import numpy as np
from numpy.typing import NDArray

from engine.int128 import Ints

NEVER = int(np.iinfo(np.int64).min)
"""No value yet: below every id, time and clock."""

_WIDTH_MAX = 1 << 62


def running_max(values: Ints, starts: NDArray[np.intp], initial: Ints) -> tuple[Ints, Ints]:
    """The largest value so far before and after each row, from `initial` on at each of `starts`.

    `starts` rise from 0; NEVER among values counts for nothing.
    """
    after = values.copy()
    after[starts] = np.maximum(values[starts], initial)
    if len(after):
        _accumulate(after, starts)
    before = np.empty_like(after)
    before[1:] = after[:-1]
    before[starts] = initial
    return before, after


def _accumulate(values: Ints, starts: NDArray[np.intp]) -> None:
    """One pass over all segments: each is lifted above the one before it."""
    if len(starts) == 1:
        np.maximum.accumulate(values, out=values)
        return
    is_start = np.zeros(len(values), np.int64)
    is_start[starts] = 1
    segment = np.cumsum(is_start) - 1
    real = values != NEVER
    low = int(values.min(where=real, initial=np.iinfo(np.int64).max))
    width = int(values.max()) - low + 2
    if width <= 0 or width * len(starts) >= _WIDTH_MAX:  # nothing real, or centuries apart: ranks serve as well
        distinct, rank = np.unique(values, return_inverse=True)
        values[:] = distinct[np.maximum.accumulate(rank + segment * len(distinct)) - segment * len(distinct)]
        return
    lift = segment * width - low + 1
    lifted = np.where(real, values + lift, segment * width)
    np.maximum.accumulate(lifted, out=lifted)
    lifted -= lift
    values[:] = np.where(lifted < low, NEVER, lifted)
