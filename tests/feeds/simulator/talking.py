"""What the tests of the simulated venues share: settings, a clock, one trade, conversations over real sockets."""

import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import islice, takewhile
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
from websockets.asyncio.client import ClientConnection, connect

from engine import settings
from engine.settings import Simulator
from feeds.simulator.market import Market, Trade

BUILT_IN = settings.load(environ={}).settings
START_US = 1_700_000_000_000_000

GOLDEN = Trade("binance", "BTC-USDT", 1_767_387_168_237_411, 5_729_884_604, 89_690.38, 0.00006, "sell")


class WallClock:
    """The machine's clocks."""

    def now_us(self) -> int:
        return time.time_ns() // 1_000

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class Script:
    """A market of given trades, each due as soon as somebody listens."""

    def __init__(self, *trades: Trade) -> None:
        self.symbols = tuple(dict.fromkeys(trade.symbol for trade in trades))
        self.awaited = {
            venue: frozenset(trade.symbol for trade in trades if trade.venue == venue)
            for venue in {trade.venue for trade in trades}
        }
        self._trades = trades

    def trades(self, start_us: int) -> Iterator[tuple[int, Trade]]:
        return iter([(start_us, trade) for trade in self._trades])


def simulator(**changes: Any) -> Simulator:
    """The built-in settings, some of them changed."""
    return msgspec.structs.replace(BUILT_IN.simulator, **changes)


def first(market: Market, seconds: float) -> list[Trade]:
    """The trades of a market's first seconds."""
    due = takewhile(lambda each: each[0] < START_US + seconds * 1_000_000, market.trades(START_US))
    return [trade for _, trade in due]


def some(market: Market, count: int) -> list[Trade]:
    """The first trades of a market."""
    return [trade for _, trade in islice(market.trades(START_US), count)]


def tape_file(path: Path, **columns: Any) -> Path:
    """A tape of three trades, with some columns replaced, or left out where None."""
    whole: dict[str, Any] = {
        "ts": [1_000_000, 2_000_000, 3_000_000],
        "exchange": ["binance"] * 3,
        "symbol": ["BTCUSDT"] * 3,
        "price": [1.0, 2.0, 3.0],
        "size": [0.5, 0.25, 1e-8],
        "side": ["buy", "sell", "buy"],
        "trade_id": [7, 8, 9],
    } | columns
    pl.DataFrame({name: values for name, values in whole.items() if values is not None}).write_parquet(path)
    return path


@asynccontextmanager
async def client(url: str, *requests: dict[str, Any]) -> AsyncIterator[ClientConnection]:
    """A connection that has sent some requests."""
    async with connect(url, ping_interval=None, compression=None) as connection:
        for request in requests:
            await connection.send(json.dumps(request))
        yield connection


async def heard(connection: ClientConnection, count: int) -> list[dict[str, Any]]:
    """The next frames, all of them text."""
    frames = [await connection.recv() for _ in range(count)]
    assert all(isinstance(frame, str) for frame in frames)
    return [json.loads(frame) for frame in frames]


async def heard_until(connection: ClientConnection, key: str, value: Any) -> dict[str, Any]:
    """The next frame with this entry; those before it are passed over."""
    while True:
        [frame] = await heard(connection, 1)
        if frame.get(key) == value:
            return frame


BINANCE_SUBSCRIBE = {"method": "SUBSCRIBE", "params": ["btcusdt@trade"], "id": 1}
COINBASE_SUBSCRIBE = {"type": "subscribe", "product_ids": ["BTC-USDT"], "channels": ["matches", "heartbeat"]}
KRAKEN_SUBSCRIBE = {
    "method": "subscribe",
    "params": {"channel": "trade", "symbol": ["BTC/USDT"], "snapshot": True},
    "req_id": 7,
}
