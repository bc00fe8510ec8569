"""Kraken spot, WebSocket v2: channel `trade`; prices and sizes are JSON numbers, the side is the taker's."""

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from itertools import count, groupby
from operator import attrgetter
from typing import Any

from msgspec import UNSET, Raw, Struct, UnsetType

from feeds.simulator import wire
from feeds.simulator.market import Trade
from feeds.simulator.venues import Hangup, Listing, Timing

_connection_ids = count(2**63 + 1)  # Real ones exceed a signed word as well.


class _Row(Struct):
    symbol: str
    side: str
    price: Raw
    qty: Raw
    ord_type: str
    trade_id: int
    timestamp: str


class _Trades(Struct):
    channel: str
    type: str
    data: list[_Row]


class _Result(Struct):
    channel: str
    snapshot: bool | UnsetType
    symbol: str


class _Done(Struct):
    method: str
    result: _Result
    success: bool
    time_in: str
    time_out: str
    req_id: int | UnsetType


class _Failed(Struct):
    error: str
    method: str
    req_id: int | UnsetType
    success: bool
    symbol: str | UnsetType
    time_in: str
    time_out: str


class _Pong(Struct):
    method: str
    req_id: int | UnsetType
    time_in: str
    time_out: str


class Kraken:
    """One connection."""

    def __init__(self, listing: Listing, timing: Timing, now_us: int) -> None:
        self._symbols = {symbol.replace("-", "/"): symbol for symbol in listing.recent}
        self._recent = listing.recent
        self._listening: set[str] = set()
        self._idle_us = timing.idle_ms * 1_000
        self._heard_us = now_us
        self._silent = False

    @property
    def listening(self) -> AbstractSet[str]:
        """The symbols of channel `trade`."""
        return self._listening

    def opened(self) -> list[bytes]:
        """The venue's state comes first."""
        state = {"api_version": "v2", "connection_id": next(_connection_ids), "system": "online", "version": "2.0.0"}
        return [wire.encode({"channel": "status", "type": "update", "data": [state]})]

    def received(self, frame: str | bytes, now_us: int) -> list[bytes]:
        """An answer for each symbol, all with the request's id, then the snapshots asked for."""
        self._heard_us = now_us
        self._silent = False
        request = wire.request(frame)
        if request is None:
            return [wire.encode({"error": "Malformed request", "success": False})]
        match request.get("method"):
            case "ping":
                return [_pong(request, now_us)]
            case "subscribe" | "unsubscribe":
                return list(self._answers(request, now_us))
        return [_failed(request, "Unsupported method", UNSET, now_us)]

    def traded(self, trades: Sequence[Trade]) -> list[bytes]:
        """Fills of one symbol that come together share a frame."""
        heard = [trade for trade in trades if trade.symbol in self._listening]
        frames = [_trades("update", same) for _, same in groupby(heard, key=attrgetter("symbol"))]
        self._silent = self._silent and not frames
        return frames

    def beat(self, now_us: int) -> list[bytes]:
        """A heartbeat where a subscriber was sent nothing since the last beat."""
        if not self._listening and now_us - self._heard_us >= self._idle_us:
            raise Hangup(1000, "Idle")
        silent, self._silent = self._silent, True
        return [wire.encode({"channel": "heartbeat"})] if silent and self._listening else []

    def _answers(self, request: dict[str, Any], now_us: int) -> Iterator[bytes]:
        given = request.get("params")
        params: dict[str, Any] = given if isinstance(given, dict) else {}
        names = params.get("symbol")
        if params.get("channel") != "trade":
            yield _failed(request, "Channel not supported", UNSET, now_us)
        elif not isinstance(names, list):
            yield _failed(request, "Symbol(s) not found", UNSET, now_us)
        elif request["method"] == "subscribe":
            yield from self._subscribe(request, names, now_us, snapshot=params.get("snapshot") is True)
        else:
            yield from self._unsubscribe(request, names, now_us)

    def _subscribe(self, request: dict[str, Any], names: list[Any], now_us: int, *, snapshot: bool) -> Iterator[bytes]:
        fresh = []
        for name in names:
            symbol = self._symbol(name)
            if symbol is None:
                yield _failed(request, f"Currency pair not supported {wire.text(name)}", name, now_us)
            elif symbol in self._listening:
                yield _failed(request, "Already subscribed", name, now_us)
            else:
                yield _done(request, _Result("trade", snapshot, name), now_us)
                fresh.append(symbol)
                self._listening.add(symbol)
        if snapshot:
            yield from (_trades("snapshot", self._recent[symbol]) for symbol in fresh if self._recent[symbol])

    def _unsubscribe(self, request: dict[str, Any], names: list[Any], now_us: int) -> Iterator[bytes]:
        for name in names:
            symbol = self._symbol(name)
            if symbol in self._listening:
                yield _done(request, _Result("trade", UNSET, name), now_us)
                self._listening.discard(symbol)
            else:
                yield _failed(request, "Subscription Not Found", name, now_us)

    def _symbol(self, name: Any) -> str | None:
        return self._symbols.get(name) if isinstance(name, str) else None


def _trades(kind: str, trades: Any) -> bytes:
    return wire.encode(_Trades("trade", kind, [_row(trade) for trade in trades]))


def _row(trade: Trade) -> _Row:
    return _Row(
        symbol=trade.symbol.replace("-", "/"),
        side=trade.side,
        price=wire.number(trade.price),
        qty=wire.number(trade.size),
        ord_type="market" if trade.time_us // 1_000 % 2 else "limit",  # Fills of one order have one time.
        trade_id=trade.trade_id,
        timestamp=wire.iso(trade.time_us),
    )


def _done(request: dict[str, Any], result: _Result, now_us: int) -> bytes:
    time = wire.iso(now_us)
    return wire.encode(_Done(request["method"], result, True, time, time, _req_id(request)))


def _failed(request: dict[str, Any], error: str, name: Any, now_us: int) -> bytes:
    time = wire.iso(now_us)
    symbol = name if isinstance(name, str) else UNSET
    return wire.encode(_Failed(error, wire.text(request.get("method")), _req_id(request), False, symbol, time, time))


def _pong(request: dict[str, Any], now_us: int) -> bytes:
    time = wire.iso(now_us)
    return wire.encode(_Pong("pong", _req_id(request), time, time))


def _req_id(request: dict[str, Any]) -> int | UnsetType:
    given = request.get("req_id")
    return given if wire.is_int64(given) else UNSET
