"""How long ticks took from stage to stage (DESIGN 9)."""

import numpy as np

from engine.batch import Findings
from engine.columns import NEVER, Ints, ints
from observability import metrics

_STAMPS = ("ts_event", "ts_received", "ts_appended", "ts_drained")


def committed(findings: Findings, now_us: int) -> None:
    """Count the scored batch that every sink holds by now, tick by tick."""
    if not len(findings.scores):
        return
    scored_us = int(ints(findings.scores["ts_scored"][:1])[0])  # One moment for the whole batch.
    event, received, appended, drained = (ints(findings.ticks[name], NEVER) for name in _STAMPS)
    scored, end = np.full_like(drained, scored_us), np.full_like(drained, now_us)
    for stage, since, until in (
        ("received", event, received),
        ("appended", received, appended),
        ("drained", appended, drained),
        ("scored", drained, scored),
        ("committed", scored, end),
        ("received_to_scored", received, scored),
        ("received_to_committed", received, end),
    ):
        _observe(stage, since, until)


def _observe(stage: str, since: Ints, until: Ints) -> None:
    """Clocks of different machines may put a stage below zero; it counts as zero."""
    known = (since != NEVER) & (until != NEVER)
    metrics.latency.observe(stage, np.maximum(until - since, 0)[known] / 1e6)
