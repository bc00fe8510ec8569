"""The values that travel: ticks in, findings and cursors out."""

from collections.abc import Mapping

import polars as pl
from msgspec import Struct


class Parked(Struct, frozen=True):
    """A message of the log that could not be read, with the reason and its bytes."""

    partition: int
    offset: int
    reason: str
    payload: bytes


class TickBatch(Struct, frozen=True):
    """What one drain takes out of the log.

    `ticks` has the columns of `schema.LOG`; the rows of a partition stand in the order of the log.
    `next_offsets` gives, for each partition that moved, the offset to go on from.
    """

    ticks: pl.DataFrame
    next_offsets: Mapping[int, int]
    parked: tuple[Parked, ...] = ()


class Cursor(Struct, frozen=True):
    """How far a sink has come in one partition, and what the core needs to go on from there (DESIGN 7).

    `next_offset` is the first message not yet in the sink. `state` is the core's own text, opaque to a sink.
    """

    next_offset: int
    state: bytes = b""


class Findings(Struct, frozen=True):
    """What one step found: the batch's ticks as they lay in the log, the rows computed from them, the new cursors.

    `ticks` has the columns of `schema.LOG`, `scores` of `schema.SCORE`, `anomalies` of `schema.ANOMALY`.
    `cursors` maps partition to the cursor that holds once these rows are written.
    `rules` maps each digest in the rows to its settings as JSON text.
    `counts` are the facts for the metrics: how many ticks were taken, late, duplicate and so on, by name.
    """

    ticks: pl.DataFrame
    scores: pl.DataFrame
    anomalies: pl.DataFrame
    cursors: Mapping[int, Cursor]
    rules: Mapping[str, str]
    counts: Mapping[str, int]
    parked: tuple[Parked, ...] = ()
