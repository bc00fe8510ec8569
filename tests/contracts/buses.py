"""Each bus as its contract test sees it: both ends, and a way to get everything out."""

import time
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import polars as pl

from engine import schema
from engine.batch import TickBatch
from engine.ports import Source
from engine.settings import Bus, load
from storage.bus import Publisher
from storage.bus.kafka_publisher import KafkaPublisher
from storage.bus.kafka_source import KafkaSource
from storage.bus.memory import MemoryBus
from storage.bus.topics import make_topics
from storage.capture import unscored
from storage.recording import Recording
from storage.sinks.parquet import Dataset
from tests.fakes import FakeClock

GIVE_UP_SECONDS = 60.0


class Log(Protocol):
    """A fresh log of one test."""

    @property
    def publisher(self) -> Publisher: ...

    @property
    def source(self) -> Source: ...

    def keep(self, batch: TickBatch) -> None:
        """What the sinks do with a batch, so that it can be read again."""
        ...

    def close(self) -> None: ...


class InMemory:
    """What is drained lies in a dataset, as `tickstream run` has it."""

    def __init__(self, settings: Bus, folder: Path) -> None:
        self.bus = MemoryBus(settings.partitions, settings.memory, clock=FakeClock(), history=Recording(folder))
        self.publisher: Publisher = self.bus
        self.source: Source = self.bus
        self._files = Dataset(folder, rows_max=1, flush_ms=0, compression="zstd")

    def keep(self, batch: TickBatch) -> None:
        self._files.write(unscored(batch))

    def close(self) -> None:
        self.bus.close()


class OnKafka:
    def __init__(self, settings: Bus) -> None:
        make_topics(settings)
        self.publisher = KafkaPublisher(settings)
        self.source = KafkaSource(settings, clock=FakeClock())

    def keep(self, batch: TickBatch) -> None:
        pass

    def close(self) -> None:
        self.publisher.close()
        self.source.close()


def bus_settings(bootstrap: str, *sets: str) -> Bus:
    """Settings with topics of the test's own."""
    given = (f"bus.kafka.bootstrap={bootstrap}", f"bus.prefix=t{uuid4().hex}", *sets)
    return load(None, given, {}).settings.bus


def drained(log: Log, rows: int, *, rows_max: int = 100_000) -> pl.DataFrame:
    """The next `rows` rows, as they come."""
    return pl.concat([batch.ticks for batch in batches(log, rows, rows_max=rows_max)] or [schema.empty(schema.LOG)])


def batches(log: Log, rows: int, *, rows_max: int = 100_000) -> list[TickBatch]:
    """The next batches that together hold `rows` rows."""
    found: list[TickBatch] = []
    give_up = time.monotonic() + GIVE_UP_SECONDS
    while sum(batch.ticks.height for batch in found) < rows:
        assert time.monotonic() < give_up, f"only {sum(batch.ticks.height for batch in found)} of {rows} rows came"
        batch = log.source.drain(rows_max=rows_max, wait_ms=1_000)
        log.keep(batch)
        found.append(batch)
    return found
