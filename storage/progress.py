"""The compacted topic `progress`: the newest cursor of each partition and the rules that rows were made by.

Keys are `partition:<number>` and `rules:<digest>`, values a cursor as JSON and the rule's own text. A cursor lies in
the partition of its number, rules in partition 0.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from engine.batch import Cursor
from engine.errors import Misconfigured
from storage.bus.client import ANSWER_SECONDS

_REACH: Final = 16  # Messages looked at from the end first; then ever more.


def records(cursors: Mapping[int, Cursor], rules: Mapping[str, str]) -> Iterator[tuple[int, bytes, bytes]]:
    """Partition, key and value of each message that keeps them."""
    for digest, settings in rules.items():
        yield 0, f"rules:{digest}".encode(), settings.encode()
    for partition, cursor in cursors.items():
        yield partition, f"partition:{partition}".encode(), msgspec.json.encode(cursor)


def read_cursors(consumer: Consumer, topic: str) -> dict[int, Cursor]:
    """The newest committed cursor of each partition that has one.

    The consumer reads committed messages and tells the end of a partition. Raises KafkaException where nobody answers,
    Misconfigured where the topic is missing or holds something else.
    """
    found = consumer.list_topics(topic, ANSWER_SECONDS).topics[topic]
    if found.error is not None:
        if found.error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            raise Misconfigured(f"bus: topic {topic} is missing; the engine makes it when it starts")
        raise KafkaException(found.error)
    read = {partition: _newest(consumer, topic, partition) for partition in sorted(found.partitions)}
    return {partition: _decoded(value, topic, partition) for partition, value in read.items() if value is not None}


def _newest(consumer: Consumer, topic: str, partition: int) -> bytes | None:
    """The last value under the partition's key: read from ever further before the end, for compaction comes late."""
    low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), ANSWER_SECONDS)
    reach = _REACH
    while True:
        start = max(low, high - reach)
        value = _last_from(consumer, TopicPartition(topic, partition, start)) if low < high else None
        if value is not None or start <= low:
            return value
        reach *= _REACH


def _last_from(consumer: Consumer, start: TopicPartition) -> bytes | None:
    key, value = f"partition:{start.partition}".encode(), None
    consumer.assign([start])
    try:
        while (message := _next(consumer)) is not None:
            if message.key() == key:
                value = message.value()
    finally:
        consumer.unassign()
    return value


def _next(consumer: Consumer) -> Any | None:
    """The next message; None at the end of the partition."""
    message = consumer.poll(ANSWER_SECONDS)
    if message is None:
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT))  # noqa: SLF001
    error = message.error()
    if error is None:
        return message
    if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001
        return None
    raise KafkaException(error)


def _decoded(value: bytes, topic: str, partition: int) -> Cursor:
    try:
        return msgspec.json.decode(value, type=Cursor)
    except msgspec.DecodeError as error:
        raise Misconfigured(f"bus: topic {topic} holds no cursor of ours in partition {partition}: {error}") from error
