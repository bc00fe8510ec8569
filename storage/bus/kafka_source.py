"""The engine's end of the log on Kafka: `<prefix>.ticks.v1`, from offsets that the sinks keep."""

import time
from collections import deque
from collections.abc import Mapping
from typing import Any, Final

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Consumer, KafkaError, KafkaException, TopicPartition

from engine import schema, settings
from engine.batch import Parked, TickBatch
from engine.errors import Misconfigured, Rejected, Unavailable
from engine.ports import Clock
from storage import ipc
from storage.bus.client import END, OUT_OF_RANGE, consumer_config, problem
from storage.bus.messages import Message, log_of
from storage.bus.reading import Span, spans
from storage.bus.topics import topic

BATCH_BYTES_MAX: Final = 67_108_864
"""Bytes of messages after which a batch ends, however few rows are in them."""

_CHUNK_MESSAGES: Final = 200
_CHECK_SECONDS: Final = 1.0  # The loop should turn while a broker is away.
_APPENDED_MS_MAX: Final = 253_402_300_799_000  # The year 9999.


class KafkaSource:
    """The engine's end: all partitions, by offsets that the sinks keep."""

    def __init__(self, bus: settings.Bus, *, clock: Clock) -> None:
        self._bus, self._topic, self._clock = bus, topic(bus, "ticks"), clock
        self._consumer = Consumer(consumer_config(bus.kafka) | {"error_cb": self._note})
        self._next: dict[int, int] = {}
        self._held: deque[Any] = deque()
        self._trouble: KafkaError | None = None

    def partitions(self) -> tuple[int, ...]:
        """All of them; sharing them among engines is not this source's matter."""
        return tuple(range(self._bus.partitions))

    def seek(self, offsets: Mapping[int, int]) -> None:
        """Go on from these offsets; a partition not named starts at its first message."""
        there = self._spans()
        starts = {partition: offsets.get(partition, span.first) for partition, span in there.items()}
        gone = [
            self._gone(partition, starts[partition], span)
            for partition, span in there.items()
            if not span.first <= starts[partition] <= span.end
        ]
        if gone:
            raise Misconfigured(*gone)
        self._held.clear()
        self._next = starts
        self._consumer.assign([TopicPartition(self._topic, *start) for start in starts.items()])

    def ends(self) -> Mapping[int, int]:
        """For each partition the offset after its last committed message."""
        return {partition: span.end for partition, span in self._spans().items()}

    def lag_messages(self) -> Mapping[int, int]:
        """As of the last answer to a fetch."""
        return {partition: max(self._end_known(partition) - at, 0) for partition, at in self._next.items()}

    def _end_known(self, partition: int) -> int:
        found = self._consumer.get_watermark_offsets(TopicPartition(self._topic, partition), cached=True)
        return int(found[1]) if found else 0

    def drain(self, *, rows_max: int, wait_ms: int) -> TickBatch:
        """One message by waiting, then what else is there; one that cannot be read is parked.

        Raises Unavailable where nothing comes because no broker answers, Misconfigured where an offset is gone.
        """
        taken = _Taken(dict(self._next))
        give_up = time.monotonic() + wait_ms / 1_000
        while taken.rows < rows_max and taken.bytes < BATCH_BYTES_MAX:
            event = self._event(0.0 if taken.messages or taken.parked else max(give_up - time.monotonic(), 0.0))
            if event is None:
                break
            if not self._take(event, taken):
                self._held.appendleft(event)  # What came before it is not lost by the error that it becomes.
                break
        moved = {partition: at for partition, at in taken.next_offsets.items() if at != self._next[partition]}
        if not moved:
            self._check()
        self._next |= moved
        return TickBatch(log_of(taken.messages, self._clock.now_us()), moved, tuple(taken.parked))

    def _event(self, wait_seconds: float) -> Any | None:
        """The client's next message or news. A chunk is asked for at once, for each call costs as much as a message."""
        if not self._held and wait_seconds:
            return self._consumer.poll(wait_seconds)
        if not self._held:
            self._held.extend(self._consumer.consume(_CHUNK_MESSAGES, 0))
        return self._held.popleft() if self._held else None

    def _take(self, event: Any, taken: "_Taken") -> bool:
        """Add an event to what is taken; false for an error that must wait until what came before it is out."""
        error, partition, offset = event.error(), event.partition(), event.offset()
        if error is None:
            taken.next_offsets[partition] = offset + 1
            self._decode(event, taken)
        elif error.code() == END:
            taken.next_offsets[partition] = max(offset, taken.next_offsets[partition])
        elif taken.next_offsets != self._next:
            return False
        elif error.code() == OUT_OF_RANGE:
            raise Misconfigured(self._gone(partition, offset, self._spans()[partition]))
        else:
            raise problem(KafkaException(error))
        return True

    def _decode(self, event: Any, taken: "_Taken") -> None:
        kafka, payload = self._bus.kafka, event.value() or b""
        taken.bytes += len(payload)
        try:
            rows = ipc.decode(payload, schema.TICK, bytes_max=kafka.message_bytes_max, rows_max=kafka.message_rows_max)
        except Rejected as error:
            taken.parked.append(Parked(event.partition(), event.offset(), error.reason, payload))
            taken.rows += 1
        else:
            taken.messages.append(Message(event.partition(), event.offset(), _appended_us(event), rows))
            taken.rows += max(rows.num_rows, 1)

    def _note(self, error: KafkaError) -> None:
        if self._trouble is None or error.code() != KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001 - which tells least
            self._trouble = error

    def _check(self) -> None:
        """Where nothing came after a sign of trouble: ask, and raise what is the matter."""
        if self._trouble is not None:
            spans(self._consumer, self._topic, self.partitions(), _CHECK_SECONDS)
            self._trouble = None

    def _spans(self) -> dict[int, Span]:
        """What the topic holds. Where nobody answers, what the client told about why: a wrong password, say."""
        try:
            return spans(self._consumer, self._topic, self.partitions())
        except Unavailable as error:
            self._held.extend(self._consumer.consume(_CHUNK_MESSAGES, 0))  # Lets the client call _note.
            if self._trouble is None:
                raise
            raise problem(KafkaException(self._trouble)) from error

    def _gone(self, partition: int, offset: int, span: Span) -> str:
        return (
            f"bus: {self._topic} no longer holds offset {offset} of partition {partition}, where a sink goes on; "
            f"it holds {span.first} to {span.end}. Restore the topic, or give up what is missing: begin with new "
            f"cursors (another bus.kafka.group and new sinks), from {span.first} on"
        )

    def close(self) -> None:
        """Let go of the client."""
        self._consumer.close()


class _Taken:
    """What a drain has so far; a message without rows counts as one."""

    def __init__(self, next_offsets: dict[int, int]) -> None:
        self.next_offsets = next_offsets
        self.messages: list[Message] = []
        self.parked: list[Parked] = []
        self.rows = self.bytes = 0


def _appended_us(event: Any) -> int | None:
    """When the message was appended; a producer may have claimed any time at all."""
    kind, appended_ms = event.timestamp()
    known = kind != TIMESTAMP_NOT_AVAILABLE and 0 <= appended_ms <= _APPENDED_MS_MAX
    return appended_ms * 1_000 if known else None
