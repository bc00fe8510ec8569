"""Each sink's real destination, as its contract test sees it: a recipe, and a way to read back what lies there."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from adbc_driver_postgresql import dbapi

from engine import schema
from engine.errors import Misconfigured, Superseded, TickStreamError
from engine.ports import Writing
from engine.settings import Data
from storage import dataset
from storage.migrations import migrate
from storage.sinks.parquet import Parquet
from storage.sinks.timescale import Timescale


class Destination(Protocol):
    """A fresh place for the rows of one test."""

    def open(self) -> AbstractContextManager[Writing]:
        """Another engine at the same place."""
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

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        migrate(dsn)

    def recipe(self) -> Timescale:
        return Timescale(dsn=self.dsn, dsn_file="", statement_timeout_ms=5_000, plaintext=False)

    def open(self) -> AbstractContextManager[Writing]:
        return self.recipe().open()

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

    def open(self) -> AbstractContextManager[Writing]:
        return Parquet(data=Data(dir=str(self.folder)), rows_max=1, flush_ms=60_000, compression="zstd").open()

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


def same_bits(left: pa.Table | pl.DataFrame, right: pa.Table | pl.DataFrame) -> bool:
    """Whether the same rows stand in both, in any order, floats by their bits."""
    return _bits(left) == _bits(right)


def _bits(rows: pa.Table | pl.DataFrame) -> list[tuple[object, ...]]:
    frame = rows if isinstance(rows, pl.DataFrame) else schema.frame(rows)
    bits = frame.with_columns(
        pl.col(pl.Float64).reinterpret(dtype=pl.Int64), pl.col(pl.Datetime).dt.timestamp("us")
    ).rows()
    return sorted(bits, key=repr)
