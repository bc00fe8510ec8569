"""The topics `scores`, `anomalies` and `rejected`: rows, cursors and the group's offsets in one transaction.

What an input partition gave goes to the output partition of the same number; cursors and rules lie in `progress`.
The transactional id is fixed, so that a second engine fences the first; and so does the broker itself where a
transaction outlives TRANSACTION_SECONDS.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final, NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from msgspec import Struct

from engine import schema
from engine.batch import Cursor, Findings
from engine.errors import Superseded
from engine.ports import Sink, Writing
from engine.settings import Bus
from storage import ipc, progress
from storage.bus import client
from storage.bus.topics import topic
from storage.exactly_once import ExactlyOnce

TRANSACTION_SECONDS: Final = 10
HEADER_BYTES: Final = 4_096
"""Room in a message for its headers and key."""

_RESULTS: Final = (
    ("scores", "score.v1", schema.SCORE, "ts_event"),
    ("anomalies", "anomaly.v1", schema.ANOMALY, "ts_onset"),
)
_FENCED: Final = frozenset({KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH})  # noqa: SLF001


class Kafka(Struct, frozen=True, forbid_unknown_fields=True):
    """The brokers and topics of `[bus]`."""

    bus: Bus

    @contextmanager
    def open(self) -> Iterator[Writing]:
        """Fence every earlier engine, then read the cursors. Raises Unavailable or Misconfigured."""
        sink = ExactlyOnce(lambda: _Session(self.bus))
        try:
            yield sink
        finally:
            sink.close()


class _Message(NamedTuple):
    """The arguments of Producer.produce."""

    topic: str
    value: bytes
    partition: int
    key: bytes | None = None
    headers: list[tuple[str, bytes]] | None = None


class _Session:
    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._rules: set[str] = set()
        self._consumer = Consumer(client.consumer_config(bus.kafka))
        self._producer = Producer(
            client.producer_config(bus.kafka)
            | {
                "transactional.id": f"{bus.prefix}-{bus.kafka.group}",
                "transaction.timeout.ms": TRANSACTION_SECONDS * 1_000,
            }
        )
        try:
            self._producer.init_transactions(client.ANSWER_SECONDS)
        except KafkaException as error:
            self.close()
            raise client.problem(error) from error

    def cursors(self) -> Mapping[int, Cursor]:
        try:
            return progress.read_cursors(self._consumer, self._bus)
        except KafkaException as error:
            raise client.problem(error) from error

    def commit(self, findings: Findings, own: Mapping[int, Cursor]) -> None:
        begun = time.monotonic()
        try:
            self._producer.begin_transaction()
            for message in self._messages(findings, own):
                self._producer.produce(**message._asdict())
            self._commit(findings.cursors)
        except KafkaException as error:
            took_seconds = time.monotonic() - begun
            if error.args[0].code() in _FENCED and took_seconds < TRANSACTION_SECONDS:
                raise Superseded(f"kafka: another engine writes to {topic(self._bus, 'scores')}") from error
            raise client.problem(error) from error
        self._rules |= findings.rules.keys()

    def close(self) -> None:
        # Producer.close would abort an open transaction, and wait for that as long as the broker is frozen. Letting go
        # of the producer ends it at once; the next one of this name aborts what it left open.
        self._producer.purge()
        del self._producer
        self._consumer.close()

    def _commit(self, cursors: Mapping[int, Cursor]) -> None:
        ticks = topic(self._bus, "ticks")
        offsets = [TopicPartition(ticks, partition, cursor.next_offset) for partition, cursor in cursors.items()]
        group = self._consumer.consumer_group_metadata()
        self._producer.send_offsets_to_transaction(offsets, group, client.ANSWER_SECONDS)
        self._producer.commit_transaction(client.ANSWER_SECONDS)

    def _messages(self, findings: Findings, own: Mapping[int, Cursor]) -> Iterator[_Message]:
        limit = self._bus.kafka.message_bytes_max - HEADER_BYTES
        for table, name, columns, time_column in _RESULTS:
            frame = getattr(findings, table)
            for (partition,), rows in frame.partition_by("partition", as_dict=True, maintain_order=True).items():
                span = _span(partition, own, findings.cursors)
                batch = ipc.batch_of(rows, columns)
                pieces = ipc.pieces(batch, bytes_max=limit, rows_max=self._bus.kafka.message_rows_max)
                for number, (piece, value) in enumerate(pieces):
                    headers = [*ipc.headers(piece, name, time_column), ("id", f"{span}/{number}".encode())]
                    yield _Message(topic(self._bus, table), value, partition, headers=headers)
        for one in findings.parked:
            headers = [("offset", str(one.offset).encode()), ("reason", one.reason.encode())]
            yield _Message(topic(self._bus, "rejected"), one.payload[:limit], one.partition, headers=headers)
        new = {digest: settings for digest, settings in findings.rules.items() if digest not in self._rules}
        for partition, key, value in progress.records(findings.cursors, new):
            yield _Message(topic(self._bus, "progress"), value, partition, key)


def _span(partition: int, own: Mapping[int, Cursor], new: Mapping[int, Cursor]) -> str:
    """What the messages of a transaction are called: the input messages that they come from."""
    first = own[partition].next_offset if partition in own else 0
    return f"{partition}:{first}-{new[partition].next_offset}"


part: type[Sink] = Kafka
