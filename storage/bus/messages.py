"""Messages of several partitions as one micro-batch: the columns of LOG."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa

from engine import schema

_TIME: Final = pa.timestamp("us", tz="UTC")


class Message(NamedTuple):
    """A message of the log: rows of `schema.TICK` and where and when they were appended."""

    partition: int
    offset: int
    appended_us: int | None
    rows: pa.RecordBatch


def log_of(messages: Sequence[Message], drained_us: int) -> pl.DataFrame:
    """The rows of all messages with their places and stamps, in the order given."""
    if not messages:
        return schema.empty(schema.LOG)
    counts = [message.rows.num_rows for message in messages]
    ticks = pa.Table.from_batches([message.rows for message in messages])
    columns = [
        pa.array(np.repeat(np.array([message.partition for message in messages], np.int32), counts)),
        pa.array(np.repeat(np.array([message.offset for message in messages], np.int64), counts)),
        pa.array(np.concatenate([np.arange(count, dtype=np.int32) for count in counts])),
        *ticks.columns,
        pa.array([message.appended_us for message in messages], _TIME).take(
            pa.array(np.repeat(np.arange(len(counts)), counts))
        ),
        pa.repeat(pa.scalar(drained_us, _TIME), ticks.num_rows),
    ]
    return schema.frame(pa.Table.from_arrays(columns, schema=schema.LOG))


def next_offsets(ticks: pl.DataFrame) -> Mapping[int, int]:
    """For each partition with rows the offset after its last one."""
    moved = ticks.group_by("partition").agg(pl.col("offset").max() + 1)
    return dict(moved.iter_rows())


def stamped(ticks: pl.DataFrame, drained_us: int) -> pl.DataFrame:
    """Rows of a recording as they are drained again."""
    return ticks.with_columns(ts_drained=pl.lit(drained_us).cast(ticks.schema["ts_drained"]))
