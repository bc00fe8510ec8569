"""The log of ticks, both ends: feeds publish record batches, the engine drains micro-batches.

- partitioning.py: which partition a symbol belongs to, and a record batch cut accordingly
- messages.py: messages of several partitions as one micro-batch
- memory.py: the log of a single process, bounded; what has been drained is read back from the dataset
- kafka_publisher.py, kafka_source.py: the two ends of the log on Kafka, `<prefix>.ticks.v1`
- topics.py: the topics, made and checked
- reading.py: any of them read to its end
- client.py: the Kafka client's settings, as measured

tests/contracts/test_bus.py holds memory and Kafka to the same contract.
"""

from typing import Protocol

import pyarrow as pa

from engine.ports import Source


class Publisher(Protocol):
    """The feeds' end. May be called from several threads."""

    def publish(self, rows: pa.RecordBatch) -> None:
        """Append rows of `schema.TICK`, all or none; waits while the log is full.

        Raises Unavailable where the log does not take them: the same rows may be published again.
        """
        ...


class TickBus(Publisher, Source, Protocol):
    """Both ends in one object."""
