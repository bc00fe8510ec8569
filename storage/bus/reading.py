"""A topic of ours read from its first message to the end that it has now; only what is committed."""

import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import Any, Final, NamedTuple

import pyarrow as pa
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from engine import schema, settings
from engine.errors import Misconfigured, Unavailable
from storage import ipc
from storage.bus.client import ANSWER_SECONDS, END, UNKNOWN, consumer_config, problem
from storage.bus.topics import topic

SCHEMAS: Final = {"ticks": schema.TICK, "scores": schema.SCORE, "anomalies": schema.ANOMALY}

_LEADERLESS: Final = frozenset({KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE})
_NEWS_SECONDS: Final = 2.0  # So long it may take until every broker and client knows a new topic.


class Span(NamedTuple):
    """The offsets [first, end) that a partition holds."""

    first: int
    end: int


def read_topic(bus: settings.Bus, name: str) -> Iterator[tuple[int, int, pa.RecordBatch]]:
    """Partition, offset and rows of each message of `ticks`, `scores` or `anomalies`.

    Raises Rejected for a message that cannot be read, Unavailable and Misconfigured as a source does.
    """
    kafka, wanted = bus.kafka, SCHEMAS[name]
    for partition, offset, payload in read_messages(bus, name):
        rows = ipc.decode(payload, wanted, bytes_max=kafka.message_bytes_max, rows_max=kafka.message_rows_max)
        yield partition, offset, rows


def read_messages(bus: settings.Bus, name: str) -> Iterator[tuple[int, int, bytes | None]]:
    """Partition, offset and bytes of each message of any topic."""
    full_name = topic(bus, name)
    with closing(Consumer(consumer_config(bus.kafka))) as consumer:
        there = spans(consumer, full_name, range(bus.partitions))
        unread = {partition: span.end for partition, span in there.items() if span.first < span.end}
        consumer.assign([TopicPartition(full_name, partition, there[partition].first) for partition in unread])
        while unread:
            message: Any = consumer.poll(ANSWER_SECONDS)
            if message is None:
                spans(consumer, full_name, unread)  # Raises where nobody answers.
                continue
            error, partition, offset = message.error(), message.partition(), message.offset()
            if error is not None and error.code() != END:
                raise problem(KafkaException(error))
            if error is None and offset < unread.get(partition, 0):
                yield partition, offset, message.value()
            if offset + (error is None) >= unread.get(partition, 0):
                unread.pop(partition, None)


def spans(
    consumer: Consumer, full_name: str, partitions: Iterable[int], answer_seconds: float = ANSWER_SECONDS
) -> dict[int, Span]:
    """What each partition holds by now. Raises Unavailable, and Misconfigured where it is not there."""
    give_up = time.monotonic() + _NEWS_SECONDS
    while True:
        try:
            return {each: _span(consumer, TopicPartition(full_name, each), answer_seconds) for each in partitions}
        except KafkaException as error:
            if error.args[0].code() not in UNKNOWN | _LEADERLESS or time.monotonic() > give_up:
                raise _explained(consumer, full_name, error, answer_seconds) from error
        time.sleep(0.05)


def _explained(
    consumer: Consumer, full_name: str, error: KafkaException, answer_seconds: float
) -> Misconfigured | Unavailable:
    """The client calls a partition unknown also where it has lost the broker: ask for the topic itself."""
    if error.args[0].code() not in UNKNOWN:
        return problem(error)
    try:
        consumer.list_topics(full_name, answer_seconds)
    except KafkaException as silence:
        return problem(silence)
    return Misconfigured(
        f"bus: topic {full_name} is missing or has fewer partitions than bus.partitions says; "
        "TickStream makes it when a feed or an engine starts"
    )


def _span(consumer: Consumer, partition: TopicPartition, answer_seconds: float) -> Span:
    found = consumer.get_watermark_offsets(partition, answer_seconds)
    if found is None:
        raise Unavailable("kafka", f"no answer about {partition.topic}")
    return Span(*found)
