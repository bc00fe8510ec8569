"""Bad frames for every exchange, with the reason under which each is counted; None where it is read or passed over."""

import json
from collections.abc import Iterator
from typing import NamedTuple

from tests.feeds.parsers import trade

DEEP = "[" * 100_000 + "]" * 100_000
HOSTILE = (
    "A" * 1024,
    "BTC\0USD",
    "../../etc/passwd",
    "'; DROP TABLE ticks;--",
    '"',
    "<script>alert(1)</script>",
    "💥",
    "",
)


class Bad(NamedTuple):
    """A frame, why it is set aside, and whether it still brings a tick."""

    what: str
    frame: bytes
    reason: str | None
    ticks: int = 0


class Wire(NamedTuple):
    """How an exchange writes the fields of a trade."""

    symbol: str
    price: str
    size: str
    trade_id: str
    time: str
    side: str


WIRES = {
    "binance": Wire('"BTCUSDT"', '"100.00000000"', '"0.50000000"', '"t":7', '"T":1767387168237000', '"m":true'),
    "coinbase": Wire(
        '"BTC-USD"', '"100.0"', '"0.5"', '"trade_id":7', '"time":"2026-01-02T20:52:48.237000Z"', '"side":"sell"'
    ),
    "kraken": Wire(
        '"BTC/USD"', "100.0", "0.5", '"trade_id":7', '"timestamp":"2026-01-02T20:52:48.237000Z"', '"side":"sell"'
    ),
}


def bad_frames(name: str) -> Iterator[Bad]:
    """Every item of the list for this exchange."""
    yield from _texts(name)
    yield from _other_messages(name)
    yield from _numbers(name)
    yield from _ids_and_times(name)
    yield from _sides_and_symbols(name)


def _texts(name: str) -> Iterator[Bad]:
    good = trade(name, 7)
    yield Bad("empty", b"", "json")
    yield Bad("truncated", good[:-9], "json")
    yield Bad("trailing bytes", good + b"}", "json")
    yield Bad("bad UTF-8", b"\xff\xfe" + good, "json")
    yield Bad("bad UTF-8 in a field that is read", good.replace(b'"', b'"\xff', 1), None)
    yield Bad("byte order mark", b"\xef\xbb\xbf" + good, "json")
    yield Bad("binary", bytes(range(256)), "json")
    yield Bad("100,000 levels deep", good[:-1] + f',"z":{DEEP}}}'.encode(), "json")
    yield Bad("only depth", DEEP.encode(), "fields")
    yield Bad("over 1 MiB", good[:-1] + b',"z":"' + b"z" * 1_200_000 + b'"}', None, ticks=1)
    yield Bad("no object", b"[1,2,3]", "fields")
    yield Bad("null", b"null", "fields")
    yield Bad("a number", b"1e999", "fields")
    yield Bad("spaces around", b"\r\n " + good + b"\r\n", None, ticks=1)


def _other_messages(name: str) -> Iterator[Bad]:
    yield Bad("no known key", b'{"hello":"world"}', None)
    unknown = {"binance": {"e": "surprise"}, "coinbase": {"type": "surprise"}, "kraken": {"channel": "surprise"}}
    yield Bad("unknown channel", json.dumps(unknown[name]).encode(), None)
    error = {
        "binance": {"error": {"code": 3, "msg": "Invalid JSON"}, "id": 5},
        "coinbase": {"type": "error", "message": "ErrSlowRead"},
        "kraken": {"Error": "Exceeded msg rate"},
    }
    yield Bad("error event", json.dumps(error[name]).encode(), None)
    kind = {"binance": '"e":7', "coinbase": '"type":7', "kraken": '"channel":7'}
    yield Bad("kind that is no text", f"{{{kind[name]}}}".encode(), "fields")


def _changed(name: str, field: str, text: str) -> bytes:
    old = getattr(WIRES[name], field)
    frame = trade(name, 7).decode()
    assert old in frame
    return frame.replace(old, text).encode("utf-8", "surrogatepass")


