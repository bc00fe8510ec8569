"""The proof: what was stored, held against what DuckDB finds in the log (DESIGN 8).

Each row is held against its own rules. Rules change between messages only; where they did is read off the stored rows
(sql/oracle/06_in_force_as_stored.sql), so a row that is missing is still expected. One thing cannot be told apart: a
detector added later, and one of several whose first messages are all missing.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
import pyarrow as pa
from msgspec import Struct

from engine import schema
from engine.errors import Misconfigured
from storage import oracle
from storage.files import Span
from storage.oracle import Oracle
from storage.scans import Rows, readable, shown
from storage.stored import Stored

FIRST_ROWS: Final = 10
"""How many differing rows a report names."""

_SCORE: Final = ("partition", "offset", "row", "exchange", "symbol", "detector")
_TABLES: Final = {"scores": (schema.SCORE, _SCORE), "anomalies": (schema.ANOMALY, (*_SCORE, "revision"))}


class Told(Struct, frozen=True):
    """A column that differs, as text."""

    column: str
    stored: str | None
    wanted: str | None


class Difference(Struct, frozen=True):
    """A row that is missing, extra or differs, by its identity; `revision` is that of an anomaly."""

    table: str
    partition: int | None
    offset: int | None
    row: int | None
    exchange: str | None
    symbol: str | None
    detector: str | None
    revision: int | None
    difference: str
    columns: list[Told]


class Report(Struct, frozen=True):
    """How many rows of scores and of anomalies were held against the log, and what was found.

    `missing` counts rows, and messages of the log that were taken and are not there. `integers_differ` counts values
    of every type that is not float64, `floats_differ` floats whose bits differ.
    """

    rows: int
    anomalies: int
    missing: int
    extra: int
    integers_differ: int
    floats_differ: int
    first: list[Difference]

    @property
    def exit_code(self) -> int:
        """0 where there was something to prove and nothing differs, else 1."""
        is_proven = self.rows > 0 and not (self.missing or self.extra or self.integers_differ or self.floats_differ)
        return 0 if is_proven else 1


def replay(ticks: Rows, stored: Stored) -> Report:
    """Recompute all that the ticks give and compare. Raises Misconfigured, or Unavailable where the disk is full."""
    with oracle.opened() as proof:
        tables = [name for name in _TABLES if name != "anomalies" or stored.anomalies is not None]
        _take_stored(proof, "scores", stored.scores)
        if stored.anomalies is not None:
            _take_stored(proof, "anomalies", stored.anomalies)
        proof.take_ticks(ticks, stored.next_offsets)
        proof.take_rules(stored.rules)
        _expect_rules(proof)
        proof.seal()
        proof.recompute("as_stored")
        for table in tables:
            _compare(proof, table)
        return _report(proof, tables, stored)


def _take_stored(proof: Oracle, table: str, rows: Rows) -> None:
    kind, _ = _TABLES[table]
    proven = [name for name in kind.names if name not in schema.UNPROVEN]
    proof.connection.from_arrow(kind.empty_table().select(proven)).create(f"stored_{table}")
    for name in shown(proof.connection, rows):
        with readable(name):
            stored = proof.connection.table("rows")
            absent = [name for name in proven if name not in stored.columns]
            if absent:
                raise Misconfigured(f"{name}: holds no {table}: there is no column {', '.join(absent)}")
            stored.select(*proven).insert_into(f"stored_{table}")


def _expect_rules(proof: Oracle) -> None:
    """Where none of a detector's rules is known there is nothing to hold its rows against."""
    unknown = proof.run("12_unknown_rules")
    if unknown:
        raise Misconfigured(*(f"rules {digests} of detector {name}: are not there" for name, digests in unknown))


def _compare(proof: Oracle, table: str) -> None:
    kind, identity = _TABLES[table]
    compared = [field for field in kind if field.name not in {*identity, *schema.UNPROVEN}]
    floats = [field.name for field in compared if pa.types.is_floating(field.type)]
    integers = [field.name for field in compared if field.name not in floats]
    quoted = [f'"{name}"' for name in identity]
    fill = {
        "table": table,
        "identity": ", ".join(quoted),
        "place": ", ".join(quoted if "revision" in identity else [*quoted, "NULL"]),
        "integers": ", ".join(_told(name, _differs(name)) for name in integers),
        "floats": ", ".join(_told(name, _bits_differ(name)) for name in floats),
        "differs": " OR ".join([*map(_differs, integers), *map(_bits_differ, floats)]),
    }
    proof.run("13_differences", fill)


def _differs(name: str) -> str:
    return f'stored."{name}" IS DISTINCT FROM wanted."{name}"'


def _bits_differ(name: str) -> str:
    return f'stored."{name}"::BIT IS DISTINCT FROM wanted."{name}"::BIT'


def _told(name: str, differs: str) -> str:
    values = f"'column': '{name}', 'stored': stored.\"{name}\"::VARCHAR, 'wanted': wanted.\"{name}\"::VARCHAR"
    return f"CASE WHEN {differs} THEN {{{values}}} END"


def _report(proof: Oracle, tables: Sequence[str], stored: Stored) -> Report:
    counts = {table: len(proof.connection.table(f"stored_{table}")) for table in tables}
    missing, extra, integers, floats = proof.run("14_totals")[0]
    absent = [("ticks", span) for span in stored.lost] + [("progress", span) for span in stored.uncovered]
    first = [_absent(table, span) for table, span in absent]
    first += [_difference(row) for row in proof.run("15_first", rows_max=FIRST_ROWS)]
    return Report(
        rows=counts["scores"],
        anomalies=counts.get("anomalies", 0),
        missing=missing + sum(span.end - span.first for _, span in absent),
        extra=extra,
        integers_differ=integers,
        floats_differ=floats,
        first=first[:FIRST_ROWS],
    )


def _difference(row: tuple[object, ...]) -> Difference:
    return msgspec.convert(dict(zip(Difference.__struct_fields__, row, strict=True)), Difference)


def _absent(table: str, span: Span) -> Difference:
    """Messages of which there are no ticks, or no progress."""
    until = f"missing up to offset {span.end - 1}"
    return Difference(table, span.partition, span.first, None, None, None, None, None, until, [])
