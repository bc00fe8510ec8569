"""Repeats in the log, rate-limited."""

from collections import Counter


class Rarely:
    """Says yes to the 1st, 2nd, 4th, 8th … time of each thing."""

    def __init__(self) -> None:
        self._times: Counter[str] = Counter()

    def again(self, what: str) -> bool:
        """Whether this time of it is one to tell."""
        self._times[what] += 1
        times = self._times[what]
        return times & (times - 1) == 0
