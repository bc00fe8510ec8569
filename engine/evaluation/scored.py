"""A labelled series through the engine's own step: a log of its own, in time order, judged by event time alone."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import polars as pl

from engine.batch import TickBatch
from engine.columns import Floats, Ints, floats, ints
from engine.rules import Rule
from engine.step import State, step

STEP_ROWS = 100_000


class Marks(NamedTuple):
    """The rows of one exchange that a detector could flag: their place in the series, the log clock, the score."""

    row: Ints
    clock: Ints
    score: Floats


class Scored(NamedTuple):
    """What came of a series: marks by detector, exchange by exchange; by detector the clocks at which episodes opened.

    `counts` are the step's with two more: `series` is 1, `told` the rows that at least one detector could flag.
    """

    marks: Mapping[str, tuple[Marks, ...]]
    alerts: Mapping[str, Ints]
    counts: Mapping[str, int]


def scored(state: State, ticks: pl.DataFrame) -> Scored:
    """Run ticks (columns of LOG) through a fresh state."""
    rules, counts = state.rules.rules, Counter(series=1)
    marks: list[pl.DataFrame] = []
    opened: list[pl.DataFrame] = []
    for batch in _batches(ticks):
        state, findings = step(state, batch, now_us=0)
        counts.update(findings.counts)
        of_rules = [_marks(rule, findings.scores.filter(pl.col("detector") == rule.name)) for rule in rules]
        marks += of_rules
        counts["told"] += pl.concat(of_rules)["row"].n_unique()
        opened.append(findings.anomalies.filter(pl.col("state") == "open").select("detector", "ts_onset"))
    every_mark, every_opened = pl.concat(marks), pl.concat(opened)
    return Scored(
        {rule.name: _by_exchange(every_mark.filter(pl.col("detector") == rule.name)) for rule in rules},
        {rule.name: ints(every_opened.filter(pl.col("detector") == rule.name)["ts_onset"]) for rule in rules},
        counts,
    )


def _batches(ticks: pl.DataFrame) -> Iterator[TickBatch]:
    """The ticks as one message. Without receipts no time is capped: log clock, time and event time are the same."""
    row = pl.int_range(pl.len(), dtype=pl.Int32)
    place = {"partition": pl.lit(0, pl.Int32), "offset": pl.lit(0, pl.Int64), "row": row}
    log = ticks.sort("ts_event", maintain_order=True).with_columns(
        **place, ts_received=pl.lit(None, ticks.schema["ts_received"])
    )
    for at in range(0, max(len(log), 1), STEP_ROWS):
        yield TickBatch(log[at : at + STEP_ROWS], {0: 0})


def _marks(rule: Rule, rows: pl.DataFrame) -> pl.DataFrame:
    """Of rows of SCORE those with a score and a move that is large enough for a flag (DESIGN 2)."""
    price, mean = floats(rows["price"]), floats(rows["mean"])
    can_be = ~np.isnan(floats(rows["score"])) & ~np.isnan(mean)
    if rule.detector.move_bps_min > 0:
        with np.errstate(divide="ignore", invalid="ignore"):
            can_be &= np.abs((price - mean) / mean * 10000.0) >= rule.detector.move_bps_min
    return rows.select("detector", "exchange", "row", "ts_event", "score").filter(pl.Series(can_be))


def _by_exchange(marks: pl.DataFrame) -> tuple[Marks, ...]:
    return tuple(
        Marks(ints(rows["row"]), ints(rows["ts_event"]), floats(rows["score"]))
        for rows in marks.partition_by("exchange", maintain_order=True)
    )
