"""The log on Kafka: the format on the wire, what cannot be read, and brokers that go away."""

import random
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from confluent_kafka import TIMESTAMP_CREATE_TIME, Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
)

from engine import schema
from engine.batch import TickBatch
from engine.errors import Misconfigured, Unavailable
from engine.settings import Bus
from storage import ipc
from storage.bus.client import connection, consumer_config, producer_config
from storage.bus.kafka_publisher import QUEUE_BYTES_MAX, KafkaPublisher
from storage.bus.kafka_source import BATCH_BYTES_MAX, KafkaSource
from storage.bus.partitioning import partition_of
from storage.bus.reading import read_messages, read_topic
from storage.bus.topics import NAMES, check_retention, make_topics, topic
from tests.contracts.buses import bus_settings
from tests.fakes import START_US, FakeClock
from tests.services.broker import Broker

GIVE_UP_SECONDS = 60.0


@pytest.fixture
def bus(kafka: str) -> Bus:
    settings = bus_settings(kafka, "bus.partitions=3", "bus.kafka.message_rows_max=1000")
    make_topics(settings)
    return settings


@pytest.fixture
def publisher(bus: Bus) -> Iterator[KafkaPublisher]:
    with closing(KafkaPublisher(bus)) as opened:
        yield opened


@pytest.fixture
def source(bus: Bus) -> Iterator[KafkaSource]:
    with closing(KafkaSource(bus, clock=FakeClock())) as opened:
        yield opened


def ticks(rows: int, *, first_id: int = 0, symbol: str = "BTC-USDT") -> pa.RecordBatch:
    told = pl.DataFrame({"trade_id": range(first_id, first_id + rows)}).select(
        pl.lit("binance").alias("exchange"),
        pl.lit(symbol).alias("symbol"),
        (pl.col("trade_id") + START_US).cast(pl.Datetime("us", "UTC")).alias("ts_event"),
        pl.lit(None).cast(pl.Datetime("us", "UTC")).alias("ts_received"),
        pl.col("trade_id").cast(pl.Int64),
        pl.lit(1.5).alias("price"),
        pl.lit(2.0).alias("size"),
        pl.lit("buy").alias("side"),
        pl.lit(0).alias("missing"),
    )
    return ipc.batch_of(told, schema.TICK)


def send(bus: Bus, *values: bytes | None, partition: int = 0, **more: Any) -> None:
    """Messages of a foreign producer."""
    with closing(Producer(producer_config(bus.kafka))) as producer:
        for value in values:
            producer.produce(topic(bus, "ticks"), value, partition=partition, **more)
        assert producer.flush(30) == 0


def drained(source: KafkaSource, offsets: int, partition: int = 0, *, rows_max: int = 1_000) -> list[TickBatch]:
    """Batches until the partition has been drained up to an offset."""
    found: list[TickBatch] = []
    give_up = time.monotonic() + GIVE_UP_SECONDS
    while not found or found[-1].next_offsets.get(partition, 0) < offsets:
        assert time.monotonic() < give_up
        batch = source.drain(rows_max=rows_max, wait_ms=1_000)
        found += [batch] if batch.next_offsets else []
    return found


def rows_of(batches: list[TickBatch]) -> pl.DataFrame:
    return pl.concat([batch.ticks for batch in batches])


def test_a_message_is_what_any_arrow_reader_opens_with_headers_that_tell_about_it(
    bus: Bus, publisher: KafkaPublisher
) -> None:
    publisher.publish(ticks(5))
    publisher.flush()
    home = partition_of("BTC-USDT", 3)
    with closing(Consumer(consumer_config(bus.kafka))) as consumer:
        consumer.assign([TopicPartition(topic(bus, "ticks"), home, 0)])
        message = consumer.poll(30)
        assert message is not None
        assert message.key() is None
        kind, appended_ms = message.timestamp()
        assert dict(message.headers() or []) == {
            "content-type": b"application/vnd.apache.arrow.stream",
            "schema": b"tick.v1",
            "rows": b"5",
            "min-ts": str(START_US).encode(),
            "max-ts": str(START_US + 4).encode(),
        }
        opened = pa.ipc.open_stream(message.value())
        assert opened.read_next_batch().equals(ticks(5))
        with pytest.raises(StopIteration):
            opened.read_next_batch()
    assert kind == TIMESTAMP_CREATE_TIME
    assert abs(appended_ms - time.time() * 1_000) < 600_000  # The wall clock's, not the ticks' of 2024.


