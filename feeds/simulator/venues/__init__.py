"""What the venues say: one file, one venue's wire format, in frames without I/O.

- binance.py: `<symbol>@trade` streams
- coinbase.py: the Exchange feed, channels `matches` and `heartbeat`
- kraken.py: WebSocket v2, channel `trade`

Each holds a class that is one client's Session, made for the path of the client's URL.
"""

from collections import deque
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Protocol

from msgspec import Struct

from feeds.simulator.market import Trade

RECENT_MAX = 50
"""Trades of a symbol that a venue remembers: Kraken's snapshot."""


class Hangup(Exception):
    """The venue closes the connection."""

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(f"{code} {reason}")
        self.code = code
        self.reason = reason


class Timing(Struct, frozen=True):
    """The venues' patience. Tests have less of it."""

    beat_ms: int = 1_000
    """From one heartbeat to the next; deadlines are looked at as often."""
    ping_ms: int = 20_000
    pong_ms: int = 60_000
    subscribe_ms: int = 5_000
    idle_ms: int = 60_000
    slow_ms: int = 30_000
    """For a client to take the trades of one moment; meanwhile the market waits."""
    heard_ms: int = 60_000
    """For clients to subscribe to what a tape holds, before it starts all the same."""


class Listing:
    """What one venue trades, and the last trades of each symbol, oldest first."""

    def __init__(self, symbols: Sequence[str]) -> None:
        self.recent: dict[str, deque[Trade]] = {symbol: deque(maxlen=RECENT_MAX) for symbol in symbols}

    def record(self, trade: Trade) -> None:
        """Remember a trade before anybody is told of it."""
        self.recent[trade.symbol].append(trade)


class Session(Protocol):
    """One client's conversation with a venue: what comes in, what goes out. Each call gives the frames to send."""

    @property
    def listening(self) -> AbstractSet[str]:
        """The symbols whose trades this client is sent."""
        ...

    def opened(self) -> list[bytes]:
        """What the venue says first."""
        ...

    def received(self, frame: str | bytes, now_us: int) -> list[bytes]:
        """The answer to a frame. Raises Hangup where the venue has had enough."""
        ...

    def traded(self, trades: Sequence[Trade]) -> list[bytes]:
        """These trades, as far as the client listens to them."""
        ...

    def beat(self, now_us: int) -> list[bytes]:
        """What the venue says once a second. Raises Hangup where a deadline has passed."""
        ...
