"""Every exchange of the settings, end to end."""

import asyncio
import json
import threading
from typing import Any

import pyarrow as pa
import pytest
from websockets.asyncio.server import ServerConnection

from engine import settings
from engine.errors import Misconfigured, Unavailable
from engine.schema import TICK
from feeds import feed
from tests.feeds.exchange_server import (
    Script,
    WallClock,
    acknowledge,
    address,
    asynchronous,
    connecting,
    exchange,
    feeding,
    until,
)
from tests.feeds.parsers import SYMBOLS, trade


def plays(use: str, *ids: int) -> Script:
    async def script(socket: ServerConnection) -> None:
        await acknowledge(use, socket)
        for trade_id in ids:
            await socket.send(trade(use, trade_id), text=True)
        await socket.wait_closed()

    return script


class Blocked:
    """A bus that takes nothing until it is opened."""

    def __init__(self) -> None:
        self.batches: list[pa.RecordBatch] = []
        self.open = threading.Event()
        self.at_once = 0
        self.entered = 0

    def publish(self, batch: pa.RecordBatch) -> None:
        self.entered += 1
        self.at_once = max(self.at_once, self.entered)
        self.open.wait()
        self.batches.append(batch)
        self.entered -= 1

    @property
    def ids(self) -> list[int]:
        return [trade_id for batch in self.batches for trade_id in batch["trade_id"].to_pylist()]


@asynchronous
async def test_three_exchanges_are_published_each_in_order() -> None:
    batches: list[pa.RecordBatch] = []
    ids = range(1, 501)
    async with (
        exchange(plays("binance", *ids)) as binance,
        exchange(plays("coinbase", *ids)) as coinbase,
        exchange(plays("kraken", *ids)) as kraken,
    ):
        servers = {"binance": binance, "coinbase": coinbase, "kraken": kraken}
        sets = [f"exchanges.{name}.symbols={json.dumps(SYMBOLS[name][:1])}" for name in servers]
        chosen = settings.load(sets=sets, environ={}).settings
        urls = {name: address(server) for name, server in servers.items()}
        stop = asyncio.Event()
        running = asyncio.create_task(feed.run(chosen, batches.append, stop, urls=urls, clock=WallClock()))
        await until(lambda: sum(batch.num_rows for batch in batches) == 3 * len(ids))
        assert feed.live(chosen) == {"binance": True, "coinbase": True, "kraken": True}
        stop.set()
        await running
    rows = [row for batch in batches for row in batch.to_pylist()]
    for name in servers:
        assert [row["trade_id"] for row in rows if row["exchange"] == name] == list(ids)
    assert {batch.schema for batch in batches} == {TICK}
    assert feed.live(chosen) == {"binance": False, "coinbase": False, "kraken": False}


@asynchronous
async def test_what_is_buffered_at_the_stop_is_published_and_the_socket_closed() -> None:
    left = asyncio.Event()

    async def script(socket: ServerConnection) -> None:
        await plays("kraken", 1, 2, 3)(socket)
        left.set()

    async with feeding("kraken", script, feeds__flush_ms=1_000_000) as running:
        await until(lambda: running.counted("ticks_total") == 3)
        assert running.ids == []
        running.stop.set()
        await until(left.is_set)
        await until(lambda: running.ids == [1, 2, 3])


@asynchronous
async def test_batches_hold_at_most_so_many_rows() -> None:
    async with feeding("kraken", plays("kraken", *range(100)), feeds__rows_max=7, feeds__flush_ms=50) as running:
        await until(lambda: running.ids == list(range(100)))
        assert max(batch.num_rows for batch in running.batches) == 7
        assert running.counted("batches_total") == pytest.approx(len(running.batches), abs=1)


@asynchronous
async def test_blocked_bus_holds_ticks_back_and_loses_none_that_there_is_room_for() -> None:
    bus = Blocked()
    sets = {"feeds__rows_max": 5, "feeds__frames_waiting_max": 1_000}
    async with feeding("kraken", plays("kraken", *range(200)), publish=bus.publish, **sets) as running:
        await until(lambda: running.counted("ticks_total") >= 10)
        await asyncio.sleep(0.2)
        # One batch is on its way, two wait, and the frames wait behind them.
        assert running.counted("ticks_total") <= 15
        bus.open.set()
        await until(lambda: bus.ids == list(range(200)))
        assert bus.at_once == 1
        assert running.counted("frames_dropped_total") == 0


@asynchronous
async def test_frames_that_wait_at_the_stop_are_read_and_published() -> None:
    bus = Blocked()
    async with feeding("kraken", plays("kraken", *range(200)), publish=bus.publish, feeds__rows_max=5) as running:
        await until(lambda: running.counted("ticks_total") >= 10)
        running.stop.set()
        bus.open.set()
    assert bus.ids == list(range(200))
    assert running.lost("closed") == 0


@asynchronous
async def test_stop_does_not_wait_for_an_exchange_that_cannot_be_reached() -> None:
    waits: dict[str, Any] = {"connection__backoff_base_ms": 10**9, "connection__backoff_max_ms": 10**9}
    async with connecting("kraken", "ws://127.0.0.1:1", **waits) as running:
        await until(lambda: running.lost("unreachable") == 1)


