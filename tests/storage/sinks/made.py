"""Findings made by hand: small, and full of values that bits get lost on."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime

import polars as pl
import pyarrow as pa

from engine import schema
from engine.batch import Cursor, Findings, Parked

DAY_US = 86_400_000_000
START_US = int(datetime(2024, 8, 8, 23, 59, 50, tzinfo=UTC).timestamp()) * 1_000_000
FLOATS = (1.5, math.nan, math.inf, -math.inf, -0.0, 0.0, None, 5e-324, 0.1 + 0.2, -1.7976931348623157e308)
SYMBOLS = ("BTC-USDT", "Ⅷ-🦆é", "'; DROP TABLE scores; --", "../../etc", "<b>&\"'\\\t\n", "$1 %s {}", "x" * 1_024)
RULES = {"0011223344556677": '{"sql": "abs(z) / 2.5", "name": "spïke"}'}
ROWS = 2


def findings(spans: Mapping[int, tuple[int, int]], state: bytes = b"state \x00\xff") -> Findings:
    """Two ticks in each message [first, end) of each partition, a score for each, an anomaly in every third message."""
    places = [
        (partition, offset, row)
        for partition, (first, end) in sorted(spans.items())
        for offset in range(first, end)
        for row in range(ROWS)
    ]
    return Findings(
        ticks=_table(schema.LOG, [_row(schema.LOG, place) for place in places]),
        scores=_table(schema.SCORE, [_row(schema.SCORE, place) for place in places]),
        anomalies=_table(
            schema.ANOMALY,
            [_row(schema.ANOMALY, place) for place in places if place[1] % 3 == 0 and place[2] == 0],
        ),
        cursors={partition: Cursor(end, state + str(end).encode()) for partition, (_, end) in spans.items()},
        rules=RULES,
        counts={},
    )


def parked(partition: int, offset: int) -> Parked:
    return Parked(partition, offset, "not_arrow: ünreadable", b"\x00\x01\xff bytes")


def _row(columns: pa.Schema, place: tuple[int, int, int]) -> dict[str, object]:
    """A row that is a function of its place alone."""
    partition, offset, row = place
    seed = 31 * partition + 7 * offset + row
    fixed = {
        "partition": partition,
        "offset": max(0, offset - 2) if "at_offset" in columns.names else offset,  # An onset lies before its states.
        "row": row,
        "at_offset": offset,
        "at_row": row,
        "rules": next(iter(RULES)),
        "symbol": SYMBOLS[seed % len(SYMBOLS)],
    }
    return {
        field.name: fixed[field.name] if field.name in fixed else _value(field, seed + at)
        for at, field in enumerate(columns)
    }


def _value(field: pa.Field, seed: int) -> object:
    if pa.types.is_floating(field.type):
        value = FLOATS[seed % len(FLOATS)]
        return 0.25 if value is None and not field.nullable else value
    if field.nullable and seed % 5 == 0:
        return None
    kinds: dict[pa.DataType, object] = {
        pa.timestamp("us", tz="UTC"): START_US + seed * 1_234_567,
        pa.bool_(): seed % 2 == 0,
        pa.int64(): (2**63 - 1, -(2**63), 0, seed)[seed % 4],
        pa.int32(): (2**31 - 1, -(2**31), 0, seed)[seed % 4],
        pa.string(): f"{field.name} {seed % 3}",
    }
    return kinds[field.type]


def _table(columns: pa.Schema, rows: list[dict[str, object]]) -> pl.DataFrame:
    arrays = [pa.array([row[field.name] for row in rows], field.type) for field in columns]
    return schema.frame(pa.table(arrays, schema=columns))
