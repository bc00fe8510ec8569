"""The columns of TickStream, named and typed in one place."""

from typing import Final

import polars as pl
import pyarrow as pa

_TIME: Final = pa.timestamp("us", tz="UTC")

PLACE: Final = pa.schema(
    [
        pa.field("partition", pa.int32(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("row", pa.int32(), nullable=False),
    ]
)
"""A tick's place in the log: partition, message offset, row in the message."""

TICK: Final = pa.schema(
    [
        pa.field("exchange", pa.string(), nullable=False),
        pa.field("symbol", pa.string(), nullable=False),
        pa.field("ts_event", _TIME, nullable=False),
        pa.field("ts_received", _TIME),
        pa.field("trade_id", pa.int64()),
        pa.field("price", pa.float64(), nullable=False),
        pa.field("size", pa.float64()),
        pa.field("side", pa.string()),
        pa.field("missing", pa.int32(), nullable=False),
    ]
)
"""One trade. `price` in quote units, `size` in base units, `side` the aggressor's: buy, sell or null.
`missing` counts the trades known to be missing right before this one."""

STAMPS: Final = pa.schema([pa.field("ts_appended", _TIME), pa.field("ts_drained", _TIME)])
"""When a tick entered the log (Kafka's timestamp) and when the engine took it out."""

SCORE: Final = pa.schema(
    [
        *PLACE,
        pa.field("exchange", pa.string(), nullable=False),
        pa.field("symbol", pa.string(), nullable=False),
        pa.field("ts_event", _TIME, nullable=False),
        pa.field("trade_id", pa.int64()),
        pa.field("price", pa.float64(), nullable=False),
        pa.field("size", pa.float64()),
        pa.field("detector", pa.string(), nullable=False),
        pa.field("n", pa.int64(), nullable=False),
        pa.field("mean", pa.float64()),
        pa.field("std", pa.float64()),
        pa.field("z", pa.float64()),
        pa.field("score", pa.float64()),
        pa.field("flagged", pa.bool_(), nullable=False),
        pa.field("coverage", pa.float64()),
        pa.field("rules", pa.string(), nullable=False),
        pa.field("revision", pa.int32(), nullable=False),
        pa.field("ts_scored", _TIME, nullable=False),
    ]
)
"""One scored tick and detector; PLACE, exchange, symbol and detector are its identity."""

ANOMALY: Final = pa.schema(
    [
        pa.field("exchange", pa.string(), nullable=False),
        pa.field("symbol", pa.string(), nullable=False),
        pa.field("detector", pa.string(), nullable=False),
        *PLACE,
        pa.field("revision", pa.int32(), nullable=False),
        pa.field("state", pa.string(), nullable=False),
        pa.field("at_offset", pa.int64(), nullable=False),
        pa.field("at_row", pa.int32(), nullable=False),
        pa.field("ts_onset", _TIME, nullable=False),
        pa.field("ts_peak", _TIME, nullable=False),
        pa.field("ts_end", _TIME, nullable=False),
        pa.field("direction", pa.string(), nullable=False),
        pa.field("ticks_flagged", pa.int64(), nullable=False),
        pa.field("z", pa.float64()),
        pa.field("score", pa.float64(), nullable=False),
        pa.field("price", pa.float64(), nullable=False),
        pa.field("n", pa.int64(), nullable=False),
        pa.field("mean", pa.float64()),
        pa.field("std", pa.float64()),
        pa.field("s", pa.string(), nullable=False),
        pa.field("q", pa.string(), nullable=False),
        pa.field("first_offset", pa.int64()),
        pa.field("first_row", pa.int32()),
        pa.field("last_offset", pa.int64()),
        pa.field("last_row", pa.int32()),
        pa.field("move_bps", pa.float64()),
        pa.field("scope", pa.string(), nullable=False),
        pa.field("severity", pa.string(), nullable=False),
        pa.field("rules", pa.string(), nullable=False),
        pa.field("ts_received", _TIME),
        pa.field("ts_appended", _TIME),
        pa.field("ts_drained", _TIME),
        pa.field("ts_scored", _TIME, nullable=False),
    ]
)
"""One state of an episode: opened, a new peak, closed. PLACE is that of its first flagged tick, `at_*` that of the row
that brought this state about; `z` to `last_row` are those of the peak, `s` and `q` whole numbers as text, `first_*` to
`last_*` the bounds of the peak's window."""

UNPROVEN: Final = frozenset({"ts_received", "ts_appended", "ts_drained", "ts_scored"})
"""Columns of results that differ from run to run and that a replay does not compare."""

LOG: Final = pa.schema([*PLACE, *TICK, *STAMPS])
"""A tick as it lies in the log: what a batch carries and a capture keeps."""


def frame(rows: pa.Table | pa.RecordBatch) -> pl.DataFrame:
    """Arrow rows as a Polars frame, without a copy where the types allow it."""
    taken = pl.from_arrow(rows)
    assert isinstance(taken, pl.DataFrame)
    return taken


def empty(schema: pa.Schema) -> pl.DataFrame:
    """A frame of no rows with the columns of `schema`."""
    return frame(schema.empty_table())
