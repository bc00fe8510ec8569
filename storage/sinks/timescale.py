"""PostgreSQL or TimescaleDB: rows by COPY of Arrow, and the cursor moved in the same transaction.

COPY checks widths and not types (an int64 goes into a timestamptz and comes out as the year 2055), so the tables are
compared with engine/schema.py at every connect.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import polars as pl
import pyarrow as pa
from adbc_driver_postgresql import dbapi
from msgspec import Struct

from engine import schema
from engine.batch import Cursor, Findings, Parked
from engine.errors import Misconfigured, Superseded, Unavailable
from engine.ports import Sink, Writing
from engine.settings import Milliseconds
from storage import ipc, postgres
from storage.exactly_once import ExactlyOnce
from storage.rejected import REJECTED, rows_of

BATCH_ROWS: Final = 10_000
"""Rows handed to COPY at once: flat memory, and the GIL is held for short."""

FIRST_US: Final = -210_866_803_200_000_000
"""PostgreSQL's earliest time, 24 November 4714 BC."""

SYMBOL_BYTES_MAX: Final = 2_000
"""What surely fits into an entry of an index."""

FORBIDDEN: Final = "42501"
"""The SQLSTATE of a right that is missing; somebody may grant it again."""

PROGRESS: Final = pa.schema(
    [
        pa.field("partition", pa.int32(), nullable=False),
        pa.field("next_offset", pa.int64(), nullable=False),
        pa.field("state", pa.binary(), nullable=False),
    ]
)
RULES: Final = pa.schema([pa.field(name, pa.string(), nullable=False) for name in ("digest", "settings")])
TABLES: Final = {
    "scores": schema.SCORE,
    "anomaly_states": schema.ANOMALY,
    "progress": PROGRESS,
    "rules": RULES,
    "rejected": REJECTED,
}


class Timescale(Struct, frozen=True, forbid_unknown_fields=True):
    """The database of `dsn`, with the schema that `tickstream migrate` makes."""

    dsn: str
    dsn_file: str
    statement_timeout_ms: Milliseconds
    plaintext: bool

    @contextmanager
    def open(self) -> Iterator[Writing]:
        """Connect and compare the tables with our columns. Raises Unavailable or Misconfigured."""
        dsn = postgres.address(self.dsn, self.dsn_file, plaintext=self.plaintext, path="sinks.timescale")
        sink = ExactlyOnce(lambda: _Session(dsn, self.statement_timeout_ms))
        try:
            yield sink
        finally:
            sink.close()


