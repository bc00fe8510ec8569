"""The compacted topic `progress`: the newest cursor of each partition and the rules that rows were made by.

Keys are `partition:<number>` and `rules:<digest>`, values a cursor as JSON and the rule's own text. A cursor lies in
the partition of its number, rules in partition 0.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any, Final

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from engine.batch import Cursor
from engine.errors import Misconfigured, Unavailable
from engine.settings import Bus
from storage.bus.client import ANSWER_SECONDS, END, consumer_config
from storage.bus.reading import Span, spans
from storage.bus.topics import topic

_LOOK_SECONDS: Final = 0.05
_REACH: Final = 16  # Messages looked at from the end first; then ever more.


def records(cursors: Mapping[int, Cursor], rules: Mapping[str, str]) -> Iterator[tuple[int, bytes, bytes]]:
    """Partition, key and value of each message that keeps them."""
    for digest, settings in rules.items():
        yield 0, f"rules:{digest}".encode(), settings.encode()
    for partition, cursor in cursors.items():
        yield partition, f"partition:{partition}".encode(), msgspec.json.encode(cursor)


def read(bus: Bus) -> tuple[dict[int, Cursor], dict[str, str]]:
    """The cursors and the rules in the topic, over a connection of its own. Raises as `read_cursors` does."""
    with closing(Consumer(consumer_config(bus.kafka))) as consumer:
        return read_cursors(consumer, bus), read_rules(consumer, bus)


def read_cursors(consumer: Consumer, bus: Bus) -> dict[int, Cursor]:
    """The newest committed cursor of each partition that has one.

    The consumer has the settings of `client.consumer_config`. Raises Unavailable, and Misconfigured where the topic is
    missing or holds something else; KafkaException where a broker stops answering in the middle.
    """
    name = topic(bus, "progress")
    there = _settled(consumer, name, bus)
    values = {partition: _newest(consumer, name, partition, span) for partition, span in there.items()}
    return {partition: _decoded(value, name, partition) for partition, value in values.items() if value is not None}


def _settled(consumer: Consumer, name: str, bus: Bus) -> dict[int, Span]:
    """What is committed, once every transaction has ended that has written by now: seen a moment after its commit."""
    with closing(Consumer(consumer_config(bus.kafka) | {"isolation.level": "read_uncommitted"})) as unsettled:
        written = spans(unsettled, name, range(bus.partitions))
    give_up = time.monotonic() + ANSWER_SECONDS
    while True:
        there = spans(consumer, name, range(bus.partitions))
        if all(there[partition].end >= span.end for partition, span in written.items()):
            return there
        if time.monotonic() > give_up:
            raise Unavailable("kafka", f"a transaction on {name} does not end")
        time.sleep(_LOOK_SECONDS)


def read_rules(consumer: Consumer, bus: Bus) -> dict[str, str]:
    """Digest to settings of every rule that rows were made by. Raises as `read_cursors` does."""
    name, rules = topic(bus, "progress"), {}
    consumer.assign([TopicPartition(name, 0, spans(consumer, name, [0])[0].first)])
    while (message := _next(consumer)) is not None:
        kind, _, digest = (message.key() or b"").decode("utf-8", "replace").partition(":")
        if kind == "rules":
            rules[digest] = (message.value() or b"").decode("utf-8", "replace")
    return rules


def _newest(consumer: Consumer, name: str, partition: int, span: Span) -> bytes | None:
    """The last value under the partition's key: read from ever further before the end, for compaction comes late."""
    reach, start = _REACH, span.end
    value = None
    while value is None and start > span.first:
        start = max(span.first, span.end - reach)
        value = _last_from(consumer, TopicPartition(name, partition, start))
        reach *= _REACH
    return value


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
    if error.code() == END:
        return None
    raise KafkaException(error)


def _decoded(value: bytes, name: str, partition: int) -> Cursor:
    try:
        return msgspec.json.decode(value, type=Cursor)
    except msgspec.DecodeError as error:
        raise Misconfigured(f"bus: topic {name} holds no cursor of ours in partition {partition}: {error}") from error
