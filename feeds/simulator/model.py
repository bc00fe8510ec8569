"""A market model: one set of prices, seen by three venues each with its own delay, and the orders that trade on it."""

from collections.abc import Iterator, Mapping
from math import log
from operator import attrgetter
from random import Random
from typing import NamedTuple

from engine.errors import Misconfigured
from engine.settings import Simulator
from feeds.simulator.assets import asset
from feeds.simulator.desk import FILLS_MEAN, REMEMBERED_STEPS, Desk
from feeds.simulator.market import Trade
from feeds.simulator.prices import STEP_US, Path, Prices


class _Traits(NamedTuple):
    """A venue's share of all trades, and how far it lags behind the common price."""

    share: float
    delay_steps: int


# As published trade ids tell, but for Kraken: its real share, under 1 %, would leave windows empty in a short run.
_VENUES = {"binance": _Traits(0.80, 0), "coinbase": _Traits(0.15, 3), "kraken": _Traits(0.05, 8)}

_ACTIVITY = {"BTC": 1.0, "ETH": 0.6, "SOL": 0.4, "XRP": 0.3}
_ACTIVITY_OTHERS = 0.2


class Model:
    """Endless trades from a seed: the same seed gives the same prices, sizes and gaps."""

    awaited: Mapping[str, frozenset[str]] = {}

    def __init__(self, settings: Simulator, symbols: tuple[str, ...]) -> None:
        """Raises Misconfigured where there is nothing to trade."""
        if not symbols:
            raise Misconfigured("feeds.symbols: is empty; name what to trade, such as BTC-USDT")
        self.symbols = tuple(dict.fromkeys(symbols))
        self._settings = settings

    def trades(self, start_us: int) -> Iterator[tuple[int, Trade]]:
        """Event times are wall-clock times; `rate` makes more of the market pass in each of their seconds."""
        for trade in self._market_trades(first_id=start_us):
            wall_us = start_us + int(trade.time_us / self._settings.rate)
            yield wall_us, trade._replace(time_us=wall_us)

    def _market_trades(self, first_id: int) -> Iterator[Trade]:
        """Trades in the market's own time, from 0 on. Ids begin at the clock's microseconds: a later run goes above."""
        random = Random(self._settings.seed)
        assets = [asset(symbol) for symbol in self.symbols]
        longest = max(traits.delay_steps for traits in _VENUES.values()) + REMEMBERED_STEPS
        prices = Prices(random, [log(each.price) for each in assets], self._settings.jumps_per_hour, longest)
        desks = self._desks(random, prices.paths, first_id)
        now_us = 0
        while True:
            prices.step()
            yield from sorted((fill for desk in desks for fill in desk.fills(now_us)), key=attrgetter("time_us"))
            now_us += STEP_US

    def _desks(self, random: Random, paths: list[Path], first_id: int) -> list[Desk]:
        activity = [_ACTIVITY.get(symbol.partition("-")[0], _ACTIVITY_OTHERS) for symbol in self.symbols]
        orders_per_us = self._settings.ticks_per_second / FILLS_MEAN / sum(activity) / 1_000_000
        return [
            Desk(random, venue, symbol, path, traits.delay_steps, orders_per_us * traits.share * active, first_id)
            for symbol, path, active in zip(self.symbols, paths, activity, strict=True)
            for venue, traits in _VENUES.items()
        ]
