"""The log in memory: bounded, and continued from what lies on disk."""

import sys
import threading
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from engine import schema, settings
from engine.errors import Misconfigured, Unavailable
from storage import ipc
from storage.bus.memory import MemoryBus
from storage.capture import unscored
from storage.recording import Recording
from storage.sinks.parquet import Dataset
from tests.fakes import START_US, FakeClock

BOUNDS = settings.MemoryBus(rows_max=100, bytes_max=1_000_000)


def ticks(rows: int, first_id: int = 0) -> pa.RecordBatch:
    told = pl.DataFrame({"trade_id": range(first_id, first_id + rows)}).select(
        pl.lit("binance").alias("exchange"),
        pl.lit("BTC-USDT").alias("symbol"),
        pl.lit(START_US).cast(pl.Datetime("us", "UTC")).alias("ts_event"),
        pl.lit(None).cast(pl.Datetime("us", "UTC")).alias("ts_received"),
        pl.col("trade_id").cast(pl.Int64),
        pl.lit(1.5).alias("price"),
        pl.lit(2.0).alias("size"),
        pl.lit("buy").alias("side"),
        pl.lit(0).alias("missing"),
    )
    return ipc.batch_of(told, schema.TICK)


def in_thread(work: Callable[[], object]) -> tuple[threading.Thread, list[BaseException]]:
    """Work in a thread of its own, and what it raised."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - what a thread raises is looked at by the test
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, raised


def is_waiting(thread: threading.Thread) -> bool:
    """Whether it still waits after it has had the time to be done."""
    thread.join(0.2)
    return thread.is_alive()


@pytest.mark.parametrize("bounds", [BOUNDS, settings.MemoryBus(rows_max=10**9, bytes_max=ticks(100).nbytes)])
def test_a_publisher_waits_while_the_log_is_full_and_goes_on_when_it_is_drained(bounds: settings.MemoryBus) -> None:
    bus = MemoryBus(1, bounds, clock=FakeClock())
    bus.publish(ticks(60))
    feed, raised = in_thread(lambda: bus.publish(ticks(60, first_id=60)))
    assert is_waiting(feed)
    assert bus.ends() == {0: 1}

    assert bus.drain(rows_max=100, wait_ms=0).ticks.height == 60
    feed.join()
    assert bus.drain(rows_max=100, wait_ms=0).ticks["trade_id"].to_list() == list(range(60, 120))
    assert not raised


def test_what_is_larger_than_the_log_itself_goes_in_when_it_is_empty() -> None:
    bus = MemoryBus(1, BOUNDS, clock=FakeClock())
    bus.publish(ticks(1_000))
    assert bus.drain(rows_max=10, wait_ms=0).ticks.height == 1_000


def test_closing_lets_go_of_publishers_and_drainers() -> None:
    bus = MemoryBus(1, BOUNDS, clock=FakeClock())
    bus.publish(ticks(100))
    feed, raised = in_thread(lambda: bus.publish(ticks(1)))
    assert is_waiting(feed)

    bus.close()
    feed.join()

    assert [type(error) for error in raised] == [Unavailable]
    assert bus.drain(rows_max=1_000, wait_ms=0).ticks.height == 100
    assert bus.drain(rows_max=1_000, wait_ms=60_000).ticks.height == 0
    with pytest.raises(Unavailable):
        bus.publish(ticks(1))


def test_a_waiting_drainer_is_let_go_too() -> None:
    bus = MemoryBus(1, BOUNDS, clock=FakeClock())
    drainer, raised = in_thread(lambda: bus.drain(rows_max=1, wait_ms=60_000))
    assert is_waiting(drainer)
    bus.close()
    drainer.join()
    assert not raised


def test_seeking_forward_drops_messages_and_makes_room() -> None:
    bus = MemoryBus(1, BOUNDS, clock=FakeClock())
    for number in range(4):
        bus.publish(ticks(25, first_id=25 * number))
    bus.seek({0: 3})
    bus.publish(ticks(75, first_id=100))
    assert bus.drain(rows_max=1_000, wait_ms=0).ticks["trade_id"].to_list() == list(range(75, 175))


def kept(folder: Path, bus: MemoryBus) -> None:
    """Drain the bus into a dataset, file by file."""
    files = Dataset(folder, rows_max=1, flush_ms=0, compression="zstd")
    while (batch := bus.drain(rows_max=10, wait_ms=0)).next_offsets:
        files.write(unscored(batch))


def test_a_run_in_an_existing_dataset_continues_its_offsets_and_reads_them_back(tmp_path: Path) -> None:
    first = MemoryBus(1, BOUNDS, clock=FakeClock())
    for number in range(3):
        first.publish(ticks(10, first_id=10 * number))
    kept(tmp_path, first)

    past = Recording(tmp_path)
    second = MemoryBus(1, BOUNDS, clock=FakeClock(), starts={0: past.bounds()[0][1]}, history=past)
    second.publish(ticks(10, first_id=30))
    assert second.ends() == {0: 4}

    second.seek({0: 1})
    assert second.lag_messages() == {0: 3}
    batches = [second.drain(rows_max=15, wait_ms=0) for _ in range(3)]
    assert [dict(batch.next_offsets) for batch in batches] == [{0: 2}, {0: 3}, {0: 4}]
    assert pl.concat([batch.ticks for batch in batches])["trade_id"].to_list() == list(range(10, 40))


def test_reading_back_begins_while_feeds_go_on(tmp_path: Path) -> None:
    first = MemoryBus(1, BOUNDS, clock=FakeClock())
    first.publish(ticks(10))
    kept(tmp_path, first)
    bounds = settings.MemoryBus(rows_max=10**9, bytes_max=10**12)
    bus = MemoryBus(1, bounds, clock=FakeClock(), starts={0: 1}, history=Recording(tmp_path))
    for _ in range(2_000):
        bus.publish(ticks(1))
    feed, raised = in_thread(lambda: publish_until_closed(bus))
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # Threads meet in the middle of whatever takes no lock.
    try:
        for _ in range(20):
            bus.seek({0: 0})
            assert bus.drain(rows_max=10, wait_ms=0).next_offsets == {0: 1}
    finally:
        sys.setswitchinterval(before)
        bus.close()
        feed.join()
    assert [type(error) for error in raised] == [Unavailable]


def publish_until_closed(bus: MemoryBus) -> None:
    one = ticks(1)
    while True:
        bus.publish(one)


def test_what_was_drained_and_lies_nowhere_cannot_be_read_again(tmp_path: Path) -> None:
    lost = MemoryBus(1, BOUNDS, clock=FakeClock())
    lost.publish(ticks(10))
    lost.drain(rows_max=10, wait_ms=0)
    with pytest.raises(Misconfigured, match="offset 0"):
        lost.seek({0: 0})

    behind = MemoryBus(1, BOUNDS, clock=FakeClock(), history=Recording(tmp_path))
    behind.publish(ticks(10))
    behind.drain(rows_max=10, wait_ms=0)
    with pytest.raises(Misconfigured, match="partition 0"):
        behind.seek({0: 0})


def test_a_partition_that_nobody_named_goes_on_at_what_is_left_in_memory() -> None:
    bus = MemoryBus(1, BOUNDS, clock=FakeClock())
    bus.publish(ticks(10))
    bus.drain(rows_max=10, wait_ms=0)
    bus.publish(ticks(5, first_id=10))
    bus.seek({})
    assert bus.drain(rows_max=10, wait_ms=0).ticks["trade_id"].to_list() == list(range(10, 15))


def test_ticks_that_another_sink_had_and_the_dataset_not_yet_are_lost_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    killed = MemoryBus(1, BOUNDS, clock=FakeClock())
    killed.publish(ticks(10))
    kept(tmp_path, killed)

    bus = MemoryBus(1, BOUNDS, clock=FakeClock(), starts={0: 3}, history=Recording(tmp_path))
    bus.publish(ticks(10, first_id=30))
    bus.seek({0: 0})

    assert [record.message for record in caplog.records] == ["ticks lost with an earlier run"]
    batches = [bus.drain(rows_max=15, wait_ms=0) for _ in range(2)]
    assert [dict(batch.next_offsets) for batch in batches] == [{0: 1}, {0: 4}]


def test_a_dataset_of_more_partitions_is_refused() -> None:
    with pytest.raises(Misconfigured, match=r"holds partition 4; set bus\.partitions"):
        MemoryBus(2, BOUNDS, clock=FakeClock(), starts={4: 1})
