"""Log prices of correlated assets, a step at a time.

A common factor moves all of them. Variances follow a GARCH(1,1) process, so that calm and stormy minutes come in
clusters (Bollerslev, Journal of Econometrics 31 (1986) 307-327); now and then a price jumps (Merton, Journal of
Financial Economics 3 (1976) 125-144).
"""

from collections import deque
from math import sqrt
from random import Random

STEP_US = 50_000
STEPS_PER_SECOND = 1_000_000 // STEP_US

_CORRELATION = 0.6
_COMMON, _OWN = sqrt(_CORRELATION), sqrt(1.0 - _CORRELATION)
_REACTION, _MEMORY = 0.03, 0.967  # of variance to the last shock and to itself: half of a cluster is gone in 12 s
_CALM = 1.0 - _REACTION - _MEMORY  # makes 1.0 the long-run mean
_VOLATILITY = 0.0003 / sqrt(60 * STEPS_PER_SECOND)  # 3 basis points in the square root of a minute
_JUMP_MIN, _JUMP_MAX = 0.0015, 0.006


class Path:
    """The log price of one asset, its variance relative to the long run, and where it stood in the last steps."""

    def __init__(self, log_price: float, remembered: int) -> None:
        self.variance = 1.0
        self._trail = deque([log_price] * (remembered + 1), maxlen=remembered + 1)

    def ago(self, steps: int) -> float:
        """The log price so many steps ago."""
        return self._trail[steps]

    def move(self, common: float, own: float, jump: float) -> None:
        """One step, by two standard normal numbers and a jump."""
        shock = sqrt(self.variance) * (_COMMON * common + _OWN * own)
        self.variance = _CALM + _REACTION * shock**2 + _MEMORY * self.variance
        self._trail.appendleft(self._trail[0] + _VOLATILITY * shock + jump)


class Prices:
    """The paths of several assets."""

    def __init__(self, random: Random, log_prices: list[float], jumps_per_hour: float, remembered: int) -> None:
        self.paths = [Path(log_price, remembered) for log_price in log_prices]
        self._random = random
        self._jump_chance = jumps_per_hour / (3_600 * STEPS_PER_SECOND)

    def step(self) -> None:
        """Move every path by one step."""
        common = self._random.gauss()
        for path in self.paths:
            path.move(common, self._random.gauss(), self._jump())

    def _jump(self) -> float:
        if self._random.random() >= self._jump_chance:
            return 0.0
        return self._random.choice((-1.0, 1.0)) * self._random.uniform(_JUMP_MIN, _JUMP_MAX)
