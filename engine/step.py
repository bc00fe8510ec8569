"""The whole core: a fold over the log. What it finds depends on the log and the rules alone, not on how it is cut."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from engine import kernel, progress, schema
from engine.batch import Cursor, Findings, TickBatch
from engine.columns import Ints, Mask, ints
from engine.compiled import compiling
from engine.episodes import Episodes, Raised, Rows, Trail
from engine.errors import Misconfigured
from engine.kernel import Ticks
from engine.order import Judged, Order
from engine.rules import Rules
from engine.scoring import flags, score
from engine.series import values
from engine.statistics import Measured, windows_of
from engine.window import Window, Windows, statistics

_SCORE_NONE = schema.empty(schema.SCORE)
_ANOMALY_NONE = schema.empty(schema.ANOMALY)


class Partition:
    """What the fold keeps of one partition, beside order and windows. Rows below `scored_from` are not scored again."""

    def __init__(self, episodes: Episodes, scored_from: int, oldest: progress.Snapshot) -> None:
        self.episodes = episodes
        self.scored_from = scored_from
        self.snapshots = progress.Snapshots(oldest)
        self.snapshot_us = 0


class State:
    """The state of the fold. `step` changes it in place."""

    def __init__(self, rules: Rules, snapshot_ms: int) -> None:
        self.rules = rules
        self.snapshot_every_us = snapshot_ms * 1000
        self.order = Order(rules.order)
        asked, extremes = windows_of(each for rule in rules.rules for each in rule.statistics)
        self.windows = Windows({Window("price", rule.window_ms) for rule in rules.rules} | asked, extremes)
        self.partitions: dict[int, Partition] = {}
        self.catching_up: set[int] = set()
        self._from_the_start: dict[int, tuple[int, list[Trail]]] = {}
        self._compile()

    def resume(self, number: int, cursor: Cursor) -> int | None:
        """Take a partition up where a cursor left it; the offset to read from, None for the log's first message.

        Rows below the cursor are folded in and not scored again. Raises Misconfigured where its state cannot be read.
        """
        saved, order = progress.decode(cursor.state)
        if saved.window_ms_max < self.rules.window_ms_max:  # Windows have grown since: they reach further back.
            self._from_the_start[number] = cursor.next_offset, saved.trails
            return None
        self.order.restore(number, order)
        self._open(number, cursor.next_offset, saved.trails, saved.snapshot)
        return saved.snapshot.offset

    def begin(self, number: int, first_offset: int) -> None:
        """Take a partition up from its first message on."""
        scored_from, trails = self._from_the_start.pop(number, (first_offset, []))
        if first_offset > scored_from:
            raise Misconfigured(
                f"the log of partition {number} begins at {first_offset}, above the cursor {scored_from}: what lay "
                "between is lost; restore it, or begin with a new bus.prefix and data.dir"
            )
        self._open(number, scored_from, trails, progress.snapshot(first_offset))

    def _compile(self) -> None:
        """Have every loop compiled before the first tick waits for it."""
        ticks = schema.empty(schema.LOG)
        with compiling(kernel.measure):
            judged, _ = self.order.judge(ticks)
            found = self.windows.measure(_measurable(self.windows.series, ticks, judged))
            for baseline in found.values():
                statistics(baseline, judged.x, judged.scale, inclusive=False)

    def _open(self, number: int, scored_from: int, trails: list[Trail], oldest: progress.Snapshot) -> None:
        episodes = Episodes({rule.name: rule for rule in self.rules.rules}, trails)
        self.partitions[number] = Partition(episodes, scored_from, oldest)
        self.catching_up.add(number)


def step(state: State, batch: TickBatch, now_us: int) -> tuple[State, Findings]:
    """Take the next piece of the log in. `now_us` is the wall clock; only `ts_scored` shows it."""
    for number in batch.next_offsets.keys() - state.partitions.keys():
        state.begin(number, _first_offset(batch, number))
    judged, counts = state.order.judge(batch.ticks)
    ticks = _rows(batch.ticks, judged.place)
    found = state.windows.measure(_measurable(state.windows.series, ticks, judged))
    if state.catching_up:
        due = np.flatnonzero(_is_due(state, ticks))
        ticks, judged = ticks[due], judged.take(due)
        found = {window: baseline.take(due) for window, baseline in found.items()}
    scores, raised = _score(state, Measured(ticks, judged, found), now_us)
    findings = Findings(
        ticks=_rows(batch.ticks, np.flatnonzero(_is_due(state, batch.ticks))) if state.catching_up else batch.ticks,
        scores=scores,
        anomalies=_advance(state, judged, raised, now_us),
        cursors=_cursors(state, batch.next_offsets, now_us),
        rules=state.rules.documents,
        counts=counts | {"scored": len(ticks)},
        parked=tuple(each for each in batch.parked if each.offset >= state.partitions[each.partition].scored_from),
    )
    return state, findings


def _first_offset(batch: TickBatch, number: int) -> int:
    """The partition's first message in the batch; where it holds none, the offset to go on from."""
    of_ticks: list[int] = batch.ticks.filter(pl.col("partition") == number)["offset"].head(1).to_list()
    of_parked = [each.offset for each in batch.parked if each.partition == number]
    return min([*of_ticks, *of_parked, batch.next_offsets[number]])


