"""How long ticks took from stage to stage (DESIGN 9)."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from engine.batch import Findings
from observability import metrics

_STAMPS = {"received": "ts_event", "appended": "ts_received", "drained": "ts_appended"}
"""Each stage and the stamp at which the way to it begins; it ends at the stamp of its own name."""


def committed(findings: Findings, now_us: int) -> None:
    """Count the ticks of findings that every sink has by now."""
    ticks = findings.ticks
    for stage, since in _STAMPS.items():
        _observe(stage, ticks[f"ts_{stage}"].to_physical() - ticks[since].to_physical())
    if len(findings.scores):
        scored_us = int(findings.scores["ts_scored"].to_physical()[0])  # One moment for the whole batch.
        _observe("scored", scored_us - ticks["ts_drained"].to_physical())
        _observe("committed", ticks["ts_drained"].to_physical() * 0 + (now_us - scored_us))
    _observe("total", now_us - ticks["ts_received"].to_physical())


def _observe(stage: str, spans_us: pl.Series) -> None:
    """Clocks of different machines may put a stage below zero; it counts as zero."""
    seconds: NDArray[np.float64] = spans_us.drop_nulls().to_numpy() / 1e6
    metrics.latency.observe(stage, np.maximum(seconds, 0.0))