class _Session:
    def __init__(self, dsn: str, statement_timeout_ms: int) -> None:
        self._at = postgres.shown(dsn)
        self._rules: set[str] = set()
        self._connection = postgres.connect(dsn, statement_timeout_ms=statement_timeout_ms)
        try:
            with self._told():
                _check_tables(self._connection)
        except BaseException:
            self.close()
            raise

    def cursors(self) -> Mapping[int, Cursor]:
        select = 'SELECT "partition", next_offset, state FROM tickstream.progress'
        with self._told():
            found = postgres.rows(self._connection, select)
            self._connection.commit()
        return {partition: Cursor(next_offset, state) for partition, next_offset, state in found}

    def commit(self, findings: Findings, own: Mapping[int, Cursor]) -> None:
        with self._told():
            # In the order of partitions, so that two engines cannot wait for each other.
            for partition, cursor in sorted(findings.cursors.items()):
                self._move(partition, own.get(partition), cursor)
            scores, odd_scores = _split(findings.scores, schema.SCORE)
            anomalies, odd_anomalies = _split(findings.anomalies, schema.ANOMALY)
            self._copy("scores", scores)
            self._copy("anomaly_states", anomalies)
            self._copy("rejected", _without_nul(rows_of([*findings.parked, *odd_scores, *odd_anomalies])))
            self._keep_rules(findings.rules)
            self._connection.commit()

    def close(self) -> None:
        self._connection.close()

    def _move(self, partition: int, old: Cursor | None, new: Cursor) -> None:
        if old is None:
            moved = postgres.rows(
                self._connection,
                'INSERT INTO tickstream.progress ("partition", next_offset, state) VALUES ($1, $2, $3)'
                ' ON CONFLICT DO NOTHING RETURNING "partition"',
                *(partition, new.next_offset, new.state),
            )
        else:
            moved = postgres.rows(
                self._connection,
                "UPDATE tickstream.progress SET next_offset = $1, state = $2, committed_at = clock_timestamp()"
                ' WHERE "partition" = $3 AND next_offset = $4 RETURNING "partition"',
                *(new.next_offset, new.state, partition, old.next_offset),
            )
        if not moved:
            raise Superseded(f"{self._at}: another engine has moved the cursor of partition {partition}")

    def _copy(self, table: str, rows: pl.DataFrame) -> None:
        if rows.is_empty():
            return
        batch = ipc.batch_of(rows, TABLES[table])
        slices = (batch.slice(at, BATCH_ROWS) for at in range(0, batch.num_rows, BATCH_ROWS))
        reader = pa.RecordBatchReader.from_batches(batch.schema, slices)
        with self._connection.cursor() as cursor:
            cursor.adbc_ingest(table, reader, mode="append", db_schema_name="tickstream")

    def _keep_rules(self, rules: Mapping[str, str]) -> None:
        for digest in rules.keys() - self._rules:
            insert = "INSERT INTO tickstream.rules (digest, settings) VALUES ($1, $2) ON CONFLICT DO NOTHING"
            postgres.rows(self._connection, f"{insert} RETURNING digest", digest, rules[digest])
        self._rules |= rules.keys()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Raises Unavailable for what may pass, lost rights too; the rest is a bug, which no second try mends."""
        try:
            yield
        except dbapi.Error as error:
            if error.sqlstate != FORBIDDEN and not postgres.may_pass(error):
                raise
            raise Unavailable("timescale", f"{self._at}: {postgres.said(error)}") from error


def _check_tables(connection: Any) -> None:
    """Compare each column's type with ours. Raises Misconfigured, naming every one that differs."""
    problems: list[str] = []
    for name, ours in TABLES.items():
        try:
            theirs = connection.adbc_get_table_schema(name, db_schema_filter="tickstream")
        except dbapi.ProgrammingError as error:
            if error.sqlstate not in {"3F000", "42P01"}:
                raise
            raise Misconfigured(f"table tickstream.{name} is missing; run `tickstream migrate`") from error
        for column in ours:
            at = theirs.get_field_index(column.name)
            if at < 0:
                problems.append(f"column tickstream.{name}.{column.name} is missing; run `tickstream migrate`")
            elif theirs.field(at).type != column.type:
                problems.append(f"column tickstream.{name}.{column.name}: {theirs.field(at).type} is not {column.type}")
    if problems:
        raise Misconfigured(*problems)


def _split(rows: pl.DataFrame, columns: pa.Schema) -> tuple[pl.DataFrame, list[Parked]]:
    """Rows that PostgreSQL can hold, and messages with the others."""
    no_nul = ~pl.col("exchange", "symbol").str.contains("\0", literal=True)
    in_calendar = (pl.col(pl.Datetime).dt.timestamp("us") >= FIRST_US).fill_null(value=True)
    short = pl.col("symbol").str.len_bytes() <= SYMBOL_BYTES_MAX
    kept = rows.select(pl.all_horizontal(no_nul, short, in_calendar)).to_series()
    if kept.all():
        return rows, []
    others = rows.filter(~kept).partition_by("partition", "offset", as_dict=True, maintain_order=True)
    reason = f"PostgreSQL cannot hold a NUL in a text, a symbol above {SYMBOL_BYTES_MAX} bytes, a time before 4714 BC"
    parked = [
        Parked(partition, offset, reason, ipc.encode(ipc.batch_of(one, columns)))
        for (partition, offset), one in others.items()
    ]
    return rows.filter(kept), parked


def _without_nul(rejected: pl.DataFrame) -> pl.DataFrame:
    """A reason may cite what a stranger wrote."""
    return rejected.with_columns(pl.col("reason").str.replace_all("\0", "\ufffd", literal=True))


part: type[Sink] = Timescale
