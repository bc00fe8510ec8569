"""What is missing by trade id. The state outlives connections: what is lost between two of them shows as well."""

from collections.abc import Iterable

from feeds.exchanges import Tick

EPOCH_IDS = 1_000_000
"""A jump of more ids than this, up or down, is a new numbering."""


class Gaps:
    """The latest id of each symbol, and how far the exchange says it should be."""

    def __init__(self) -> None:
        self._latest: dict[str, int] = {}
        self._announced: dict[str, int] = {}

    def check(self, ticks: Iterable[Tick]) -> list[Tick]:
        """The ticks not seen before, each with the number of ids missing right before it."""
        fresh = []
        for tick in ticks:
            latest = self._latest.get(tick.symbol)
            step = 1 if latest is None else tick.trade_id - latest
            if -EPOCH_IDS <= step <= 0:
                continue
            self._latest[tick.symbol] = tick.trade_id
            fresh.append(tick._replace(missing=step - 1) if 1 < step <= EPOCH_IDS else tick)
        return fresh

    def announce(self, symbol: str, trade_id: int) -> None:
        """Note the id of a symbol's last trade, as the exchange knows it."""
        self._announced[symbol] = trade_id

    def unseen(self) -> int:
        """Trades that were announced and have not come."""
        ahead = (trade_id - self._latest.get(symbol, trade_id) for symbol, trade_id in self._announced.items())
        return sum(step for step in ahead if 0 < step <= EPOCH_IDS)
