"""Every bus gives out what it was given: once, in order, from any offset on."""

import random
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from engine import schema
from engine.errors import Misconfigured
from storage import ipc
from storage.bus.partitioning import partition_of
from tests.contracts.buses import InMemory, Log, OnKafka, batches, bus_settings, drained
from tests.fakes import START_US

PARTITIONS = 4
SYMBOLS = [f"S{number}-USDT" for number in range(25)] + ["ÆØÅ-🚀", "a\x00b", "'; DROP TABLE--", "S" * 1_000]


@pytest.fixture(params=["memory", "kafka"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Log]:
    of_kafka = request.param == "kafka"
    address = request.getfixturevalue("kafka") if of_kafka else "127.0.0.1:9"
    settings = bus_settings(address, f"bus.partitions={PARTITIONS}")
    opened: Log = OnKafka(settings) if of_kafka else InMemory(settings, tmp_path)
    opened.source.seek({})
    yield opened
    opened.close()


def ticks(rows: int, *, seed: int = 1, symbols: Sequence[str] = SYMBOLS) -> pl.DataFrame:
    """Ticks with nulls, odd numbers and many symbols."""
    chance = random.Random(seed)
    odd = [float("nan"), float("inf"), -0.0, 5e-324, 0.1]
    told = {
        "exchange": [chance.choice(["binance", "kraken"]) for _ in range(rows)],
        "symbol": [chance.choice(symbols) for _ in range(rows)],
        "ts_event": [START_US + chance.randrange(-(10**9), 10**9) for _ in range(rows)],
        "ts_received": [chance.choice([None, START_US]) for _ in range(rows)],
        "trade_id": [seed * 1_000_000 + at for at in range(rows)],
        "price": [chance.choice([*odd, chance.lognormvariate(0, 5)]) for _ in range(rows)],
        "size": [chance.choice([None, 1e-8, 3.25]) for _ in range(rows)],
        "side": [chance.choice([None, "buy", "sell"]) for _ in range(rows)],
        "missing": [chance.choice([0, 0, 7]) for _ in range(rows)],
    }
    return pl.DataFrame(told, schema=schema.empty(schema.TICK).schema)


def publish(log: Log, *frames: pl.DataFrame) -> None:
    for frame in frames:
        log.publisher.publish(ipc.batch_of(frame, schema.TICK))


def bits(rows: pl.DataFrame) -> pl.DataFrame:
    """Floats as whole numbers: equal only where every bit is."""
    return rows.with_columns(
        pl.Series(name, rows[name].fill_null(0.0).to_numpy().view(np.int64)) for name in ("price", "size")
    )


def of_partition(rows: pl.DataFrame, partition: int) -> pl.DataFrame:
    """The published rows that belong there."""
    mine = [partition_of(symbol, PARTITIONS) == partition for symbol in rows["symbol"]]
    return rows.filter(pl.Series(mine, dtype=pl.Boolean))


def test_every_row_comes_out_as_it_went_in_and_in_the_order_of_its_partition(log: Log) -> None:
    frames = [ticks(rows, seed=rows) for rows in (1, 20, 500, 3, 2_000, 7)]
    publish(log, *frames)
    given = pl.concat(frames)

    out = drained(log, given.height, rows_max=300)

    assert out.columns == schema.LOG.names
    for partition in range(PARTITIONS):
        mine = out.filter(pl.col("partition") == partition)
        assert bits(mine.select(schema.TICK.names)).equals(bits(of_partition(given, partition)))
        assert mine["price"].is_null().equals(of_partition(given, partition)["price"].is_null())


def test_places_count_messages_and_the_rows_in_them(log: Log) -> None:
    publish(log, *[ticks(40, seed=seed) for seed in range(5)])
    out = drained(log, 200)
    for _, mine in out.group_by("partition", maintain_order=True):
        assert mine["offset"].unique(maintain_order=True).to_list() == [0, 1, 2, 3, 4]
        for _, message in mine.group_by("offset", maintain_order=True):
            assert message["row"].to_list() == list(range(message.height))


def test_next_offsets_lead_on_without_a_row_lost_or_doubled(log: Log) -> None:
    publish(log, *[ticks(50, seed=seed) for seed in range(8)])
    reached: dict[int, int] = {}
    for batch in batches(log, 400, rows_max=60):
        moved = batch.ticks.group_by("partition").agg(first=pl.col("offset").min(), end=pl.col("offset").max() + 1)
        for partition, first, end in moved.iter_rows():
            assert first == reached.get(partition, 0)
            reached[partition] = batch.next_offsets[partition]
            assert reached[partition] == end
    assert reached == log.source.ends()


def test_seeking_back_and_forth_gives_the_same_rows_again(log: Log) -> None:
    publish(log, *[ticks(50, seed=seed) for seed in range(6)])
    once = drained(log, 300)
    for start in (0, 3, 5, 1, 6, 0):
        log.source.seek(dict.fromkeys(range(PARTITIONS), start))
        wanted = once.filter(pl.col("offset") >= start).sort(schema.PLACE.names)
        again = drained(log, wanted.height, rows_max=70).sort(schema.PLACE.names)
        assert bits(again.drop("ts_drained")).equals(bits(wanted.drop("ts_drained")))


def test_after_reading_back_the_log_goes_on_with_what_came_meanwhile(log: Log) -> None:
    publish(log, ticks(100, seed=1))
    drained(log, 100)
    publish(log, ticks(100, seed=2))
    log.source.seek({0: 1})  # Partitions that are not named start at their first message.

    again = drained(log, 200 - of_partition(ticks(100, seed=1), 0).height)

    publish(log, ticks(30, seed=3))
    again = pl.concat([again, drained(log, 30)])
    for partition in range(PARTITIONS):
        offsets = again.filter(pl.col("partition") == partition)["offset"].unique(maintain_order=True).to_list()
        assert offsets == [1, 2] if partition == 0 else [0, 1, 2]


def test_ends_and_lag_tell_what_is_there_and_what_is_left(log: Log) -> None:
    assert log.source.ends() == dict.fromkeys(range(PARTITIONS), 0)
    assert log.source.partitions() == tuple(range(PARTITIONS))
    publish(log, *[ticks(200, seed=seed) for seed in range(3)])
    first = drained(log, 1, rows_max=1)
    assert sum(log.source.lag_messages().values()) > 0
    drained(log, 600 - first.height)
    assert log.source.ends() == dict.fromkeys(range(PARTITIONS), 3)
    assert log.source.lag_messages() == dict.fromkeys(range(PARTITIONS), 0)


def test_a_drain_ends_at_about_as_many_rows_as_it_was_asked_for(log: Log) -> None:
    publish(log, *[ticks(40, seed=seed) for seed in range(20)])
    found = batches(log, 800, rows_max=50)
    assert max(batch.ticks.height for batch in found) <= 50 + 40


def test_nothing_there_is_an_empty_batch(log: Log) -> None:
    batch = log.source.drain(rows_max=10, wait_ms=1)
    assert batch.ticks.schema == schema.empty(schema.LOG).schema
    assert (batch.ticks.height, dict(batch.next_offsets), batch.parked) == (0, {}, ())


def test_no_rows_make_no_message(log: Log) -> None:
    publish(log, ticks(0), ticks(5), ticks(0))
    drained(log, 5)
    assert max(log.source.ends().values()) == 1


def test_a_drain_that_waits_wakes_when_something_is_published(log: Log) -> None:
    feed = threading.Thread(target=publish, args=(log, ticks(10)))
    feed.start()
    batch = log.source.drain(rows_max=100, wait_ms=60_000)
    feed.join()
    assert batch.ticks.height > 0


def test_publishers_in_several_threads_keep_their_own_order(log: Log) -> None:
    def feed(seed: int) -> None:
        publish(log, *[ticks(10, seed=seed * 100 + at, symbols=["BTC-USDT"]) for at in range(20)])

    feeds = [threading.Thread(target=feed, args=(seed,)) for seed in range(1, 5)]
    for each in feeds:
        each.start()
    out = drained(log, 4 * 20 * 10)
    for each in feeds:
        each.join()
    for _, rows in out.group_by(pl.col("trade_id") // 100_000_000):
        assert rows["trade_id"].is_sorted()
        assert rows.height == 200


@pytest.mark.parametrize("offset", [2, 1_000_000])
def test_an_offset_that_the_log_does_not_hold_is_refused(log: Log, offset: int) -> None:
    publish(log, ticks(100))
    drained(log, 100)
    with pytest.raises(Misconfigured, match=f"offset {offset}"):
        log.source.seek({1: offset})


def test_stamps_tell_when_rows_went_in_and_came_out(log: Log) -> None:
    publish(log, ticks(10))
    out = drained(log, 10)
    assert out["ts_appended"].null_count() == 0
    assert out["ts_drained"].cast(pl.Int64).to_list() == [START_US] * 10


def test_a_slice_is_published_as_what_it_shows(log: Log) -> None:
    whole = ipc.batch_of(ticks(100), schema.TICK)
    log.publisher.publish(whole.slice(40, 10))
    assert sorted(drained(log, 10)["trade_id"]) == ticks(100)["trade_id"][40:50].to_list()
