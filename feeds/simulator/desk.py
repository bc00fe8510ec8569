"""One symbol at one venue: its quote, and the taker orders that hit it."""

from collections.abc import Iterator
from itertools import count
from math import exp, tanh
from random import Random

from feeds.simulator.assets import asset
from feeds.simulator.market import Side, Trade
from feeds.simulator.prices import STEP_US, STEPS_PER_SECOND, Path

REMEMBERED_STEPS = STEPS_PER_SECOND
"""How far back in a path a desk looks, beside its venue's delay."""

_FILLS_TAIL, _FILLS_MAX = 1.5, 500  # of a Pareto law: most orders are one fill, a few are hundreds at one time
FILLS_MEAN = sum(fills**-_FILLS_TAIL for fills in range(1, _FILLS_MAX + 1))

_NOISE, _NOISE_KEPT = 0.00003, 0.98  # a venue's quote goes astray and comes back within seconds
_HALF_SPREAD = 0.0003
_DEPTH = 1e-7  # each further fill of an order goes so much deeper into the book
_TREND = 0.0001  # a move of the last second that most takers follow
_SIZE_MEDIAN_USD, _SIZE_SPREAD = 300.0, 1.5  # of a log-normal law


class Desk:
    """Sends out the fills of a venue's symbol, a step at a time."""

    def __init__(
        self, random: Random, venue: str, symbol: str, path: Path, delay_steps: int, orders_per_us: float, first_id: int
    ) -> None:
        self._random = random
        self._venue, self._symbol = venue, symbol
        self._path, self._delay_steps = path, delay_steps
        self._orders_per_us = orders_per_us
        self._asset = asset(symbol)
        self._ids = count(first_id)
        self._noise = 0.0

    def fills(self, from_us: int) -> Iterator[Trade]:
        """The fills of the step that begins at `from_us`, in the market's own time; more of them in a storm."""
        self._noise = _NOISE_KEPT * self._noise + self._random.gauss(0.0, _NOISE)
        orders_per_us = self._orders_per_us * (0.5 + 0.5 * self._path.variance)
        after_us = self._random.expovariate(orders_per_us)
        while after_us < STEP_US:
            yield from self._order(from_us + int(after_us))
            after_us += self._random.expovariate(orders_per_us)

    def _order(self, time_us: int) -> Iterator[Trade]:
        """One aggressor's fills, all at one time, each a little deeper in the book."""
        side = self._aggressor()
        away = 1.0 if side == "buy" else -1.0
        middle = exp(self._path.ago(self._delay_steps) + self._noise)
        for depth in range(min(int(self._random.paretovariate(_FILLS_TAIL)), _FILLS_MAX)):
            price = middle * (1.0 + away * (_HALF_SPREAD + depth * _DEPTH))
            yield Trade(
                self._venue,
                self._symbol,
                time_us,
                next(self._ids),
                _on_step(price, self._asset.price_places),
                self._size(),
                side,
            )

    def _aggressor(self) -> Side:
        move = self._path.ago(self._delay_steps) - self._path.ago(self._delay_steps + REMEMBERED_STEPS)
        return "buy" if self._random.random() < 0.5 + 0.4 * tanh(move / _TREND) else "sell"

    def _size(self) -> float:
        size = _SIZE_MEDIAN_USD / self._asset.worth_usd * self._random.lognormvariate(0.0, _SIZE_SPREAD)
        return _on_step(size, self._asset.size_places)


def _on_step(value: float, places: int) -> float:
    """A whole number of ticks or lots, at least one."""
    return max(round(value, places), 10.0**-places)