def test_partitions_are_those_of_kafkas_own_partitioner(bus: Bus) -> None:
    chance = random.Random(3)
    symbols = ["".join(chance.choices("ABCDEØ🚀-", k=chance.randrange(1, 20))) for _ in range(300)]
    chosen: dict[str, int] = {}

    def note(_: object, message: Any) -> None:
        chosen[message.key().decode()] = message.partition()

    with closing(Producer(producer_config(bus.kafka) | {"partitioner": "murmur2"})) as producer:
        for symbol in symbols:
            producer.produce(topic(bus, "gaps"), b"", symbol.encode(), on_delivery=note)
        assert producer.flush(30) == 0
    assert chosen == {symbol: partition_of(symbol, 3) for symbol in symbols}


def test_a_large_batch_becomes_messages_within_the_limits(kafka: str) -> None:
    settings = bus_settings(
        kafka, "bus.partitions=1", "bus.kafka.message_rows_max=300", "bus.kafka.message_bytes_max=20000"
    )
    make_topics(settings)
    with closing(KafkaPublisher(settings)) as publisher:
        publisher.publish(ticks(2_000))
    messages = list(read_topic(settings, "ticks"))
    assert max(rows.num_rows for _, _, rows in messages) <= 300
    assert [offset for _, offset, _ in messages] == list(range(len(messages)))
    assert pa.Table.from_batches([rows for _, _, rows in messages])["trade_id"].to_pylist() == list(range(2_000))


def test_messages_that_cannot_be_read_are_parked_and_the_rest_goes_on(bus: Bus, source: KafkaSource) -> None:
    good = ipc.encode(ticks(2))
    too_many = ipc.encode(ticks(1_001))
    send(bus, good, None, b"", b"poison", good[:-9], too_many, good)
    source.seek({})

    batches = drained(source, 7)

    parked = [one for batch in batches for one in batch.parked]
    assert [(one.partition, one.offset, one.reason, one.payload) for one in parked] == [
        (0, 1, "empty", b""),
        (0, 2, "empty", b""),
        (0, 3, "not_arrow", b"poison"),
        (0, 4, "not_arrow", good[:-9]),
        (0, 5, "too_many_rows", too_many),
    ]
    assert rows_of(batches)["offset"].to_list() == [0, 0, 6, 6]


def test_messages_without_rows_count_towards_the_rows_of_a_batch(bus: Bus, source: KafkaSource) -> None:
    send(bus, *[b"poison", ipc.encode(ticks(1).slice(0, 0))] * 50)
    source.seek({})
    batches = drained(source, 100, rows_max=10)
    assert len(batches) >= 10
    assert max(len(batch.parked) for batch in batches) <= 10


def test_a_batch_ends_at_so_many_bytes(bus: Bus, source: KafkaSource) -> None:
    large = bytes(bus.kafka.message_bytes_max - 4_096)
    send(bus, *[large] * 10)
    source.seek({})
    batches = drained(source, 10)
    held = [sum(len(one.payload) for one in batch.parked) for batch in batches]
    assert sum(held) == 10 * len(large)
    assert max(held) < BATCH_BYTES_MAX + len(large)


def test_a_symbol_in_the_wrong_partition_stays_where_it_lies(bus: Bus, source: KafkaSource) -> None:
    astray = (partition_of("BTC-USDT", 3) + 1) % 3
    send(bus, ipc.encode(ticks(1)), partition=astray)
    source.seek({})
    assert rows_of(drained(source, 1, astray))["partition"].to_list() == [astray]


@pytest.mark.parametrize("headers", [None, [("rows", b"77"), ("schema", b"score.v9"), ("min-ts", None)]])
def test_headers_are_for_people_and_may_lie(bus: Bus, source: KafkaSource, headers: Any) -> None:
    send(bus, ipc.encode(ticks(3)), headers=headers)
    source.seek({})
    assert rows_of(drained(source, 1)).height == 3


@pytest.mark.parametrize(("claimed_ms", "told"), [(2**62, None), (1_000, 1_000_000)])
def test_a_claimed_time_of_appending_that_cannot_be_is_unknown(
    bus: Bus, source: KafkaSource, claimed_ms: int, told: int | None
) -> None:
    admin = AdminClient(connection(bus.kafka))
    alter(admin, topic(bus, "ticks"), "message.timestamp.after.max.ms", str(2**63 - 1))
    alter(admin, topic(bus, "ticks"), "retention.ms", "-1")
    send(bus, ipc.encode(ticks(1)), timestamp=claimed_ms)
    source.seek({})
    assert rows_of(drained(source, 1))["ts_appended"].cast(pl.Int64).to_list() == [told]


def test_a_message_without_rows_moves_the_offset(bus: Bus, source: KafkaSource) -> None:
    send(bus, ipc.encode(ticks(1).slice(0, 0)))
    source.seek({})
    assert rows_of(drained(source, 1)).height == 0


