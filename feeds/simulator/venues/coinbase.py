"""Coinbase Exchange: channels `matches` and `heartbeat`; the side is the maker's, numbers are texts without padding."""

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from hashlib import blake2b
from typing import Any
from uuid import UUID

from msgspec import Struct

from feeds.simulator import wire
from feeds.simulator.market import Trade
from feeds.simulator.venues import Hangup, Listing, Timing

_PUBLIC = ("matches", "heartbeat", "ticker", "ticker_batch", "status", "level2_batch", "auctionfeed", "rfq_matches")
_PRIVATE = ("level2", "level3", "full", "user")
_BOOK_EVENTS, _BOOK_EVENTS_SPREAD = 155, 146  # from one trade to the next the book changes 10 to 300 times


class _Refused(Exception):
    """A request that is rejected as a whole, with the reason."""


class _Match(Struct):
    type: str
    trade_id: int
    maker_order_id: str
    taker_order_id: str
    side: str
    size: str
    price: str
    product_id: str
    sequence: int
    time: str


class _Heartbeat(Struct):
    type: str
    sequence: int
    last_trade_id: int
    product_id: str
    time: str


class Coinbase:
    """One connection."""

    def __init__(self, listing: Listing, timing: Timing, now_us: int) -> None:
        self._listing = listing
        self._subscribe_until_us = now_us + timing.subscribe_ms * 1_000
        self._channels: dict[str, dict[str, None]] = {}
        self._subscribed = False

    @property
    def listening(self) -> AbstractSet[str]:
        """The products of `matches`."""
        return self._channels.get("matches", {}).keys()

    def opened(self) -> list[bytes]:
        """The client speaks first."""
        return []

    def received(self, frame: str | bytes, now_us: int) -> list[bytes]:  # noqa: ARG002 — answers carry no time
        """The complete set of subscriptions, then the last match of each product new in it; or an error."""
        request = wire.request(frame)
        if request is None:
            return [wire.encode({"type": "error", "message": "Malformed JSON"})]
        match request.get("type"):
            case "subscribe" | "unsubscribe" as kind:
                return self._changed(kind, request)
        return [wire.encode({"type": "error", "message": "Unknown type"})]

    def traded(self, trades: Sequence[Trade]) -> list[bytes]:
        """A frame for each fill."""
        return [_match("match", trade) for trade in trades if trade.symbol in self.listening]

    def beat(self, now_us: int) -> list[bytes]:
        """A heartbeat for each product of that channel."""
        if not self._subscribed and now_us >= self._subscribe_until_us:
            raise Hangup(1000, "No subscription")
        return [self._heartbeat(product, now_us) for product in self._channels.get("heartbeat", {})]

    def _changed(self, kind: str, request: dict[str, Any]) -> list[bytes]:
        before = set(self.listening)
        try:
            wanted = dict(self._wanted(request, needs_products=kind == "subscribe"))
        except _Refused as refused:
            return [wire.encode({"type": "error", "message": f"Failed to {kind}", "reason": str(refused)})]
        if kind == "subscribe":
            self._subscribe(wanted)
        else:
            self._unsubscribe(wanted)
        fresh = [product for product in self.listening if product not in before]
        return [self._subscriptions(), *self._last_matches(fresh)]

    def _wanted(self, request: dict[str, Any], *, needs_products: bool) -> Iterator[tuple[str, list[str]]]:
        """Each channel named with its products: the request's, unless it names its own."""
        channels = request.get("channels")
        if not isinstance(channels, list) or not channels:
            raise _Refused("No channels provided")
        for channel in channels:
            own = channel if isinstance(channel, dict) else {**request, "name": channel}
            name = _channel(own.get("name"))
            products = self._products(own.get("product_ids") or [])
            if needs_products and not products:
                raise _Refused(f"You need to specify at least one product ID for channel {name}")
            yield name, products

    def _products(self, named: Any) -> list[str]:
        products = named if isinstance(named, list) else [named]
        for product in products:
            if not isinstance(product, str) or product not in self._listing.recent:
                raise _Refused(f"{wire.text(product)} is not a valid product")
        return products

    def _subscribe(self, wanted: dict[str, list[str]]) -> None:
        self._subscribed = True
        for channel, products in wanted.items():
            self._channels.setdefault(channel, {}).update(dict.fromkeys(products))

    def _unsubscribe(self, wanted: dict[str, list[str]]) -> None:
        """Without products a channel goes as a whole."""
        for channel, products in wanted.items():
            held = self._channels.pop(channel, {})
            left = {product: None for product in held if products and product not in products}
            if left:
                self._channels[channel] = left

    def _subscriptions(self) -> bytes:
        channels = [{"name": name, "product_ids": list(products)} for name, products in self._channels.items()]
        return wire.encode({"type": "subscriptions", "channels": channels})

    def _last_matches(self, products: list[str]) -> list[bytes]:
        recent = [self._listing.recent[product] for product in products]
        return [_match("last_match", trades[-1]) for trades in recent if trades]

    def _heartbeat(self, product: str, now_us: int) -> bytes:
        recent = self._listing.recent[product]
        last, sequence = (recent[-1].trade_id, _sequence(recent[-1]) + 1) if recent else (0, 0)
        return wire.encode(_Heartbeat("heartbeat", sequence, last, product, wire.iso(now_us)))


def _channel(name: Any) -> str:
    if name in _PRIVATE:
        raise _Refused(f"{name} channel requires authentication")
    if name not in _PUBLIC:
        raise _Refused(f"{wire.text(name)} is not a valid channel")
    return str(name)


def _match(kind: str, trade: Trade) -> bytes:
    """`last_match` and `match` differ in nothing but the kind."""
    return wire.encode(
        _Match(
            type=kind,
            trade_id=trade.trade_id,
            maker_order_id=_order_id(trade.symbol, trade.trade_id),
            taker_order_id=_order_id(trade.symbol, trade.time_us, trade.side),
            side="sell" if trade.side == "buy" else "buy",
            size=wire.decimal(trade.size),
            price=wire.decimal(trade.price),
            product_id=trade.symbol,
            sequence=_sequence(trade),
            time=wire.iso(trade.time_us),
        )
    )


def _order_id(*of: object) -> str:
    """Fills of one aggressor, at one time on one side, share its order's id."""
    return str(UUID(bytes=_digest(*of), version=4))


def _sequence(trade: Trade) -> int:
    return trade.trade_id * _BOOK_EVENTS + int.from_bytes(_digest(trade.symbol, trade.trade_id)) % _BOOK_EVENTS_SPREAD


def _digest(*of: object) -> bytes:
    return blake2b(repr(of).encode(), digest_size=16).digest()
