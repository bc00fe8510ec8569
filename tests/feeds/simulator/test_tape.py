from pathlib import Path
from typing import Any

import polars as pl
import pytest

from engine.errors import Misconfigured
from feeds.simulator.market import VENUES, Trade
from feeds.simulator.tape import Tape
from tests.feeds.simulator.talking import START_US, tape_file
from tests.shared import shared


def played(path: Path, rate: float = 1.0) -> list[tuple[int, Trade]]:
    return [(due_us - START_US, trade) for due_us, trade in Tape(path, rate).trades(START_US)]


def test_a_tape_keeps_ids_and_times_and_is_due_at_its_own_spacing(tmp_path: Path) -> None:
    path = tape_file(tmp_path / "tape.parquet")
    assert played(path, rate=4.0) == [
        (0, Trade("binance", "BTC-USDT", 1_000_000, 7, 1.0, 0.5, "buy")),
        (250_000, Trade("binance", "BTC-USDT", 2_000_000, 8, 2.0, 0.25, "sell")),
        (500_000, Trade("binance", "BTC-USDT", 3_000_000, 9, 3.0, 1e-8, "buy")),
    ]


def test_times_that_go_back_keep_the_order_of_the_file(tmp_path: Path) -> None:
    path = tape_file(tmp_path / "tape.parquet", ts=[5_000_000, 2_000_000, 6_000_000])
    assert [(due_us, trade.time_us) for due_us, trade in played(path)] == [
        (0, 5_000_000),
        (0, 2_000_000),
        (1_000_000, 6_000_000),
    ]


def test_trades_without_an_id_are_numbered_by_venue_and_symbol(tmp_path: Path) -> None:
    path = tape_file(tmp_path / "tape.parquet", trade_id=None, symbol=["BTCUSDT", "ETHUSDT", "BTCUSDT"])
    assert [(trade.symbol, trade.trade_id) for _, trade in played(path)] == [
        ("BTC-USDT", 1),
        ("ETH-USDT", 1),
        ("BTC-USDT", 2),
    ]


def test_exchanges_are_played_by_the_venue_they_are_named_after(tmp_path: Path) -> None:
    names = ["kraken_futures", "coinbase", "gemini"]
    tape = Tape(tape_file(tmp_path / "tape.parquet", exchange=names, symbol=["BTC/USD", "BTC-USD", "BTC-USD"]), 1.0)
    assert [trade.venue for _, trade in tape.trades(0)] == ["kraken", "coinbase", "binance"]
    assert tape.symbols == ("BTC-USD",)
    assert tape.awaited == {venue: {"BTC-USD"} for venue in VENUES}


def test_captures_of_ours_are_tapes_too(tmp_path: Path) -> None:
    times = pl.Series([1_000_000, 2_000_000, 3_000_000]).cast(pl.Datetime("us", "UTC"))
    path = tape_file(tmp_path / "tape.parquet", ts=None, ts_event=times, symbol=["BTC-USDT"] * 3)
    assert played(path) == played(tape_file(tmp_path / "other.parquet"))


def test_size_and_side_may_be_unknown(tmp_path: Path) -> None:
    path = tape_file(tmp_path / "tape.parquet", size=None, side=[None, "SELL", "buy"])
    assert [(trade.size, trade.side) for _, trade in played(path)] == [(1e-8, "buy"), (1e-8, "sell"), (1e-8, "buy")]


NORM = [
    "binance_coinm_ethusd_perp_20240808-09",
    "binance_spot_aggtrades_20210404_btc_eth_dot",
    "binance_spot_btcusdt_20240808-09",
    "binance_spot_btcusdt_20260216_0400",
    "binance_spot_trxusdt_20250304",
    "binance_usdm_btcusdt_20240718-19",
    "binance_usdm_ethusdt_20240808",
    "coinbase_advanced_20260809_part1",
    "coinbase_btcusd_secondbars_20161007",
    "gemini_ethusd_20210701",
    "kraken_btcusd_20190701_00h",
    "kraken_futures_20210722",
]


@pytest.mark.parametrize("name", NORM)
def test_every_recorded_tape_is_played_row_by_row(name: str) -> None:
    path = shared(f"data/tapes/norm/{name}.parquet")
    rows = pl.read_parquet(path)
    trades = [trade for _, trade in Tape(path, 1.0).trades(0)]
    assert [trade.time_us for trade in trades] == rows["ts"].to_list()
    assert [trade.price for trade in trades] == rows["price"].to_list()
    assert [trade.size for trade in trades] == rows["size"].to_list()
    assert [trade.side for trade in trades] == rows["side"].fill_null("buy").to_list()
    if rows["trade_id"].null_count() == 0:
        assert [trade.trade_id for trade in trades] == rows["trade_id"].to_list()
    assert all("-" in trade.symbol for trade in trades)


@pytest.mark.parametrize(
    ("columns", "part"),
    [
        ({"price": None}, "has no column price"),
        ({"ts": None, "exchange": None}, "has no column ts_event, exchange"),
        ({"price": ["a", "b", "c"]}, "wrong type"),
        ({"ts": ["a", "b", "c"]}, "wrong type"),
        ({"trade_id": ["7", "x", "9"]}, "wrong type"),
        ({"price": [1.0, None, 3.0]}, "row 1 "),
        ({"price": [1.0, 2.0, float("nan")]}, "row 2 "),
        ({"size": [float("inf"), 2.0, 3.0]}, "row 0 "),
        ({"symbol": ["BTCUSDT", None, "BTCUSDT"]}, "row 1 "),
        ({"ts": [1_000_000, None, 3_000_000]}, "row 1 "),
        ({"ts": [1_000_000, 2_000_000, 1_723_161_255_342_000_000]}, "row 2 "),
        ({"ts": [-1, 2_000_000, 3_000_000]}, "row 0 "),
        ({name: [] for name in ("ts", "exchange", "symbol", "price", "size", "side", "trade_id")}, "holds no trades"),
    ],
)
def test_a_file_that_cannot_be_played_is_named_with_the_reason(tmp_path: Path, columns: Any, part: str) -> None:
    path = tape_file(tmp_path / "tape.parquet", **columns)
    with pytest.raises(Misconfigured) as caught:
        Tape(path, 1.0)
    assert part in str(caught.value)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_name_full_of_wildcards_is_just_a_name(tmp_path: Path) -> None:
    assert len(Tape(tape_file(tmp_path / "[a]*?.parquet"), 1.0)) == 3


def absent(path: Path) -> None:
    assert not path.exists()


def a_folder(path: Path) -> None:
    path.mkdir()


def empty(path: Path) -> None:
    path.write_bytes(b"")


def text(path: Path) -> None:
    path.write_text("ts,price\n1,2\n", "utf-8")


def cut(path: Path) -> None:
    whole = tape_file(path).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


@pytest.mark.parametrize("spoil", [absent, a_folder, empty, text, cut])
def test_what_is_no_parquet_file_is_refused(tmp_path: Path, spoil: Any) -> None:
    path = tmp_path / "tape.parquet"
    spoil(path)
    with pytest.raises(Misconfigured) as caught:
        Tape(path, 1.0)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
