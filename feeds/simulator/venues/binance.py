"""Binance spot: trade streams, bare on /ws, wrapped on /stream; prices and sizes with at least 8 decimals."""

import re
from collections import deque
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Any
from urllib.parse import parse_qs, unquote

from msgspec import Struct

from feeds.simulator import wire
from feeds.simulator.market import Trade
from feeds.simulator.venues import Hangup, Listing

_METHODS = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")
_STREAM = re.compile(r"^[^@\s]+@\S+$|^![^@\s]+$")
_FRAMES_PER_SECOND_MAX = 5
_PUSHED_AFTER_US = 1_000


class _Refused(Exception):
    """A request that is answered by an error frame."""

    def __init__(self, code: int, msg: str, *, nested: bool = False) -> None:
        super().__init__(msg)
        problem = {"code": code, "msg": msg}
        self.answer: dict[str, Any] = {"error": problem} if nested else problem


class _TradeFrame(
    Struct,
    tag="trade",
    tag_field="e",
    rename={
        "pushed": "E",
        "symbol": "s",
        "trade_id": "t",
        "price": "p",
        "size": "q",
        "time": "T",
        "buyer_is_maker": "m",
        "ignored": "M",
    },
):
    pushed: int
    symbol: str
    trade_id: int
    price: str
    size: str
    time: int
    buyer_is_maker: bool
    ignored: bool = True


class _Wrapped(Struct):
    stream: str
    data: _TradeFrame


class Binance:
    """One connection."""

    def __init__(self, target: str, listing: Listing) -> None:
        """`target` is path and query of the client's URL; LookupError where there is nothing."""
        path, _, text = target.partition("?")
        query = parse_qs(text)
        self._combined = path == "/stream"
        self._unit_us = _unit_us(query.get("timeUnit", ["MILLISECOND"])[0])
        self._streams = dict.fromkeys(_streams(unquote(path), query))
        self._symbols = {_stream(symbol): symbol for symbol in listing.recent}
        self._arrivals_us: deque[int] = deque(maxlen=_FRAMES_PER_SECOND_MAX)

    @property
    def listening(self) -> AbstractSet[str]:
        """Streams that nobody lists are accepted in silence."""
        return {self._symbols[stream] for stream in self._streams if stream in self._symbols}

    def opened(self) -> list[bytes]:
        """The client speaks first."""
        return []

    def received(self, frame: str | bytes, now_us: int) -> list[bytes]:
        """An acknowledgement with the request's id, or an error in one of the two shapes that occur."""
        self._count(now_us)
        request = wire.request(frame)
        if request is None:
            return [wire.encode({"code": 3, "msg": "Invalid JSON: expected value at line 1 column 1"})]
        try:
            answer = {"result": self._result(request)}
        except _Refused as refused:
            answer = refused.answer
        identity = request.get("id")
        return [wire.encode({**answer, "id": identity if _is_identity(identity) else None})]

    def traded(self, trades: Sequence[Trade]) -> list[bytes]:
        """A frame for each fill."""
        return [self._frame(trade) for trade in trades if _stream(trade.symbol) in self._streams]

    def beat(self, now_us: int) -> list[bytes]:  # noqa: ARG002 — sockets are kept alive by pings
        """No heartbeat."""
        return []

    def _count(self, now_us: int) -> None:
        full = len(self._arrivals_us) == _FRAMES_PER_SECOND_MAX
        if full and now_us - self._arrivals_us[0] < 1_000_000:
            raise Hangup(1008, "Too many requests")
        self._arrivals_us.append(now_us)

    def _result(self, request: dict[str, Any]) -> Any:
        method, identity = request.get("method"), request.get("id")
        if "method" not in request:
            raise _Refused(2, "Invalid request: missing field `method` at line 1 column 1")
        if method not in _METHODS:
            known = ", ".join(f"`{name}`" for name in _METHODS)
            raise _Refused(2, f"Invalid request: unknown variant `{wire.text(method)}`, expected one of {known}")
        if not _is_identity(identity):
            raise _Refused(2, "Invalid request: request ID must be an unsigned integer")
        if method == "LIST_SUBSCRIPTIONS":
            return list(self._streams)
        params = request.get("params")
        if not isinstance(params, list) or not params:
            raise _Refused(2, "Invalid request: missing field `params` at line 1 column 1")
        return self._property(params, method) if method.endswith("PROPERTY") else self._subscription(params, method)

    def _subscription(self, streams: list[Any], method: str) -> None:
        if not all(isinstance(stream, str) and _STREAM.match(stream) for stream in streams):
            raise _Refused(2, "Invalid request: invalid stream", nested=True)
        for stream in streams:
            if method == "SUBSCRIBE":
                self._streams[stream] = None
            else:
                self._streams.pop(stream, None)

    def _property(self, params: list[Any], method: str) -> bool | None:
        if params[0] != "combined":
            raise _Refused(0, "Unknown property")
        if method == "GET_PROPERTY":
            return self._combined
        if len(params) != 2 or not isinstance(params[1], bool):
            raise _Refused(1, "Invalid value type: expected Boolean")
        self._combined = params[1]
        return None

    def _frame(self, trade: Trade) -> bytes:
        data = _TradeFrame(
            pushed=(trade.time_us + _PUSHED_AFTER_US) // self._unit_us,
            symbol=trade.symbol.replace("-", "").upper(),
            trade_id=trade.trade_id,
            price=wire.decimal(trade.price, 8),
            size=wire.decimal(trade.size, 8),
            time=trade.time_us // self._unit_us,
            buyer_is_maker=trade.side == "sell",
        )
        return wire.encode(_Wrapped(_stream(trade.symbol), data) if self._combined else data)


def _stream(symbol: str) -> str:
    return f"{symbol.replace('-', '').lower()}@trade"


def _streams(path: str, query: dict[str, list[str]]) -> list[str]:
    """The streams that a URL names: /ws, /ws/a/b, /stream?streams=a/b."""
    match path.split("/"):
        case ["", "ws", *streams]:
            return [stream for stream in streams if stream]
        case ["", "stream"]:
            return [stream for stream in query.get("streams", [""])[0].split("/") if stream]
    raise LookupError(path)


def _unit_us(time_unit: str) -> int:
    units = {"MILLISECOND": 1_000, "MICROSECOND": 1}
    return units[time_unit.upper()]


def _is_identity(identity: Any) -> bool:
    """A signed 64-bit number, an alphanumeric text of at most 36 characters, or null."""
    if isinstance(identity, str):
        return identity.isalnum() and len(identity) <= 36
    return identity is None or wire.is_int64(identity)
