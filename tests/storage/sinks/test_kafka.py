"""Kafka as a destination: messages that any reader opens, transactions that end badly, cursors far from the end."""

from contextlib import closing
from itertools import count

import msgspec
import pyarrow as pa
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from msgspec.structs import replace

from engine.batch import Cursor
from engine.errors import Misconfigured, Superseded, Unavailable
from engine.settings import Bus, load
from storage.bus.client import consumer_config
from storage.bus.topics import topic
from storage.recipes import sinks
from storage.sinks import kafka as kafka_sink
from storage.sinks.kafka import Kafka
from tests.contracts.destinations import InTopics, same_bits, write_when_it_answers
from tests.services.broker import Broker
from tests.storage.sinks.made import findings, parked

NUMBERS = count()


@pytest.fixture
def there(broker: Broker) -> InTopics:
    return InTopics(broker, f"kafka-{next(NUMBERS)}")


def test_the_settings_name_it(there: InTopics) -> None:
    settings = load(
        sets=[f"bus.kafka.bootstrap={there.bus.kafka.bootstrap}", f"bus.prefix={there.bus.prefix}"], environ={}
    ).settings
    with sinks(("kafka",), settings)["kafka"].open() as sink:
        assert sink.cursors() == {}


def test_a_message_tells_what_it_holds_and_where_it_comes_from(there: InTopics) -> None:
    made = findings({1: (0, 6)})
    with there.recipe().open() as sink:
        sink.write(findings({1: (0, 3)}))
        sink.write(findings({1: (0, 6)}))
    first, second = there.messages("scores")
    headers = dict(second.headers())
    rows = made.scores.filter(made.scores["offset"] >= 3)
    times = rows["ts_event"].dt.timestamp("us")
    assert headers == {
        "content-type": b"application/vnd.apache.arrow.stream",
        "schema": b"score.v1",
        "rows": b"6",
        "min-ts": str(times.min()).encode(),
        "max-ts": str(times.max()).encode(),
        "id": b"1:3-6/0",
    }
    assert dict(first.headers())["id"] == b"1:0-3/0"
    assert (second.partition(), second.key()) == (1, None)
    assert same_bits(pa.ipc.open_stream(second.value()).read_all(), rows)
    [message, *_] = there.messages("anomalies")
    assert dict(message.headers())["schema"] == b"anomaly.v1"


def test_rows_are_cut_into_messages_that_a_broker_takes(there: InTopics) -> None:
    small = replace(there.bus, kafka=replace(there.bus.kafka, message_bytes_max=16_384))
    made = replace(findings({0: (0, 400)}), parked=(replace(parked(0, 1), payload=b"x" * 100_000),))
    with Kafka(bus=small).open() as sink:
        sink.write(made)
    messages = list(there.messages("scores"))
    assert len(messages) > 4
    assert max(len(message.value()) for message in messages) <= 16_384
    assert [dict(message.headers())["id"] for message in messages] == [
        f"0:0-400/{number}".encode() for number in range(len(messages))
    ]
    assert same_bits(there.read("scores"), made.scores)
    assert [len(payload) for *_, payload in there.parked()] == [16_384 - kafka_sink.HEADER_BYTES]


def test_the_offsets_of_the_group_move_in_the_same_transaction(there: InTopics) -> None:
    with there.recipe().open() as sink:
        sink.write(findings({0: (0, 7), 2: (3, 5)}))
    ticks = [TopicPartition(topic(there.bus, "ticks"), partition) for partition in range(3)]
    with closing(Consumer(consumer_config(there.bus.kafka))) as consumer:
        committed = [each.offset for each in consumer.committed(ticks, 30)]
    assert (committed[0], committed[2]) == (7, 5)
    assert committed[1] < 0


def test_a_cursor_far_from_the_end_is_found_behind_an_aborted_transaction(there: InTopics) -> None:
    with there.recipe().open() as sink:
        sink.write(findings({0: (0, 3), 1: (0, 4)}))
    name = topic(there.bus, "progress")
    with closing(
        Producer({"bootstrap.servers": there.bus.kafka.bootstrap, "transactional.id": there.bus.prefix})
    ) as producer:
        producer.init_transactions(30)
        producer.begin_transaction()
        for number in range(400):
            producer.produce(name, b"{}", f"rules:{number}".encode(), 0)
        producer.commit_transaction(30)
        producer.begin_transaction()
        for _ in range(20):
            producer.produce(name, msgspec.json.encode(Cursor(99)), b"partition:0", 0)
        producer.flush(30)
        producer.abort_transaction(30)
    with there.recipe().open() as sink:
        assert {partition: cursor.next_offset for partition, cursor in sink.cursors().items()} == {0: 3, 1: 4}


def test_a_progress_topic_that_holds_something_else_is_refused(there: InTopics) -> None:
    with closing(Producer({"bootstrap.servers": there.bus.kafka.bootstrap})) as producer:
        producer.produce(topic(there.bus, "progress"), b"\xff no cursor", b"partition:2", 2)
        producer.flush(30)
    with pytest.raises(Misconfigured, match="holds no cursor of ours in partition 2"), there.recipe().open():
        pass


def test_topics_that_are_missing_are_told(there: InTopics) -> None:
    bus = replace(there.bus, prefix=f"{there.bus.prefix}-other")
    with pytest.raises(Misconfigured, match=r"other\.progress\.v1 is missing"), Kafka(bus=bus).open():
        pass


def test_a_broker_that_is_not_there_is_unavailable() -> None:
    tree = load(sets=["bus.kafka.bootstrap=127.0.0.1:1"], environ={}).tree
    with pytest.raises(Unavailable, match="kafka"), Kafka(bus=msgspec.convert(tree["bus"], Bus)).open():
        pass


def test_an_engine_that_was_fenced_stops_and_the_other_goes_on(there: InTopics) -> None:
    with there.recipe().open() as first:
        first.write(findings({0: (0, 3)}))
        with there.recipe().open() as second:
            with pytest.raises(Superseded):
                first.write(findings({0: (3, 5)}))
            second.write(findings({0: (3, 7)}))
    assert same_bits(there.read("scores"), findings({0: (0, 7)}).scores)


def test_a_transaction_that_the_broker_has_timed_out_is_done_again_by_a_new_producer(
    broker: Broker, there: InTopics
) -> None:
    with there.recipe().open() as sink:
        sink.write(findings({0: (0, 3)}))
        broker.freeze()
        try:
            with pytest.raises(Unavailable):
                sink.write(findings({0: (3, 7)}))
        finally:
            broker.thaw()
        write_when_it_answers(sink, findings({0: (3, 7)}))
    assert same_bits(there.read("scores"), findings({0: (0, 7)}).scores)