def test_the_end_is_reached_behind_the_marks_of_transactions(bus: Bus, source: KafkaSource) -> None:
    with closing(Producer(producer_config(bus.kafka) | {"transactional.id": bus.prefix})) as producer:
        producer.init_transactions(30)
        for finish in (producer.commit_transaction, producer.abort_transaction, producer.commit_transaction):
            producer.begin_transaction()
            producer.produce(topic(bus, "ticks"), ipc.encode(ticks(1)), partition=0)
            producer.flush(30)
            finish(30)
    source.seek({})
    batches = drained(source, source.ends()[0])
    assert rows_of(batches)["offset"].to_list() == [0, 4]
    assert [offset for _, offset, _ in read_messages(bus, "ticks")] == [0, 4]
    assert source.lag_messages()[0] == 0


def test_an_offset_that_retention_took_is_named_with_the_ways_out(bus: Bus, source: KafkaSource) -> None:
    send(bus, *[ipc.encode(ticks(1))] * 10)
    admin = AdminClient(connection(bus.kafka))
    [deleted] = admin.delete_records([TopicPartition(topic(bus, "ticks"), 0, 6)]).values()
    deleted.result()

    with pytest.raises(Misconfigured, match=r"no longer holds offset 2 of partition 0.*6 to 10.*Restore.*or give up"):
        source.seek({0: 2})

    source.seek({})
    assert rows_of(drained(source, 10))["offset"].to_list() == [6, 7, 8, 9]


def test_an_offset_that_goes_while_the_engine_reads_stops_it_too(bus: Bus, source: KafkaSource) -> None:
    send(bus, *[ipc.encode(ticks(1))] * 10)
    source.seek({0: 10})
    send(bus, ipc.encode(ticks(1)))
    source._consumer.assign([TopicPartition(topic(bus, "ticks"), 0, 50)])  # noqa: SLF001 - as if it had gone meanwhile
    with pytest.raises(Misconfigured, match="offset 50 of partition 0"):
        drained(source, 50)


def test_a_missing_topic_is_named(kafka: str) -> None:
    settings = bus_settings(kafka)
    with closing(KafkaSource(settings, clock=FakeClock())) as source, pytest.raises(Misconfigured, match="is missing"):
        source.seek({})
    with pytest.raises(Misconfigured, match="is missing"):
        list(read_topic(settings, "scores"))


def test_topics_are_made_once_and_with_their_settings(bus: Bus) -> None:
    make_topics(bus)
    admin = AdminClient(connection(bus.kafka))
    there = admin.list_topics(timeout=30).topics
    assert {len(there[topic(bus, name)].partitions) for name in NAMES} == {3}
    wanted = [ConfigResource(ConfigResource.Type.TOPIC, topic(bus, name)) for name in ("ticks", "progress")]
    ticks_config, progress_config = (each.result() for each in admin.describe_configs(wanted).values())
    assert ticks_config["retention.ms"].value == "604800000"
    assert ticks_config["max.message.bytes"].value == "10485760"
    assert progress_config["cleanup.policy"].value == "compact"


def test_a_topic_with_another_number_of_partitions_is_refused(kafka: str) -> None:
    settings = bus_settings(kafka, "bus.partitions=3")
    admin = AdminClient(connection(settings.kafka))
    [made] = admin.create_topics([NewTopic(topic(settings, "scores"), 2, 1)]).values()
    made.result()
    with pytest.raises(Misconfigured, match=r"scores\.v1 has 2 partitions, not 3; set bus.partitions = 2"):
        make_topics(settings)


def test_the_topic_must_keep_what_a_restart_reads_again(bus: Bus) -> None:
    check_retention(bus, 604_800_000)
    with pytest.raises(Misconfigured, match="keeps 604800000 ms; a restart may have to read the last 604800001 ms"):
        check_retention(bus, 604_800_001)
    alter(AdminClient(connection(bus.kafka)), topic(bus, "ticks"), "retention.ms", "-1")
    check_retention(bus, 2**50)


def alter(admin: AdminClient, name: str, key: str, value: str) -> None:
    entry = ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
    wanted = ConfigResource(ConfigResource.Type.TOPIC, name, incremental_configs=[entry])
    [altered] = admin.incremental_alter_configs([wanted]).values()
    altered.result()
    give_up = time.monotonic() + GIVE_UP_SECONDS
    while value_of(admin, name, key) != value:  # The broker takes it up a moment later.
        assert time.monotonic() < give_up


