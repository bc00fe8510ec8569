"""Numbers, times and JSON as they go over the wire."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeGuard

import msgspec

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

encode = msgspec.json.encode


def decimal(value: float, places_min: int = 0) -> str:
    """The shortest text that reads back as this number, without exponent, padded with zeros to `places_min` places."""
    text = repr(value)
    if "e" in text:
        text = format(Decimal(text), "f")
    whole, _, places = text.partition(".")
    places = places.removesuffix("0").ljust(places_min, "0")  # Only a whole number's text ends in a zero: 5.0.
    return f"{whole}.{places}" if places else whole


def number(value: float) -> msgspec.Raw:
    """A JSON number without exponent and trailing zeros."""
    return msgspec.Raw(decimal(value).encode())


def iso(time_us: int) -> str:
    """RFC 3339 with six digits after the second."""
    return (_EPOCH + timedelta(microseconds=time_us)).isoformat(timespec="microseconds").replace("+00:00", "Z")


def request(frame: str | bytes) -> dict[str, Any] | None:
    """A client's JSON object, or None for anything else."""
    try:
        read = msgspec.json.decode(frame)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return read if isinstance(read, dict) else None


def is_int64(value: Any) -> TypeGuard[int]:
    """Whether a client's value is a whole number of at most 64 bits, signed."""
    return type(value) is int and -(2**63) <= value < 2**63


def text(value: Any) -> str:
    """A client's text; of any other value only its kind."""
    return value if isinstance(value, str) else type(value).__name__
