"""What a venue reports, and where it comes from."""

from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple, Protocol, TypeAlias

Side: TypeAlias = Literal["buy", "sell"]

VENUES = ("binance", "coinbase", "kraken")


class Trade(NamedTuple):
    """One fill. `symbol` is BASE-QUOTE, `size` in base units, `side` the aggressor's, `time_us` the venue's time."""

    venue: str
    symbol: str
    time_us: int
    trade_id: int
    price: float
    size: float
    side: Side


class Market(Protocol):
    """A market model or a tape: no I/O, no clock."""

    @property
    def symbols(self) -> tuple[str, ...]:
        """What the venues list."""
        ...

    @property
    def awaited(self) -> Mapping[str, frozenset[str]]:
        """By venue, the symbols that somebody must listen to before the market may start."""
        ...

    def trades(self, start_us: int) -> Iterator[tuple[int, Trade]]:
        """Each trade after the wall-clock time (µs) at which it is due, in this order, from `start_us` on."""
        ...
