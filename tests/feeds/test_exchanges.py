"""What the three exchanges say, against frames written from their protocols."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import parts
from engine.errors import Misconfigured
from feeds.exchanges import Tick
from tests.feeds.parsers import SEEN_US, SYMBOLS, URL, parse, part, trade

FRAMES = Path(__file__).parents[1] / "frames"
NAMES = parts.names("feeds.exchanges")


def lines() -> list[Any]:
    return [
        pytest.param(file.stem, json.loads(line), id=f"{file.stem}-{number}")
        for file in sorted(FRAMES.glob("*.jsonl"))
        for number, line in enumerate(file.read_text("utf-8").splitlines(), 1)
    ]


@pytest.mark.parametrize(("name", "line"), lines())
def test_frame_says_what_the_protocol_says(name: str, line: dict[str, Any]) -> None:
    reading = parse(part(name), line["frame"])
    ticks = [(t.symbol, t.ts_event, t.trade_id, t.price, t.size, t.side) for t in reading.ticks]
    assert reading.kind == line["kind"]
    assert ticks == [tuple(tick) for tick in line.get("ticks", [])]
    assert not reading.malformed
    assert sorted(reading.acknowledged) == line.get("acknowledged", [])
    assert reading.refused == line.get("refused", {})
    assert reading.subscribe_again == line.get("subscribe_again", False)
    assert reading.latest_id == (tuple(line["latest_id"]) if "latest_id" in line else None)
    assert reading.detail == line.get("detail", "")


def test_every_exchange_has_its_frames() -> None:
    assert {file.stem for file in FRAMES.glob("*.jsonl")} == set(NAMES)


@pytest.mark.parametrize(
    ("name", "wire", "aggressor"),
    [
        ("binance", ('"m":true', '"m":true'), "sell"),
        ("binance", ('"m":true', '"m":false'), "buy"),
        ("coinbase", ('"side":"sell"', '"side":"sell"'), "buy"),
        ("coinbase", ('"side":"sell"', '"side":"buy"'), "sell"),
        ("kraken", ('"side":"sell"', '"side":"buy"'), "buy"),
        ("kraken", ('"side":"sell"', '"side":"sell"'), "sell"),
    ],
)
def test_side_is_the_aggressors(name: str, wire: tuple[str, str], aggressor: str) -> None:
    frame = trade(name, 7).decode().replace(*wire)
    assert [tick.side for tick in parse(part(name), frame).ticks] == [aggressor]


@pytest.mark.parametrize("name", NAMES)
def test_tick_carries_the_time_of_its_receipt(name: str) -> None:
    (tick,) = parse(part(name), trade(name, 7)).ticks
    symbol, side = SYMBOLS[name][0], "buy" if name == "coinbase" else "sell"
    assert tick == Tick(symbol, 1_767_387_168_237_000, SEEN_US, 7, 100.0, 0.5, side, 0)


@given(st.decimals(min_value="1e-10", max_value="1e10", allow_nan=False, places=10))
def test_price_is_the_nearest_float(price: Any) -> None:
    if not price:
        return
    for name, old in (("binance", '"100.00000000"'), ("coinbase", '"100.0"'), ("kraken", "100.0")):
        text = f"{price:f}" if name == "kraken" else f'"{price:f}"'
        (tick,) = parse(part(name), trade(name, 7).decode().replace(old, text)).ticks
        assert tick.price == float(f"{price:f}")


def test_binance_is_asked_for_streams_in_slices_that_their_acknowledgements_name() -> None:
    symbols = [f"A{number}-USDT" for number in range(450)]
    exchange = part("binance", symbols)
    requests = [json.loads(frame) for frame in exchange.subscribe(symbols)]
    assert [request["method"] for request in requests] == ["SUBSCRIBE"] * 3
    assert [len(request["params"]) for request in requests] == [200, 200, 50]
    assert requests[0]["params"][0] == "a0usdt@trade"
    acknowledged: list[str] = []
    for request in requests:
        acknowledged += parse(exchange, json.dumps({"result": None, "id": request["id"]})).acknowledged
    assert acknowledged == symbols


def test_coinbase_is_asked_for_matches_and_heartbeats_in_one_frame() -> None:
    (frame,) = part("coinbase").subscribe(["BTC-USD"])
    assert json.loads(frame) == {"type": "subscribe", "product_ids": ["BTC-USD"], "channels": ["matches", "heartbeat"]}


def test_kraken_is_asked_for_the_snapshot_by_name() -> None:
    (frame,) = part("kraken").subscribe(["BTC-USD", "ETH-USD"])
    params = {"channel": "trade", "symbol": ["BTC/USD", "ETH/USD"], "snapshot": True}
    assert json.loads(frame) == {"method": "subscribe", "params": params, "req_id": 1}


def test_binance_is_asked_for_microseconds_in_the_address() -> None:
    exchange = part("binance", url="wss://stream.binance.com:9443/")
    assert exchange.endpoint() == "wss://stream.binance.com:9443/ws?timeUnit=MICROSECOND"


@pytest.mark.parametrize("name", ["coinbase", "kraken"])
def test_address_is_that_of_the_settings(name: str) -> None:
    assert part(name).endpoint() == URL


def test_one_bad_trade_does_not_spoil_the_others() -> None:
    good = json.loads(trade("kraken", 7))["data"][0]
    bad = [good | {"price": -1}, good | {"trade_id": None}, good | {"symbol": "XBT/USD"}, 5]
    reading = parse(part("kraken"), json.dumps({"channel": "trade", "type": "update", "data": [*bad, good]}))
    assert [tick.trade_id for tick in reading.ticks] == [7]
    assert [error.reason for error in reading.malformed] == ["number", "fields", "symbol", "fields"]


def test_ten_thousand_trades_in_one_frame_are_all_read() -> None:
    good = json.loads(trade("kraken", 7))["data"][0]
    data = [good | {"trade_id": number} for number in range(10_000)]
    reading = parse(part("kraken"), json.dumps({"channel": "trade", "type": "update", "data": data}))
    assert [tick.trade_id for tick in reading.ticks] == list(range(10_000))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("section", "path"),
    [
        ({"url": "http://127.0.0.1"}, "url"),
        ({"url": "wss://"}, "url"),
        ({"symbols": []}, "symbols"),
        ({"symbols": ["BTCUSDT"]}, "symbols[0]"),
        ({"symbols": ["BTC-USDT", "../-x"]}, "symbols[1]"),
        ({"symbols": ["BTC-USDT\n"]}, "symbols[0]"),
        ({"symbol": ["BTC-USDT"]}, "symbol"),
    ],
)
def test_bad_section_is_refused_by_its_path(name: str, section: dict[str, Any], path: str) -> None:
    given_section = {"use": name, "url": URL, "symbols": ["BTC-USDT"]} | section
    with pytest.raises(Misconfigured) as refused:
        parts.load("feeds.exchanges", given_section, f"exchanges.{name}")
    assert str(refused.value).startswith(f"exchanges.{name}.{path}: ")


def test_symbols_that_binance_writes_alike_are_refused() -> None:
    with pytest.raises(Misconfigured, match="written alike"):
        part("binance", ["AB-CDE", "ABC-DE"])


@pytest.mark.parametrize("name", NAMES)
def test_part_is_frozen(name: str) -> None:
    with pytest.raises(AttributeError):
        part(name).symbols = ()  # type: ignore[misc]
