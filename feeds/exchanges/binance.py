"""Binance spot: one `@trade` stream for each symbol, one trade a frame."""

from collections.abc import Sequence
from functools import cached_property
from typing import ClassVar

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from engine.errors import MalformedFrame
from feeds.exchanges import Exchange, Reading, Tick
from feeds.fields import Symbols, TradeId, Url, decode, tick

STREAMS_MAX = 200  # in one SUBSCRIBE frame
_MICROSECONDS_FROM = 10**14  # 13 digits are milliseconds, 16 microseconds
_NO_TRADE = frozenset({"", "NA", "INSURANCE_FUND"})  # of futures: rows on the trade stream that no market made


class Binance(Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """Binance spot, and Binance.US and USD-M futures where `url` says so."""

    url: Url
    symbols: Symbols
    deflate: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if len(self.names) != len(self.symbols):
            raise ValueError("two symbols are written alike at Binance, where the dash is missing")

    @cached_property
    def names(self) -> dict[str, str]:
        """Our symbols by Binance's; where BASE ends cannot be seen in its own."""
        return {symbol.replace("-", ""): symbol for symbol in self.symbols}

    def endpoint(self) -> str:
        """Streams are subscribed to later; the unit of time can only be chosen here."""
        return f"{self.url.rstrip('/')}/ws?timeUnit=MICROSECOND"

    def subscribe(self, symbols: Sequence[str]) -> list[bytes]:
        """A frame for each slice of the symbols, numbered, so that its acknowledgement tells which."""
        streams = [f"{symbol.replace('-', '').lower()}@trade" for symbol in symbols]
        slices = [streams[at : at + STREAMS_MAX] for at in range(0, len(streams), STREAMS_MAX)]
        return [
            msgspec.json.encode({"method": "SUBSCRIBE", "params": params, "id": number})
            for number, params in enumerate(slices)
        ]

    def ping(self) -> None:
        """Binance knows WebSocket pings only."""

    def parse(self, frame: bytes, seen_us: int) -> Reading:
        """A trade, bare or wrapped in the name of its stream, or what else Binance says."""
        message = decode(_MESSAGE, frame)
        if message.data is not UNSET:
            frame = bytes(message.data)
            message = decode(_MESSAGE, frame)
        match message.e:
            case "trade":
                return Reading("trades", ticks=(self._tick(decode(_TRADE, frame), seen_us),))
            case "serverShutdown":
                return Reading("closing")
            case "":
                return self._answer(message)
            case _:
                return Reading("other")

    def _tick(self, trade: "_Trade", seen_us: int) -> Tick:
        if trade.X in _NO_TRADE or trade.p == 0 or trade.q == 0:
            raise MalformedFrame("no_trade", f"{trade.X} {trade.p} {trade.q}")
        time_us = trade.T if trade.T >= _MICROSECONDS_FROM else trade.T * 1_000
        side = "sell" if trade.m else "buy"  # m: the buyer was there first
        return tick(self.names.get(trade.s), time_us, seen_us, trade.t, trade.p, trade.q, side)

    def _answer(self, message: "_Message") -> Reading:
        error = message.error or message
        if error.msg:
            return Reading("error", detail=f"{error.code} {error.msg}")
        if isinstance(message.id, int) and message.result is None:
            at = message.id * STREAMS_MAX
            # A stream that does not exist is acknowledged as well.
            return Reading("acknowledged", acknowledged=self.symbols[at : at + STREAMS_MAX])
        return Reading("other")


class _Error(Struct):
    code: int = 0
    msg: str = ""


class _Message(Struct):
    """The keys that tell frames apart; errors come flat and nested."""

    e: str = ""
    data: Raw | UnsetType = UNSET
    id: int | str | None = None
    result: object = UNSET
    error: _Error | None = None
    code: int = 0
    msg: str = ""


class _Trade(Struct):
    s: str
    t: TradeId
    p: float
    q: float
    T: int
    m: bool
    X: str | None = None


_MESSAGE = msgspec.json.Decoder(_Message)
_TRADE = msgspec.json.Decoder(_Trade, strict=False)  # numbers come as text

part: type[Exchange] = Binance
