"""The feeds' end of the log on Kafka: `<prefix>.ticks.v1`."""

import threading
import time
from collections.abc import Callable
from typing import Final, NamedTuple

import pyarrow as pa
from confluent_kafka import KafkaError, KafkaException, Producer

from engine import settings
from engine.errors import Unavailable
from storage import ipc
from storage.bus.client import problem, producer_config
from storage.bus.partitioning import split
from storage.bus.topics import topic

QUEUE_BYTES_MAX: Final = 67_108_864
"""Bytes that wait for the broker in a publisher's memory."""

_HEADER_BYTES: Final = 4_096  # Room in a message for its headers.


class _Outgoing(NamedTuple):
    partition: int
    value: bytes
    headers: list[tuple[str, str | bytes | None]]


class KafkaPublisher:
    """The feeds' end. Messages wait in a bounded queue until all replicas have them, however long a broker is away.

    What a broker refuses stays here and is sent again before anything that follows it. After an error that the client
    calls fatal this is done by a client of its own: what the broker had taken without an answer comes twice.
    """

    def __init__(self, bus: settings.Bus, *, wait_ms: int = 10_000) -> None:
        self._bus, self._topic = bus, topic(bus, "ticks")
        self._wait_seconds = wait_ms / 1_000
        self._lock = threading.Lock()
        self._unsent_bytes = 0
        self._refused: list[_Outgoing] = []
        self._refusal: KafkaError | None = None
        self._producer = self._connected()

    def _connected(self) -> Producer:
        return Producer(
            producer_config(self._bus.kafka)
            | {
                "message.timeout.ms": 0,  # A message waits for its broker: giving it up would leave a hole in the log.
                "queue.buffering.max.kbytes": 2 * QUEUE_BYTES_MAX // 1_024,
                "queue.buffering.max.messages": 0,
            }
        )

    def publish(self, rows: pa.RecordBatch) -> None:
        """Hand over a message for each partition, all or none; waits while the queue is full.

        Raises Unavailable where the broker takes nothing: the same rows may be published again; Misconfigured where it
        never will.
        """
        outgoing = self._messages(rows)
        size = sum(len(each.value) for each in outgoing)
        with self._lock:
            self._send_refused()
            self._wait_until(lambda: self._unsent_bytes == 0 or self._unsent_bytes + size <= QUEUE_BYTES_MAX)
            for each in outgoing:
                self._produce(each)
            self._producer.poll(0)

    def flush(self) -> None:
        """Wait until the broker has everything. Raises Unavailable where it does not take it."""
        with self._lock:
            self._send_refused()
            self._wait_until(lambda: self._unsent_bytes == 0)
            self._send_refused()

    def close(self) -> None:
        """Flush, then let go of the client, whatever is left."""
        try:
            self.flush()
        finally:
            self._let_go()

    def _messages(self, rows: pa.RecordBatch) -> list[_Outgoing]:
        bytes_max = self._bus.kafka.message_bytes_max - _HEADER_BYTES
        return [
            _Outgoing(partition, value, [*ipc.headers(piece, "tick.v1")])
            for partition, part in split(rows, self._bus.partitions)
            for piece, value in ipc.pieces(part, bytes_max=bytes_max, rows_max=self._bus.kafka.message_rows_max)
        ]

    def _produce(self, each: _Outgoing) -> None:
        self._unsent_bytes += len(each.value)
        try:
            self._producer.produce(
                self._topic,
                each.value,
                partition=each.partition,
                headers=each.headers,
                on_delivery=lambda error, _: self._settle(each, error),
            )
        except KafkaException as error:
            self._settle(each, error.args[0])

    def _settle(self, each: _Outgoing, error: KafkaError | None) -> None:
        self._unsent_bytes -= len(each.value)
        if error is not None:
            self._refused.append(each)
            self._refusal = error

    def _send_refused(self) -> None:
        """Try again what was refused, and let nothing follow before it is taken."""
        if self._refusal is not None and self._refusal.fatal():
            self._let_go()
            self._producer = self._connected()
        again, self._refused, self._refusal = self._refused, [], None
        for each in again:
            self._produce(each)
        if again:
            self._wait_until(lambda: self._unsent_bytes == 0)
        if self._refusal is not None:
            raise problem(KafkaException(self._refusal))

    def _let_go(self) -> None:
        """End the client; what it had not sent counts as refused."""
        self._producer.purge()
        self._producer.close()

    def _wait_until(self, done: Callable[[], bool]) -> None:
        give_up = time.monotonic() + self._wait_seconds
        while not done():
            if time.monotonic() > give_up:
                raise Unavailable("kafka", f"{self._unsent_bytes} bytes wait for {self._bus.kafka.bootstrap}")
            self._producer.poll(0.01)
