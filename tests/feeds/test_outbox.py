"""A batch goes at so many rows, or so long after its first tick."""

import asyncio

from feeds.exchanges import Tick
from feeds.outbox import Outbox
from tests.feeds.exchange_server import PATIENCE_S, asynchronous

NEVER_MS = 1_000_000


def ticks(*ids: int) -> list[Tick]:
    return [Tick("BTC-USD", 1, 2, trade_id, 100.0, 1.0, "buy") for trade_id in ids]


async def ids(outbox: Outbox) -> list[int]:
    async with asyncio.timeout(PATIENCE_S):
        batch = await outbox.next()
    assert batch is not None
    return list(batch["trade_id"].to_pylist())


@asynchronous
async def test_full_batch_goes_at_once() -> None:
    outbox = Outbox("kraken", rows_max=3, flush_ms=NEVER_MS)
    outbox.put(ticks(1, 2, 3, 4))
    assert await ids(outbox) == [1, 2, 3]


@asynchronous
async def test_first_tick_does_not_wait_for_ever() -> None:
    outbox = Outbox("kraken", rows_max=3, flush_ms=10)
    asyncio.get_running_loop().call_later(0.01, outbox.put, ticks(1))
    assert await ids(outbox) == [1]
    outbox.put(ticks(2))
    assert await ids(outbox) == [2]


@asynchronous
async def test_batch_waits_for_its_time() -> None:
    outbox = Outbox("kraken", rows_max=3, flush_ms=NEVER_MS)
    outbox.put(ticks(1))
    waiting = asyncio.ensure_future(outbox.next())
    await asyncio.sleep(0.05)
    assert not waiting.done()
    outbox.put(ticks(2, 3))
    assert (await waiting) is not None


@asynchronous
async def test_closed_outbox_lets_go_of_what_is_left() -> None:
    outbox = Outbox("kraken", rows_max=3, flush_ms=NEVER_MS)
    outbox.put(ticks(1, 2, 3, 4))
    outbox.close()
    assert await ids(outbox) == [1, 2, 3]
    assert await ids(outbox) == [4]
    assert await outbox.next() is None


@asynchronous
async def test_there_is_room_for_two_batches() -> None:
    outbox = Outbox("kraken", rows_max=2, flush_ms=NEVER_MS)
    outbox.put(ticks(1, 2, 3))
    await outbox.room()
    outbox.put(ticks(4))
    waiting = asyncio.ensure_future(outbox.room())
    await asyncio.sleep(0.05)
    assert not waiting.done()
    await outbox.next()
    await waiting


@asynchronous
async def test_no_ticks_start_no_batch() -> None:
    outbox = Outbox("kraken", rows_max=2, flush_ms=1)
    outbox.put([])
    waiting = asyncio.ensure_future(outbox.next())
    await asyncio.sleep(0.05)
    assert not waiting.done()
    outbox.close()
    assert await waiting is None