def value_of(admin: AdminClient, name: str, key: str) -> str:
    [described] = admin.describe_configs([ConfigResource(ConfigResource.Type.TOPIC, name)]).values()
    return str(described.result()[key].value)


def test_what_the_broker_refuses_is_not_lost_and_nothing_overtakes_it(bus: Bus, source: KafkaSource) -> None:
    admin = AdminClient(connection(bus.kafka))
    publisher = KafkaPublisher(bus, wait_ms=2_000)
    alter(admin, topic(bus, "ticks"), "max.message.bytes", "2000")
    publisher.publish(ticks(900))
    with pytest.raises(Misconfigured, match=r"bus\.kafka: .*Message size too large"):
        publisher.flush()
    with pytest.raises(Misconfigured, match=r"bus\.kafka: .*Message size too large"):
        publisher.publish(ticks(5, first_id=900))

    alter(admin, topic(bus, "ticks"), "max.message.bytes", "10485760")
    publisher.publish(ticks(5, first_id=900))
    publisher.close()

    source.seek({})
    home = partition_of("BTC-USDT", 3)
    assert rows_of(drained(source, 2, home))["trade_id"].to_list() == list(range(905))


def test_after_a_fatal_error_of_the_client_another_goes_on_where_it_was(bus: Bus, source: KafkaSource) -> None:
    publisher = KafkaPublisher(bus)
    [lost] = publisher._messages(ticks(5))  # noqa: SLF001 - as if the client had failed with it
    publisher._unsent_bytes += len(lost.value)  # noqa: SLF001
    publisher._settle(lost, KafkaError(KafkaError.INVALID_PRODUCER_EPOCH, "gone", fatal=True))  # noqa: SLF001
    publisher.publish(ticks(5, first_id=5))
    publisher.close()
    source.seek({})
    assert rows_of(drained(source, 2, partition_of("BTC-USDT", 3)))["trade_id"].to_list() == list(range(10))


def test_closing_tells_of_what_no_broker_took() -> None:
    publisher = KafkaPublisher(bus_settings("127.0.0.1:9"), wait_ms=100)
    publisher.publish(ticks(5))
    with pytest.raises(Unavailable, match=r"bytes wait for 127\.0\.0\.1:9"):
        publisher.close()


def test_a_full_queue_makes_the_publisher_wait_and_then_say_so() -> None:
    publisher = KafkaPublisher(bus_settings("127.0.0.1:9"), wait_ms=100)
    large = ticks(100_000)
    for _ in range(QUEUE_BYTES_MAX // large.nbytes - 1):
        publisher.publish(large)
    with pytest.raises(Unavailable):
        publish_without_end(publisher, large)
    with pytest.raises(Unavailable) as raised:
        publisher.close()
    assert QUEUE_BYTES_MAX // 2 < int(str(raised.value).split()[1]) <= QUEUE_BYTES_MAX  # So many bytes wait.


def publish_without_end(publisher: KafkaPublisher, rows: pa.RecordBatch) -> None:
    while True:
        publisher.publish(rows)


def test_nobody_there_is_unavailable() -> None:
    settings = bus_settings("127.0.0.1:9")
    with closing(KafkaSource(settings, clock=FakeClock())) as source, pytest.raises(Unavailable):
        source.seek({})
    with pytest.raises(Unavailable):
        make_topics(settings)


def test_a_broker_that_is_killed_loses_nothing(broker: Broker, publisher: KafkaPublisher, source: KafkaSource) -> None:
    home = partition_of("BTC-USDT", 3)
    publisher.publish(ticks(10))
    publisher.flush()
    source.seek({})
    assert rows_of(drained(source, 1, home)).height == 10

    broker.kill()
    try:
        publisher.publish(ticks(10, first_id=10))
        with pytest.raises(Unavailable):
            drain_for_a_while(source)
    finally:
        broker.start()
    publisher.publish(ticks(10, first_id=20))

    assert rows_again(source, 3, home)["trade_id"].to_list() == list(range(10, 30))


def drain_for_a_while(source: KafkaSource) -> None:
    give_up = time.monotonic() + GIVE_UP_SECONDS
    while time.monotonic() < give_up:
        source.drain(rows_max=1_000, wait_ms=200)


def rows_again(source: KafkaSource, offsets: int, partition: int) -> pl.DataFrame:
    """What comes once the broker is back; until then it is unavailable."""
    found: list[TickBatch] = []
    give_up = time.monotonic() + GIVE_UP_SECONDS
    while sum(batch.next_offsets.get(partition, 0) == offsets for batch in found) == 0:
        assert time.monotonic() < give_up
        try:
            found.append(source.drain(rows_max=1_000, wait_ms=500))
        except Unavailable:
            continue
    return rows_of(found)
