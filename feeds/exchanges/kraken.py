"""Kraken spot, WebSocket v2: channel `trade`, several trades a frame, an acknowledgement for each symbol."""

from collections.abc import Sequence
from functools import cached_property
from typing import ClassVar, Literal

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from engine.errors import MalformedFrame
from feeds.exchanges import Exchange, Kind, Reading, Tick
from feeds.fields import Symbols, TradeId, Url, decode, tick, time_us

_CHANNELS: dict[str, Kind] = {"heartbeat": "heartbeat", "status": "status"}
_ALREADY = "already subscribed"


class Kraken(Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """Kraken spot; BASE/QUOTE there is BASE-QUOTE here."""

    url: Url
    symbols: Symbols
    deflate: ClassVar[bool] = False

    @cached_property
    def names(self) -> dict[str, str]:
        """Our symbols by Kraken's."""
        return {symbol.replace("-", "/"): symbol for symbol in self.symbols}

    def endpoint(self) -> str:
        """As it is in the settings."""
        return self.url

    def subscribe(self, symbols: Sequence[str]) -> list[bytes]:
        """One frame for all. What Kraken takes for granted about snapshots has changed, so it is said."""
        pairs = [symbol.replace("-", "/") for symbol in symbols]
        params = {"channel": "trade", "symbol": pairs, "snapshot": True}
        return [msgspec.json.encode({"method": "subscribe", "params": params, "req_id": 1})]

    def ping(self) -> bytes:
        """Kraken's own ping; it also keeps Kraken from closing a connection on which the client is silent."""
        return b'{"method":"ping"}'

    def parse(self, frame: bytes, seen_us: int) -> Reading:
        """Trades, an answer to a request, or what else Kraken says."""
        message = decode(_MESSAGE, frame)
        if message.channel == "trade" and message.data is not UNSET:
            return self._trades(message, seen_us)
        if message.method == "pong":
            return Reading("pong")
        if message.method == "subscribe":
            return self._answer(message)
        if message.problem:
            return Reading("error", detail=message.problem)
        return Reading(_CHANNELS.get(message.channel, "other"))

    def _trades(self, message: "_Message", seen_us: int) -> Reading:
        ticks, malformed = [], []
        for raw in decode(_ROWS, message.data or b""):
            try:
                ticks.append(self._tick(decode(_TRADE, raw), seen_us))
            except MalformedFrame as error:  # One bad trade does not spoil the others.
                malformed.append(error)
        ticks.sort(key=_by_id)
        return Reading("snapshot" if message.type == "snapshot" else "trades", ticks=ticks, malformed=malformed)

    def _tick(self, trade: "_Trade", seen_us: int) -> Tick:
        symbol = self.names.get(trade.symbol)
        return tick(symbol, time_us(trade.timestamp), seen_us, trade.trade_id, trade.price, trade.qty, trade.side)

    def _answer(self, message: "_Message") -> Reading:
        # A success names its symbol inside the result, a failure beside it.
        result = message.result
        symbol = self.names.get(message.symbol or (result.symbol if result else ""))
        if message.success or message.problem.lower() == _ALREADY:
            return Reading("acknowledged", acknowledged=(symbol,) if symbol else ())
        if symbol:
            return Reading("refused", refused={symbol: message.problem})
        return Reading("error", detail=message.problem)


class _Result(Struct):
    symbol: str = ""


class _Message(Struct):
    """The keys that tell frames apart."""

    channel: str = ""
    type: str = ""
    data: Raw | UnsetType = UNSET
    method: str = ""
    success: bool = False
    symbol: str = ""
    result: _Result | None = None
    error: str = ""
    Error: str = ""  # so written for a rate that is exceeded

    @property
    def problem(self) -> str:
        """What went wrong, in Kraken's words."""
        return self.error or self.Error


class _Trade(Struct):
    symbol: str
    side: Literal["buy", "sell"]
    price: float
    qty: float
    trade_id: TradeId
    timestamp: str


def _by_id(tick: Tick) -> int:
    return tick.trade_id


_MESSAGE = msgspec.json.Decoder(_Message)
_ROWS = msgspec.json.Decoder(list[Raw])
_TRADE = msgspec.json.Decoder(_Trade, strict=False)

part: type[Exchange] = Kraken
