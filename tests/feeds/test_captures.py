"""Every message of the captures, byte for byte: a tick, a known control message, or counted by reason."""

import gzip
import json
from collections import Counter
from collections.abc import Iterator

import polars as pl
import pytest

from engine.errors import MalformedFrame
from feeds.exchanges import Reading, Tick
from tests.feeds.parsers import parse, part
from tests.shared import shared

USDT = ("BTC-USDT", "ETH-USDT", "DOT-USDT", "NKN-USDT", "BLZ-USDT", "LRC-USDT", "RUNE-USDT", "BNB-BTC")
TEN = (
    *("SKL-USD", "SKL-BTC", "BAND-GBP", "NMR-EUR", "BAND-BTC", "YFI-BTC", "DASH-BTC", "NU-GBP", "CRV-EUR", "SKL-GBP"),
)
USD = ("BTC-USD", "ETH-USD")

# Where a channel is not ours (aggTrade, Coinbase Advanced, Kraken Futures) its messages are `other`; the arrays of
# Kraken v1 are no objects, and so have no known fields.
EXPECTED = {
    ("binance/spot_2024-08-08_btcusdt", USDT): {"trades": 9757, "other": 31_492},
    ("binance/spot_2024-08-09_btcusdt", USDT): {"trades": 10_147, "other": 48_178},
    ("binance/usdm_2024-07-19_btcusdt_trades_only", USDT): {"trades": 10_701},
    ("binance/usdm_2024-08-08_ethusdt_trades_only", USDT): {"trades": 14_076},
    ("binance/spot_2021-04-04_btc_eth_dot", USDT): {"other": 4716},
    ("binance/spot_2021-10-12_nkn_blz_lrc_rune", USDT): {"other": 265},
    ("binance/binance_us_2021-10-12", USDT): {"other": 480},
    # Of the six trades one dates from 1970, one says "yes" where a bool belongs, one was made by no market.
    ("binance/frames", USDT): {"trades": 3, "acknowledged": 1, "other": 8, "!time": 1, "!fields": 1, "!no_trade": 1},
    ("coinbase/exchange_2021-04-17_ten_products_part1", TEN): {
        "trades": 31,
        "snapshot": 10,
        "acknowledged": 3,
        "other": 4796,
    },
    ("coinbase/advanced_2026-08-09_btc_eth_part1", USD): {"other": 573},
    ("coinbase/frames", USD): {"trades": 2, "acknowledged": 3, "heartbeat": 1, "error": 2, "other": 9},
    ("kraken/frames", USD): {
        "trades": 1,
        "acknowledged": 1,
        "heartbeat": 1,
        "status": 3,
        "error": 2,
        "other": 12,
        "!fields": 15,
    },
    ("kraken/v1_trade_2021-04-17_part1", USD): {"other": 25, "!fields": 3},
    ("kraken/v1_ticker_2021-04-17", USD): {"other": 42, "!fields": 18},
    ("kraken/futures_2021-07-22", USD): {"other": 7175},
}


def readings(capture: str, symbols: tuple[str, ...]) -> Iterator[Reading]:
    exchange = part(capture.partition("/")[0], symbols)
    with gzip.open(shared(f"data/captures/{capture}.jsonl.gz"), "rt", encoding="utf-8") as lines:
        for line in lines:
            message = json.loads(line)
            if message["dir"] == "recv":
                try:
                    yield parse(exchange, message["raw"])
                except MalformedFrame as error:
                    yield Reading("other", malformed=(error,))


@pytest.mark.parametrize(("capture", "symbols"), EXPECTED, ids=lambda value: value if isinstance(value, str) else "")
def test_every_captured_message_is_accounted_for(capture: str, symbols: tuple[str, ...]) -> None:
    found: Counter[str] = Counter()
    for reading in readings(capture, symbols):
        found.update(f"!{error.reason}" for error in reading.malformed)
        found.update([] if reading.malformed else [reading.kind] * max(1, len(reading.ticks)))
    assert found == EXPECTED[capture, symbols]


def test_no_capture_is_left_out() -> None:
    captures = shared("data/captures")
    stored = {str(file.relative_to(captures)).removesuffix(".jsonl.gz") for file in captures.glob("*/*.gz")}
    assert stored == {capture for capture, _ in EXPECTED}


@pytest.mark.parametrize(
    ("captures", "tape"),
    [
        (("spot_2024-08-08_btcusdt", "spot_2024-08-09_btcusdt"), "binance_spot_btcusdt_20240808-09"),
        (("usdm_2024-08-08_ethusdt_trades_only",), "binance_usdm_ethusdt_20240808"),
        (("usdm_2024-07-19_btcusdt_trades_only",), "binance_usdm_btcusdt_20240718-19"),
    ],
)
def test_captured_trades_are_those_of_the_tape(captures: tuple[str, ...], tape: str) -> None:
    columns = ["ts", "trade_id", "price", "size", "side"]
    stored = pl.read_parquet(shared(f"data/tapes/norm/{tape}.parquet")).select(columns)
    ticks = [tick for name in captures for reading in readings(f"binance/{name}", USDT) for tick in reading.ticks]
    found = pl.DataFrame(ticks, schema=list(Tick._fields), orient="row").rename({"ts_event": "ts"}).select(columns)
    assert found.equals(stored)
