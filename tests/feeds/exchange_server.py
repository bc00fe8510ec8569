"""A scripted exchange on the loopback, and a feed that is connected to it."""

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import wraps
from typing import Any, ParamSpec

import pyarrow as pa
from websockets.asyncio.server import Server, ServerConnection, serve

from engine import settings
from feeds import feed
from observability import metrics
from tests.feeds.parsers import SYMBOLS

P = ParamSpec("P")
Script = Callable[[ServerConnection], Awaitable[None]]

PATIENCE_S = 60.0  # What does not come within this never will.
_number = itertools.count()


class WallClock:
    def now_us(self) -> int:
        return time.time_ns() // 1_000

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


def asynchronous(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run a test in an event loop of its own."""

    @wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


async def until(true: Callable[[], Any]) -> None:
    """Wait until something has become true."""
    async with asyncio.timeout(PATIENCE_S):
        while not true():  # noqa: ASYNC110 - what it waits for happens in many places
            await asyncio.sleep(0.005)


async def silent(socket: ServerConnection) -> None:
    """Keep the socket open without a word, and without reading."""
    socket.transport.pause_reading()
    await socket.wait_closed()


async def acknowledge(use: str, socket: ServerConnection) -> list[str]:
    """Answer a subscription as the exchange does; gives what was asked for."""
    request = json.loads(await socket.recv())
    if use == "binance":
        await socket.send(json.dumps({"result": None, "id": request["id"]}))
        return list(request["params"])
    if use == "coinbase":
        wanted = request["product_ids"]
        channels = [{"name": name, "product_ids": wanted} for name in request["channels"]]
        await socket.send(json.dumps({"type": "subscriptions", "channels": channels}))
        return list(wanted)
    for symbol in request["params"]["symbol"]:
        result = {"channel": "trade", "snapshot": True, "symbol": symbol}
        await socket.send(json.dumps({"method": "subscribe", "result": result, "success": True, "req_id": 1}))
    return list(request["params"]["symbol"])


@asynccontextmanager
async def exchange(*scripts: Script, **options: Any) -> AsyncIterator[Server]:
    """A server whose n-th connection follows the n-th script; the last one serves all that come later."""
    left = list(scripts)

    async def follow(socket: ServerConnection) -> None:
        script = left.pop(0) if len(left) > 1 else left[0]
        await script(socket)

    async with serve(follow, "127.0.0.1", 0, close_timeout=0.2, **options) as server:
        yield server


def address(server: Server) -> str:
    return f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"


class Running:
    """A feed of one exchange under a name of its own, so that its metrics start at 0."""

    def __init__(self, use: str, url: str, symbols: tuple[str, ...], sets: dict[str, Any]) -> None:
        self.name = f"{use}_{next(_number)}"
        section = {"use": use, "url": json.dumps(url), "symbols": json.dumps(list(symbols))}
        knobs = {
            "feeds.exchanges": json.dumps([self.name]),
            "connection.backoff_base_ms": 1,
            "connection.backoff_max_ms": 5,
            **{f"exchanges.{self.name}.{key}": value for key, value in section.items()},
            **sets,
        }
        self.settings = settings.load(sets=[f"{key}={value}" for key, value in knobs.items()], environ={}).settings
        self.batches: list[pa.RecordBatch] = []
        self.stop = asyncio.Event()

    def publish(self, batch: pa.RecordBatch) -> None:
        self.batches.append(batch)

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [row for batch in self.batches for row in batch.to_pylist()]

    @property
    def ids(self) -> list[int]:
        return [row["trade_id"] for row in self.rows]

    @property
    def live(self) -> bool:
        return feed.live(self.settings)[self.name]

    def counted(self, metric: str, **labels: str) -> float:
        """A metric of this feed; it must be there."""
        value = metrics.FEEDS.get_sample_value(f"tickstream_feeds_{metric}", {"exchange": self.name} | labels)
        assert value is not None
        return value

    def lost(self, reason: str) -> float:
        return self.counted("reconnects_total", reason=reason)


@asynccontextmanager
async def connecting(
    use: str, url: str, *, symbols: tuple[str, ...] = (), publish: Any = None, **sets: Any
) -> AsyncIterator[Running]:
    """Run a feed of this address for as long as the block lasts."""
    running = Running(use, url, symbols or SYMBOLS[use][:1], {key.replace("__", "."): sets[key] for key in sets})
    task = asyncio.create_task(feed.run(running.settings, publish or running.publish, running.stop, clock=WallClock()))
    await asyncio.sleep(0)
    try:
        yield running
    finally:
        running.stop.set()
        async with asyncio.timeout(PATIENCE_S):
            await task


@asynccontextmanager
async def feeding(use: str, *scripts: Script, process_request: Any = None, **sets: Any) -> AsyncIterator[Running]:
    """Run a feed of a server that follows these scripts for as long as the block lasts."""
    async with (
        exchange(*scripts, process_request=process_request) as server,
        connecting(use, address(server), **sets) as running,
    ):
        yield running
