"""The exchanges: one file each, no I/O. `use = "kraken"` in a section of `[exchanges]` is the part in kraken.py.

A part is frozen and knows its own symbols; what a frame says depends on that frame alone, so that a connection may be
lost and opened at any point.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Literal, NamedTuple, Protocol, TypeAlias

from msgspec import Struct

from engine.errors import MalformedFrame

Kind: TypeAlias = Literal[
    "trades", "snapshot", "acknowledged", "refused", "error", "heartbeat", "pong", "status", "closing", "other"
]
"""What a frame is for: `snapshot` brings trades from before the subscription, `closing` announces the end."""


class Tick(NamedTuple):
    """One trade, in the order of the columns of `schema.TICK`; times in microseconds since 1970."""

    symbol: str
    ts_event: int
    ts_received: int
    trade_id: int
    price: float
    size: float
    side: str
    missing: int = 0


class Reading(Struct, frozen=True):
    """What one frame says.

    `malformed` are the trades in it that could not be read, `acknowledged` and `refused` the subscriptions it settles
    (with the exchange's words). After `subscribe_again` nothing at all is subscribed: ask for the rest once more.
    `latest_id` is the id of a symbol's last trade as the exchange knows it.
    """

    kind: Kind
    ticks: Sequence[Tick] = ()
    malformed: Sequence[MalformedFrame] = ()
    acknowledged: Collection[str] = ()
    refused: Mapping[str, str] = {}
    subscribe_again: bool = False
    latest_id: tuple[str, int] | None = None
    detail: str = ""


class Exchange(Protocol):
    """An exchange's side of the wire."""

    @property
    def symbols(self) -> tuple[str, ...]:
        """What to subscribe to, as BASE-QUOTE."""
        ...

    @property
    def deflate(self) -> bool:
        """Whether to offer compression."""
        ...

    def endpoint(self) -> str:
        """The address to connect to."""
        ...

    def subscribe(self, symbols: Sequence[str]) -> list[bytes]:
        """The text frames that ask for the trades of these symbols."""
        ...

    def ping(self) -> bytes | None:
        """The exchange's own question for a sign of life; None where a WebSocket ping serves."""
        ...

    def parse(self, frame: bytes, seen_us: int) -> Reading:
        """What a frame received at `seen_us` says. Raises MalformedFrame where it cannot be read at all."""
        ...
