"""CPU time of the whole process, all threads, so that a busy machine or a second core favours nobody."""

import gc
import statistics
import time
from collections.abc import Callable
from typing import NamedTuple


class Duel(NamedTuple):
    """CPU seconds of two rivals, pair by pair."""

    ours: list[float]
    theirs: list[float]

    @property
    def ratio(self) -> float:
        """The median of ours / theirs over the pairs."""
        return statistics.median(ours / theirs for ours, theirs in zip(self.ours, self.theirs, strict=True))


def duel(ours: Callable[[], object], theirs: Callable[[], object], pairs: int) -> Duel:
    """Run both in turn, so that what disturbs the machine disturbs both; each goes first in half of the pairs."""
    done = Duel([], [])
    for pair in range(pairs):
        sides = [(ours, done.ours), (theirs, done.theirs)]
        for work, seconds in sides if pair % 2 == 0 else reversed(sides):
            seconds.append(cpu_seconds(work))
    return done


def cpu_seconds(work: Callable[[], object]) -> float:
    """CPU seconds of one call."""
    gc.collect()
    began = time.process_time()
    result = work()
    seconds = time.process_time() - began
    del result
    return seconds
