"""From what a window held to rows of SCORE, and to the flags among them (DESIGN 2, 4, 5)."""

from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from engine import schema
from engine.int128 import Floats
from engine.order import Judged
from engine.rules import Rule
from engine.window import Baseline, PriceWindows, statistics

_TYPES = schema.empty(schema.SCORE).schema
_OF_TICK = ("partition", "offset", "row", "exchange", "symbol", "ts_event", "trade_id", "price", "size")


class Accepted(NamedTuple):
    """Accepted rows three times: as ticks (columns of LOG), as judged, and their baselines."""

    ticks: pl.DataFrame
    judged: Judged
    baseline: Baseline


class Scored(NamedTuple):
    """Rows of SCORE, and which of them are flags."""

    rows: pl.DataFrame
    flagged: NDArray[np.intp]


def score(rule: Rule, accepted: Accepted, now_us: int) -> Scored:
    """Score ticks against their baselines."""
    ticks, judged, baseline = accepted
    inclusive = rule.detector.baseline == "inclusive"
    n, mean, std, z = statistics(baseline, judged.x, judged.scale, inclusive=inclusive)
    z[n < rule.detector.count_min] = np.nan
    with np.errstate(invalid="ignore"):
        coverage = n / (n + baseline.missing)
    rows = ticks.select(_OF_TICK).with_columns(
        pl.Series("n", n), _nullable("mean", mean), _nullable("std", std), _nullable("z", z)
    )
    told = rule.score(rows)
    flagged = told.fill_null(0.0).to_numpy() >= 1.0
    if rule.detector.move_bps_min > 0:
        flagged = flagged & (np.abs(_move_bps(ticks, mean)) >= rule.detector.move_bps_min)
    rows = rows.with_columns(
        told,
        pl.Series("flagged", flagged),
        _nullable("coverage", coverage),
        detector=pl.lit(rule.name),
        rules=pl.lit(rule.digest),
        revision=pl.lit(0, pl.Int32),
        ts_scored=pl.lit(now_us).cast(_TYPES["ts_scored"]),
    )
    return Scored(rows.select(_TYPES.names()), np.flatnonzero(flagged & ~np.isnan(mean)))


def flags(rule: Rule, accepted: Accepted, scored: Scored, windows: PriceWindows) -> pl.DataFrame:
    """The flagged rows with all that an anomaly tells of them: the columns of episodes.Flag, and whose they are.

    `at` counts the accepted rows from 0. To be asked before the windows measure further rows.
    """
    ticks, judged, _ = accepted
    at = scored.flagged
    baseline, n_prior = accepted.baseline.take(at), accepted.baseline.n[at]
    inclusive = rule.detector.baseline == "inclusive"
    first = windows.place(baseline.key, baseline.ordinal - n_prior)
    last = windows.place(baseline.key, baseline.ordinal - (not inclusive))
    rows, of_tick = scored.rows[at], ticks[at]
    move = _move_bps(rows, rows["mean"].to_numpy())
    bounds = {
        name: pl.Series(values).set(pl.Series((n_prior == 0) & (not inclusive)), None)
        for name, values in zip(("first_offset", "first_row", "last_offset", "last_row"), (*first, *last), strict=True)
    }
    return rows.select("offset", "row", "exchange", "symbol", "price", "n", "mean", "std", "z", "score").with_columns(
        at=pl.Series(at),
        clock=pl.Series(judged.clock[at]),
        t=pl.Series(judged.t[at]),
        up=rows["price"] > rows["mean"],
        move_bps=_nullable("move_bps", move),
        s=pl.Series(map(str, baseline.s.to_ints()), dtype=pl.String),
        q=pl.Series(map(str, baseline.q.to_ints()), dtype=pl.String),
        **bounds,
        **{name: of_tick[name].to_physical() for name in ("ts_received", "ts_appended", "ts_drained")},
    )


def _move_bps(rows: pl.DataFrame, mean: Floats) -> Floats:
    """The price's distance from the mean in basis points of the mean."""
    with np.errstate(divide="ignore", invalid="ignore"):
        move: Floats = (rows["price"].to_numpy() - mean) / mean * 10000.0
    return move


def _nullable(name: str, values: Floats) -> pl.Series:
    """A column in which NaN has become null."""
    return pl.Series(name, values, nan_to_null=True)
