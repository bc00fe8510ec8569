"""From what a window held to rows of SCORE, and to the flags among them (DESIGN 2, 4, 5)."""

from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from engine import schema
from engine.columns import constant, floats, nullable
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
    measured = [pl.Series("n", n), nullable("mean", mean), nullable("std", std), nullable("z", z)]
    told = rule.score([ticks["price"], ticks["size"], *measured])
    flagged = told >= 1.0
    if rule.detector.move_bps_min > 0:
        flagged &= np.abs(_move_bps(floats(ticks["price"]), mean)) >= rule.detector.move_bps_min
    of_rule = {"detector": rule.name, "rules": rule.digest, "revision": 0, "ts_scored": now_us}
    columns = [
        *(ticks[name] for name in _OF_TICK),
        *measured,
        nullable("score", told),
        pl.Series("flagged", flagged),
        nullable("coverage", coverage),
        *(constant(name, value, _TYPES[name], len(ticks)) for name, value in of_rule.items()),
    ]
    in_place = {column.name: column for column in columns}
    return Scored(pl.DataFrame([in_place[name] for name in _TYPES]), np.flatnonzero(flagged & ~np.isnan(mean)))


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
    move = _move_bps(floats(rows["price"]), floats(rows["mean"]))
    bounds = {
        name: pl.Series(values).set(pl.Series((n_prior == 0) & (not inclusive)), None)
        for name, values in zip(("first_offset", "first_row", "last_offset", "last_row"), (*first, *last), strict=True)
    }
    return rows.select("offset", "row", "exchange", "symbol", "price", "n", "mean", "std", "z", "score").with_columns(
        at=pl.Series(at),
        clock=pl.Series(judged.clock[at]),
        t=pl.Series(judged.t[at]),
        up=rows["price"] > rows["mean"],
        move_bps=nullable("move_bps", move),
        s=pl.Series(map(str, baseline.s.to_ints()), dtype=pl.String),
        q=pl.Series(map(str, baseline.q.to_ints()), dtype=pl.String),
        **bounds,
        **{name: of_tick[name].to_physical() for name in ("ts_received", "ts_appended", "ts_drained")},
    )


def _move_bps(price: Floats, mean: Floats) -> Floats:
    """The price's distance from the mean in basis points of the mean."""
    with np.errstate(divide="ignore", invalid="ignore"):
        move: Floats = (price - mean) / mean * 10000.0
    return move
