"""How long to wait before the next try."""

import random

from engine.errors import Disconnected
from feeds.losses import Throttled

_DOUBLINGS_MAX = 30


class Backoff:
    """Full jitter under a doubling ceiling; who has throttled us is left alone for longer.

    As "Full Jitter" in M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """

    def __init__(self, base_s: float, max_s: float) -> None:
        self._base_s = base_s
        self._max_s = max_s
        self._tries = 0

    def reset(self) -> None:
        """Begin again at the shortest wait."""
        self._tries = 0

    def wait_s(self, lost: Disconnected) -> float:
        """Seconds to wait after this loss."""
        if isinstance(lost, Throttled):
            return max(lost.retry_after_s, random.uniform(self._max_s, 2 * self._max_s))
        ceiling_s = min(self._max_s, self._base_s * 2**self._tries)
        self._tries = min(self._tries + 1, _DOUBLINGS_MAX)
        return random.uniform(0.0, ceiling_s)