@asynchronous
async def test_frames_beyond_the_bound_are_dropped_counted_and_missed_by_id(caplog: pytest.LogCaptureFixture) -> None:
    bus = Blocked()
    sets = {"feeds__rows_max": 5, "feeds__frames_waiting_max": 20}
    async with feeding("kraken", plays("kraken", *range(200)), publish=bus.publish, **sets) as running:
        await until(lambda: running.counted("frames_dropped_total") > 100)
        bus.open.set()
        await until(lambda: bus.ids[-1:] == [199])
        missing = sum(sum(batch["missing"].to_pylist()) for batch in bus.batches)
        assert running.counted("frames_dropped_total") == 200 - len(bus.ids)
        # On a busy machine frames may be dropped before the first trade is read; those cannot be missed by their ids.
        assert missing == 200 - bus.ids[0] - len(bus.ids)
        assert running.lost("not_acknowledged") == 0
    assert any(record.message == "frames dropped" for record in caplog.records)


class Away:
    """A bus that cannot be reached for its first calls."""

    def __init__(self, times: int) -> None:
        self.times = times
        self.batches: list[pa.RecordBatch] = []

    def publish(self, batch: pa.RecordBatch) -> None:
        if self.times:
            self.times -= 1
            raise Unavailable("bus", "away")
        self.batches.append(batch)


@asynchronous
async def test_same_batch_is_published_again_while_the_bus_is_away(caplog: pytest.LogCaptureFixture) -> None:
    bus = Away(2)
    sets = {"feeds__rows_max": 5}
    async with feeding("kraken", plays("kraken", *range(20)), publish=bus.publish, **sets):
        await until(lambda: [i for b in bus.batches for i in b["trade_id"].to_pylist()] == list(range(20)))
    assert [record.message for record in caplog.records] == ["bus unavailable"] * 2


@asynchronous
async def test_bus_that_is_away_does_not_keep_the_feed_from_stopping(caplog: pytest.LogCaptureFixture) -> None:
    bus = Away(1_000_000)
    async with feeding("kraken", plays("kraken", 1), publish=bus.publish) as running:
        await until(lambda: running.counted("ticks_total") == 1)
    assert vars(caplog.records[-1])["rows"] == 1
    assert caplog.records[-1].message == "ticks lost at the stop"


@asynchronous
async def test_all_that_works_is_told_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "feeds")
    async with feeding("kraken", plays("kraken", *range(50))) as running:
        await until(lambda: running.ids == list(range(50)))
    assert [record.message for record in caplog.records if record.name.startswith("feeds")] == ["feed connected"]
    assert vars(caplog.records[-1])["symbols"] == 1


@asynchronous
async def test_every_row_of_labels_starts_at_zero() -> None:
    async with feeding("kraken", plays("kraken")) as running:
        assert running.counted("frames_malformed_total", reason="number") == 0
        assert running.counted("frames_control_total", kind="other") == 0
        assert running.lost("silent") == 0
        assert running.counted("missing_total") == 0


@pytest.mark.parametrize(
    ("sets", "problem"),
    [
        (["feeds.exchanges=[]"], "feeds.exchanges: names no exchange"),
        (['feeds.exchanges=["krakn"]'], "feeds.exchanges: there is no section [exchanges.krakn]; did you mean kraken?"),
        (["exchanges.kraken.use=krakn"], "exchanges.kraken.use: must be one of binance, coinbase, kraken"),
        (["exchanges.kraken.url=ftp://x"], "exchanges.kraken.url: "),
        (["exchanges.kraken.symbols=[1]"], "exchanges.kraken.symbols[0]: "),
        (["exchanges.kraken.symbols=[[1], [1]]"], "exchanges.kraken.symbols[0]: "),
        (["exchanges.kraken.symbols=7"], "exchanges.kraken.symbols: "),
        (["exchanges.kraken.colour=red"], "exchanges.kraken.colour: no such setting"),
        (["feeds.symbols=[]"], "exchanges.kraken.symbols: "),
    ],
)
def test_bad_settings_are_refused_before_anything_connects(sets: list[str], problem: str) -> None:
    chosen = settings.load(sets=sets, environ={}).settings
    with pytest.raises(Misconfigured) as refused:
        asyncio.run(feed.run(chosen, _never, asyncio.Event(), clock=WallClock()))
    assert any(text.startswith(problem) for text in refused.value.problems)


def test_every_problem_is_named_at_once() -> None:
    sets = ["exchanges.kraken.url=x", "exchanges.binance.url=y"]
    with pytest.raises(Misconfigured) as refused:
        feed.exchanges(settings.load(sets=sets, environ={}).settings, {})
    assert [text.partition(":")[0] for text in refused.value.problems] == [
        "exchanges.binance.url",
        "exchanges.kraken.url",
    ]


def test_symbol_and_exchange_named_twice_count_once() -> None:
    sets = ['feeds.exchanges=["kraken", "kraken"]', 'feeds.symbols=["BTC-USD", "BTC-USD"]']
    found = feed.exchanges(settings.load(sets=sets, environ={}).settings, {"kraken": "ws://127.0.0.1:1"})
    assert {name: (part.symbols, part.endpoint()) for name, part in found.items()} == {
        "kraken": (("BTC-USD",), "ws://127.0.0.1:1")
    }


def _never(batch: Any) -> None:
    raise AssertionError(batch)
