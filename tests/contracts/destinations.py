"""Each sink's real destination, as its contract test sees it: a recipe, and a way to read back what lies there."""

import resource
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import msgspec
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from adbc_driver_postgresql import dbapi
from confluent_kafka import Consumer, TopicPartition

from engine import schema
from engine.batch import Findings
from engine.errors import Misconfigured, Superseded, TickStreamError, Unavailable
from engine.ports import Writing
from engine.settings import Bus, Data, load
from storage import dataset
from storage.bus.client import consumer_config
from storage.bus.topics import make_topics, topic
from storage.migrations import migrate
from storage.sinks.kafka import Kafka
from storage.sinks.parquet import Parquet
from storage.sinks.timescale import Timescale
from tests.services.broker import Broker
from tests.services.postgres import Postgres

FILE_BYTES_MAX = 64


class Destination(Protocol):
    """A fresh place for the rows of one test."""

    def recipe(self) -> Any:
        """The sink's own settings."""
        ...

    def fail(self) -> None:
        """Take the service away, or let the disk refuse."""
        ...

    def mend(self) -> None:
        """Bring it back."""
        ...

    def read(self, table: str) -> pa.Table:
        """What a reader finds: `scores` or `anomalies` (every state) with their columns, in no order."""
        ...

    def rules(self) -> dict[str, str]: ...

    def parked(self) -> list[tuple[int, int, str, bytes]]: ...

    @property
    def second_gets(self) -> type[TickStreamError]:
        """What one of two engines gets."""
        ...


class InPostgres:
    second_gets = Superseded

    def __init__(self, dsn: str, server: Postgres | None = None) -> None:
        self.dsn = dsn
        self._server = server
        migrate(dsn)

    def recipe(self) -> Timescale:
        return Timescale(dsn=self.dsn, dsn_file="", statement_timeout_ms=5_000, plaintext=False)

    def fail(self) -> None:
        self._need_server().kill()

    def mend(self) -> None:
        self._need_server().start()

    def _need_server(self) -> Postgres:
        if self._server is None:
            pytest.skip("the server of TICKSTREAM_TEST_TIMESCALE_DSN is not ours to kill")
        return self._server

    def read(self, table: str) -> pa.Table:
        columns = {"scores": schema.SCORE, "anomalies": schema.ANOMALY}[table]
        name = {"scores": "scores", "anomalies": "anomaly_states"}[table]
        listed = ", ".join(f'"{column}"' for column in columns.names)
        return self.ask(f"SELECT {listed} FROM tickstream.{name}").cast(columns)

    def rules(self) -> dict[str, str]:
        rows = self.ask("SELECT digest, settings FROM tickstream.rules").to_pylist()
        return {row["digest"]: row["settings"] for row in rows}

    def parked(self) -> list[tuple[int, int, str, bytes]]:
        rows = self.ask('SELECT "partition", "offset", reason, payload FROM tickstream.rejected').to_pylist()
        return sorted(tuple(row.values()) for row in rows)

    def ask(self, sql: str) -> pa.Table:
        with dbapi.connect(self.dsn) as connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetch_arrow_table()

    def run(self, sql: str) -> None:
        with dbapi.connect(self.dsn) as connection, connection.cursor() as cursor:
            cursor.execute(sql)
            connection.commit()


class InFolder:
    second_gets = Misconfigured

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def recipe(self) -> Parquet:
        return Parquet(data=Data(dir=str(self.folder)), rows_max=1, flush_ms=60_000, compression="zstd")

    def fail(self) -> None:
        """From here on no file may grow: what a full disk looks like to a process."""
        resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES_MAX, resource.RLIM_INFINITY))

    def mend(self) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    def read(self, table: str) -> pa.Table:
        columns = dataset.TABLES[table]
        return pa.concat_tables(
            [
                columns.empty_table(),
                *(pq.ParquetFile(path).read() for path in dataset.dataset_files(self.folder, table)),
            ]
        )

    def rules(self) -> dict[str, str]:
        return dataset.read_rules(self.folder)

    def parked(self) -> list[tuple[int, int, str, bytes]]:
        rows = self.read("rejected").to_pylist()
        return sorted(tuple(row.values()) for row in rows)


class InTopics:
    second_gets = Superseded

    def __init__(self, broker: Broker, prefix: str) -> None:
        bootstrap = broker.bootstrap
        self._broker = broker
        self.bus = msgspec.convert(
            {
                **load().tree["bus"],
                "prefix": prefix,
                "kafka": {**load().tree["bus"]["kafka"], "bootstrap": bootstrap, "group": prefix},
            },
            Bus,
        )
        make_topics(self.bus)

    def recipe(self) -> Kafka:
        return Kafka(bus=self.bus)

    def fail(self) -> None:
        self._broker.kill()

    def mend(self) -> None:
        self._broker.start()

    def read(self, table: str) -> pa.Table:
        columns = {"scores": schema.SCORE, "anomalies": schema.ANOMALY}[table]
        tables = [columns.empty_table()]
        for message in self.messages(table):
            rows = pa.ipc.open_stream(message.value()).read_all()
            assert rows.column("partition").unique().to_pylist() == [message.partition()]
            tables.append(rows)
        return pa.concat_tables(tables)

    def rules(self) -> dict[str, str]:
        records = {
            message.key().decode(): message.value().decode("utf-8", "replace") for message in self.messages("progress")
        }
        return {key.removeprefix("rules:"): value for key, value in records.items() if key.startswith("rules:")}

    def parked(self) -> list[tuple[int, int, str, bytes]]:
        found = [(message, dict(message.headers())) for message in self.messages("rejected")]
        return sorted(
            (message.partition(), int(headers["offset"]), headers["reason"].decode(), message.value())
            for message, headers in found
        )

    def messages(self, name: str) -> Iterator[Any]:
        """Every committed message of a topic."""
        consumer = Consumer(consumer_config(self.bus.kafka))
        try:
            for partition in range(self.bus.partitions):
                consumer.assign([TopicPartition(topic(self.bus, name), partition, 0)])
                while True:
                    message = consumer.poll(30)
                    assert message is not None
                    error = message.error()
                    if error is not None:
                        assert error.name() == "_PARTITION_EOF"
                        break
                    yield message
        finally:
            consumer.close()


def write_when_it_answers(sink: Writing, made: Findings) -> None:
    """As the engine's writer does; a service that was killed may need some tries."""
    for _ in range(30):
        try:
            return sink.write(made)
        except Unavailable:
            time.sleep(0.5)
    raise AssertionError("the service does not come back")


def same_bits(left: pa.Table | pl.DataFrame, right: pa.Table | pl.DataFrame) -> bool:
    """Whether the same rows stand in both, in any order, floats by their bits."""
    return _bits(left) == _bits(right)


def _bits(rows: pa.Table | pl.DataFrame) -> list[tuple[object, ...]]:
    frame = rows if isinstance(rows, pl.DataFrame) else schema.frame(rows)
    bits = frame.with_columns(
        pl.col(pl.Float64).reinterpret(dtype=pl.Int64), pl.col(pl.Datetime).dt.timestamp("us")
    ).rows()
    return sorted(bits, key=repr)
