"""The checks that every exchange's fields pass before they are a tick."""

import re
from datetime import UTC, datetime, timedelta
from math import inf
from typing import Annotated, Final, Literal, TypeAlias, TypeVar, get_args

import msgspec
from msgspec import Meta

from engine.errors import MalformedFrame
from feeds.exchanges import Tick

Reason: TypeAlias = Literal["json", "fields", "number", "time", "symbol", "no_trade"]
"""Why a frame, or a trade in it, is set aside."""
REASONS: Final = get_args(Reason)

Symbol: TypeAlias = Annotated[str, Meta(pattern=r"^[A-Z0-9.]{1,20}-[A-Z0-9.]{1,20}\Z")]
Symbols: TypeAlias = Annotated[tuple[Symbol, ...], Meta(min_length=1)]
Url: TypeAlias = Annotated[str, Meta(pattern=r"^wss?://[^\s/]+")]
TradeId: TypeAlias = Annotated[int, Meta(ge=0, le=2**63 - 1)]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_FIRST_US: Final = (datetime(2009, 1, 3, tzinfo=UTC) - _EPOCH) // _MICROSECOND
_END_US: Final = (datetime(2200, 1, 1, tzinfo=UTC) - _EPOCH) // _MICROSECOND
_ISO: Final = re.compile(r"\d{4}(-\d\d){2}T\d\d(:\d\d){2}(\.\d{0,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)
_SHOWN: Final = 80

T = TypeVar("T")


def decode(decoder: msgspec.json.Decoder[T], text: bytes | msgspec.Raw) -> T:
    """What the text says, in the decoder's type."""
    try:
        return decoder.decode(text)
    except msgspec.ValidationError as error:
        raise MalformedFrame("fields", str(error)) from error
    # Unknown fields are skipped by recursion, and text is checked for UTF-8 only where it is taken.
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise MalformedFrame("json", str(error)) from error


def tick(
    symbol: str | None, ts_event: int, ts_received: int, trade_id: int, price: float, size: float, side: str
) -> Tick:
    """A tick whose symbol is ours, whose numbers are finite and whose time lies in Bitcoin's age."""
    if symbol is None:
        raise MalformedFrame("symbol", "not subscribed")
    if not 0 < price < inf:
        raise MalformedFrame("number", f"price {price}")
    if not 0 <= size < inf:
        raise MalformedFrame("number", f"size {size}")
    if not _FIRST_US <= ts_event < _END_US:
        raise MalformedFrame("time", f"{ts_event} us")
    return Tick(symbol, ts_event, ts_received, trade_id, price, abs(size), side)


def time_us(text: str) -> int:
    """ISO 8601 with a zone and any number of fraction digits, cut to microseconds since 1970."""
    try:
        if _ISO.fullmatch(text):
            return (datetime.fromisoformat(text) - _EPOCH) // _MICROSECOND
    except ValueError:  # No such day, or a leap second.
        pass
    raise MalformedFrame("time", repr(text[:_SHOWN]))