def _rows(ticks: pl.DataFrame, places: Ints) -> pl.DataFrame:
    """The rows at these places; the frame itself where they are all there, in order."""
    untouched = len(places) == len(ticks) and (np.diff(places) == 1).all()
    return ticks if untouched else ticks[places]


def _measurable(series: Sequence[str], ticks: pl.DataFrame, judged: Judged) -> Ticks:
    place = (judged.offset, judged.row)
    of_key = (judged.key, judged.t, judged.x, np.maximum(ints(ticks["missing"]), 0))
    return Ticks(*of_key, *place, judged.anew, values(series, ticks, judged))


def _is_due(state: State, ticks: pl.DataFrame) -> Mask:
    """Which rows no earlier run has scored."""
    due = np.ones(len(ticks), np.bool_)
    partition, offset = ints(ticks["partition"]), ints(ticks["offset"])
    for number in state.catching_up:
        due &= (partition != number) | (offset >= state.partitions[number].scored_from)
    return due


def _score(state: State, measured: Measured, now_us: int) -> tuple[pl.DataFrame, list[Raised]]:
    """The rows of SCORE of all rules, and the flags in log order."""
    rows: list[pl.DataFrame] = []
    raised: list[Raised] = []
    for rule in state.rules.rules if len(measured.ticks) else ():
        scored = score(rule, measured, state.windows, now_us)
        rows.append(scored.rows)
        if len(scored.flagged):
            raised += flags(rule, measured, scored, state.windows)
    raised.sort(key=lambda each: each.at)  # Stable: of one row, the flags of earlier rules come first.
    return pl.concat(rows) if rows else _SCORE_NONE, raised


def _advance(state: State, judged: Judged, raised: Sequence[Raised], now_us: int) -> pl.DataFrame:
    """The rows of ANOMALY, partition by partition."""
    starts = np.flatnonzero(np.diff(judged.partition, prepend=-1)).tolist()
    ends = [at + 1 for at in np.flatnonzero(np.diff(judged.partition, append=-1)).tolist()]
    written: list[dict[str, Any]] = []
    for start, end in zip(starts, ends, strict=True):
        number = int(judged.partition[start])
        rows = Rows(judged.clock[start:end], judged.offset[start:end], judged.row[start:end])
        flagged = [each._replace(at=each.at - start) for each in raised if start <= each.at < end]
        made = state.partitions[number].episodes.advance(rows, flagged)
        written += [each | {"partition": number, "ts_scored": now_us} for each in made]
    return pl.DataFrame(written, schema=_ANOMALY_NONE.schema) if written else _ANOMALY_NONE


def _cursors(state: State, next_offsets: Mapping[int, int], now_us: int) -> dict[int, Cursor]:
    """The cursors after this batch, of partitions that are past what earlier runs have scored."""
    state.catching_up -= {
        at for at, next_offset in next_offsets.items() if next_offset >= state.partitions[at].scored_from
    }
    cursors = {}
    for number in next_offsets.keys() - state.catching_up:
        partition, next_offset = state.partitions[number], next_offsets[number]
        if now_us - partition.snapshot_us >= state.snapshot_every_us:
            partition.snapshot_us = now_us
            _keep_snapshot(state, number, next_offset)
        saved = progress.encode(state.rules.window_ms_max, partition.snapshots.oldest, partition.episodes.trails())
        cursors[number] = Cursor(next_offset, saved)
    return cursors


def _keep_snapshot(state: State, number: int, next_offset: int) -> None:
    """Let go of what is over, and keep the order state as it stands."""
    state.windows.forget(state.order.forget_dead(number))
    partition = state.partitions[number]
    partition.episodes.forget(state.order.clock(number))
    oldest = state.windows.oldest_offset(state.order.keys.of_partition(number))
    partition.snapshots.keep(next_offset, state.order.snapshot(number), oldest)
