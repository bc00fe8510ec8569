"""A log folded through the core, cut and restarted at will."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from engine import parts, schema
from engine.batch import Cursor, TickBatch
from engine.detectors import Detector
from engine.rules import Rules, rules_of
from engine.step import State, step

BY = ["partition", "offset", "row", "exchange", "symbol", "detector"]


def rules_from(documents: Sequence[Mapping[str, Any]]) -> Rules:
    """The engine's rules that the documents of tests/laws/strategies.py describe."""
    of_scores = ("baseline", "count_min", "warm_up_ms", "move_bps_min", "keep")
    of_detector = (*of_scores, "quiet_ms", "episode_ms_max", "cooldown_ms")
    detectors: dict[str, Detector] = {
        each["name"]: parts.load(
            "engine.detectors", each["settings"] | {name: each[name] for name in of_detector}, each["name"]
        )
        for each in documents
    }
    of_decimals = (f"{of}_decimals{by}" for of in ("price", "size") for by in ("", "_of"))
    of_order = ("future_ms", "late_ms", *of_decimals)
    return rules_of(detectors, **{name: documents[0][name] for name in of_order})


def batches(log: pl.DataFrame, cuts: Sequence[int], start: Mapping[int, int] | None = None) -> list[TickBatch]:
    """The log in pieces of `cuts` messages, in turn; of each partition only what lies at `start` or above."""
    from_offsets = start or {}
    messages = log.partition_by("partition", "offset", maintain_order=True)
    messages = [each for each in messages if each["offset"][0] >= from_offsets.get(each["partition"][0], 0)]
    made: list[TickBatch] = []
    at = 0
    while at < len(messages):
        size = cuts[len(made) % len(cuts)] if cuts else len(messages)
        ticks = pl.concat(messages[at : at + size])
        ends = ticks.group_by("partition").agg(pl.col("offset").max() + 1)
        made.append(TickBatch(ticks, dict(ends.iter_rows())))
        at += size
    return made


def fold(
    log: pl.DataFrame, rules: Rules, cuts: Sequence[int] = (), restarts: Sequence[int] = ()
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Scores and anomalies of a log. After as many batches as each of `restarts` says, all but the cursors is lost."""
    scores, anomalies = [schema.empty(schema.SCORE)], [schema.empty(schema.ANOMALY)]
    cursors: dict[int, Cursor] = {}
    for lifetime in (*restarts, None):
        state = State(rules, snapshot_ms=0)
        start = {number: state.resume(number, cursor) for number, cursor in cursors.items()}
        for batch in batches(log, cuts, {number: at for number, at in start.items() if at is not None})[:lifetime]:
            state, findings = step(state, batch, now_us=0)
            scores.append(findings.scores)
            anomalies.append(findings.anomalies)
            cursors |= findings.cursors
    return pl.concat(scores).sort(BY), pl.concat(anomalies).sort([*BY, "revision"])