def _numbers(name: str) -> Iterator[Bad]:
    for text in ('"NaN"', '"Infinity"', '"-Infinity"', '"0"', "0", "-1", '"-1.5"', "-0.0", '"-0.0"'):
        number = "no_trade" if name == "binance" and text.strip('-"') in {"0", "0.0"} else "number"
        yield Bad(f"price {text}", _changed(name, "price", text), number)
    for text in (
        "1e400",
        '"1e400"',
        '"1,5"',
        '" 1"',
        '"0x10"',
        "true",
        "null",
        '""',
        "[]",
        "{}",
        '"1\\u0000"',
        '"1_0"',
    ):
        yield Bad(f"price {text}", _changed(name, "price", text), "fields")
        yield Bad(f"size {text}", _changed(name, "size", text), "fields")
    for text in ("NaN", "Infinity", "1,5", "0x10", "+1", "01"):
        yield Bad(f"price bare {text}", _changed(name, "price", text), "json")
    for text in ('"NaN"', '"Infinity"', "-1", '"-0.1"'):
        yield Bad(f"size {text}", _changed(name, "size", text), "number")
    old = WIRES[name].price
    key = {"binance": '"p":', "coinbase": '"price":', "kraken": '"price":'}[name]
    yield Bad("missing field", _changed(name, "trade_id", '"zz":7'), "fields")
    yield Bad("duplicate key: the last counts", _changed(name, "price", f'"NaN",{key}{old}'), None, ticks=1)
    yield Bad("duplicate key: a bad last one", _changed(name, "price", f'{old},{key}"NaN"'), "number")


def _ids_and_times(name: str) -> Iterator[Bad]:
    key = WIRES[name].trade_id.partition(":")[0]
    yield Bad("id as text", _changed(name, "trade_id", f'{key}:"7"'), None, ticks=1)
    for text in (str(2**63), f'"{2**63}"', str(2**64), "-1", "1.5", "null", "true", '"x"', "9" * 400):
        yield Bad(f"id {text[:30]}", _changed(name, "trade_id", f"{key}:{text}"), "fields")
    key = WIRES[name].time.partition(":")[0]
    if name == "binance":
        # Zero, negative, seconds, nanoseconds, the last microsecond before Bitcoin and the first after 2199.
        for number in (0, -1, 1_767_387_168, 1_767_387_168_237_000_000, 1_230_940_799_999, 7_258_118_400_000_000):
            yield Bad(f"time {number}", _changed(name, "time", f"{key}:{number}"), "time")
        for text in ("null", "true", '"x"', "1.5", '"2026-01-02T20:52:48Z"'):
            yield Bad(f"time {text}", _changed(name, "time", f"{key}:{text}"), "fields")
        yield Bad("time past 2^63", _changed(name, "time", f"{key}:{2**70}"), "time")
        return
    for text in (
        "1970-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "2009-01-02T23:59:59.999999Z",
        "2200-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2026-01-02T20:52:48.237000", "2016-12-31T23:59:60Z",
        "2026-02-30T00:00:00Z", "2026-01-02", "x", "", "1767387168237", "2026-01-02T20:52:48Z\\u0000",
    ):  # fmt: skip
        yield Bad(f"time {text}", _changed(name, "time", f'{key}:"{text}"'), "time")
    yield Bad("time half a character", _changed(name, "time", f'{key}:"\\ud800"'), "json")
    for text in ("0", "-1", "1767387168237000000", "null", "true"):
        yield Bad(f"time {text}", _changed(name, "time", f"{key}:{text}"), "fields")


def _sides_and_symbols(name: str) -> Iterator[Bad]:
    key = WIRES[name].side.partition(":")[0]
    for text in ('"hold"', "null", '"BUY"', "7"):
        yield Bad(f"side {text}", _changed(name, "side", f"{key}:{text}"), "fields")
    for symbol in ("DOGE-USD", *HOSTILE):
        yield Bad(f"symbol {symbol[:20]!r}", _changed(name, "symbol", json.dumps(symbol)), "symbol")
    for text in ("null", "7", "[]"):
        yield Bad(f"symbol {text}", _changed(name, "symbol", text), "fields")
