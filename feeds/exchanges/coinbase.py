"""Coinbase Exchange: channel `matches` with one trade a frame, and a `heartbeat` a second for each product."""

import re
from collections.abc import Sequence
from typing import ClassVar, Literal

import msgspec
from msgspec import Struct

from feeds.exchanges import Exchange, Reading, Tick
from feeds.fields import Symbols, TradeId, Url, decode, tick, time_us

_AGGRESSOR = {"buy": "sell", "sell": "buy"}  # Coinbase names the maker's side.
_INVALID = re.compile(r"(\S+) is not a valid product")


class Coinbase(Struct, frozen=True, forbid_unknown_fields=True):
    """Coinbase Exchange; its products are written as our symbols are."""

    url: Url
    symbols: Symbols
    deflate: ClassVar[bool] = True

    def endpoint(self) -> str:
        """As it is in the settings."""
        return self.url

    def subscribe(self, symbols: Sequence[str]) -> list[bytes]:
        """One frame for all: Coinbase hangs up on who has not asked within five seconds."""
        wanted = {"type": "subscribe", "product_ids": symbols, "channels": ["matches", "heartbeat"]}
        return [msgspec.json.encode(wanted)]

    def ping(self) -> None:
        """Coinbase knows WebSocket pings only."""

    def parse(self, frame: bytes, seen_us: int) -> Reading:
        """A trade, a heartbeat, the list of what is subscribed, or an error."""
        match decode(_KIND, frame).type:
            case "match":
                return Reading("trades", ticks=(self._tick(frame, seen_us),))
            case "last_match":  # a trade from before, once after subscribing
                return Reading("snapshot", ticks=(self._tick(frame, seen_us),))
            case "heartbeat":
                return self._heartbeat(frame)
            case "subscriptions":
                channels = decode(_SUBSCRIPTIONS, frame).channels
                products = {name for channel in channels if channel.name == "matches" for name in channel.product_ids}
                return Reading("acknowledged", acknowledged=products.intersection(self.symbols))
            case "error":
                return self._error(frame)
            case _:
                return Reading("other")

    def _tick(self, frame: bytes, seen_us: int) -> Tick:
        match = decode(_MATCH, frame)
        symbol = match.product_id if match.product_id in self.symbols else None
        side = _AGGRESSOR[match.side]
        return tick(symbol, time_us(match.time), seen_us, match.trade_id, match.price, match.size, side)

    def _heartbeat(self, frame: bytes) -> Reading:
        beat = decode(_HEARTBEAT, frame)
        # Coinbase has been seen to say 0 for "unknown".
        known = beat.last_trade_id > 0 and beat.product_id in self.symbols
        return Reading("heartbeat", latest_id=(beat.product_id, beat.last_trade_id) if known else None)

    def _error(self, frame: bytes) -> Reading:
        error = decode(_ERROR, frame)
        invalid = _INVALID.match(error.reason)
        if invalid and invalid[1] in self.symbols:
            # One bad product has the whole request refused.
            return Reading("refused", refused={invalid[1]: error.reason}, subscribe_again=True)
        return Reading("error", detail=f"{error.message}: {error.reason}" if error.reason else error.message)


class _Kind(Struct):
    type: str = ""


class _Match(Struct):
    product_id: str
    trade_id: TradeId
    price: float
    size: float
    side: Literal["buy", "sell"]
    time: str


class _Heartbeat(Struct):
    product_id: str
    last_trade_id: TradeId


class _Channel(Struct):
    name: str
    product_ids: list[str] = []


class _Subscriptions(Struct):
    channels: list[_Channel]


class _Error(Struct):
    message: str
    reason: str = ""


_KIND = msgspec.json.Decoder(_Kind)
_MATCH = msgspec.json.Decoder(_Match, strict=False)  # numbers come as text
_HEARTBEAT = msgspec.json.Decoder(_Heartbeat)
_SUBSCRIPTIONS = msgspec.json.Decoder(_Subscriptions)
_ERROR = msgspec.json.Decoder(_Error)

part: type[Exchange] = Coinbase
