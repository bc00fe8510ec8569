"""From what a window held to rows of SCORE, and to the flags among them (DESIGN 2, 4, 5)."""

from itertools import repeat
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from engine import schema
from engine.columns import constant, floats, ints, nullable
from engine.episodes import Flag, Raised
from engine.int128 import Floats, Ints
from engine.maxima import NEVER
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
    of_tick = {column.name: column for column in ticks.get_columns()}
    measured = [pl.Series("n", n), nullable("mean", mean), nullable("std", std), nullable("z", z)]
    told = rule.score([of_tick["price"], of_tick["size"], *measured])
    flagged = told >= 1.0
    if rule.detector.move_bps_min > 0:
        flagged &= np.abs(_move_bps(floats(of_tick["price"]), mean)) >= rule.detector.move_bps_min
    of_rule = {"detector": rule.name, "rules": rule.digest, "revision": 0, "ts_scored": now_us}
    columns = [
        *(of_tick[name] for name in _OF_TICK),
        *measured,
        nullable("score", told),
        pl.Series("flagged", flagged),
        nullable("coverage", coverage),
        *(constant(name, value, _TYPES[name], len(ticks)) for name, value in of_rule.items()),
    ]
    in_place = {column.name: column for column in columns}
    return Scored(pl.DataFrame([in_place[name] for name in _TYPES]), np.flatnonzero(flagged & ~np.isnan(mean)))


def flags(rule: Rule, accepted: Accepted, scored: Scored, windows: PriceWindows) -> list[Raised]:
    """The flagged rows with all that an anomaly tells of them. To be asked before the windows measure further rows."""
    at, rows = scored.flagged, scored.rows
    ticks, judged, baseline = accepted.ticks, accepted.judged, accepted.baseline.take(scored.flagged)
    inclusive = rule.detector.baseline == "inclusive"
    first = windows.place(baseline.key, baseline.ordinal - baseline.n)
    last = windows.place(baseline.key, baseline.ordinal - (not inclusive))
    empty = ((baseline.n == 0) & (not inclusive)).tolist()
    price, mean = floats(rows["price"])[at], floats(rows["mean"])[at]
    columns = (
        *(ints(ticks[name])[at].tolist() for name in ("offset", "row")),
        judged.clock[at].tolist(),
        judged.t[at].tolist(),
        (price > mean).tolist(),
        price.tolist(),
        _optional(floats(rows["z"])[at]),
        floats(rows["score"])[at].tolist(),
        ints(rows["n"])[at].tolist(),
        mean.tolist(),
        _optional(floats(rows["std"])[at]),
        map(str, baseline.s.to_ints()),
        map(str, baseline.q.to_ints()),
        _optional(_move_bps(price, mean)),
        *(
            [None if none else place for none, place in zip(empty, bound.tolist(), strict=True)]
            for bound in (*first, *last)
        ),
        *(_known(ints(ticks[name], NEVER)[at]) for name in ("ts_received", "ts_appended", "ts_drained")),
    )
    places = pl.Series(at)
    names = (ticks[name].gather(places).to_list() for name in ("exchange", "symbol"))
    told = map(Flag, *columns)
    return [Raised(*each) for each in zip(at.tolist(), *names, repeat(rule), told, strict=False)]


def _optional(values: Floats) -> list[float | None]:
    """Python's own numbers; None for NaN."""
    return [None if value != value else value for value in values.tolist()]  # noqa: PLR0124


def _known(times: Ints) -> list[int | None]:
    return [None if time == NEVER else time for time in times.tolist()]


def _move_bps(price: Floats, mean: Floats) -> Floats:
    """The price's distance from the mean in basis points of the mean."""
    with np.errstate(divide="ignore", invalid="ignore"):
        move: Floats = (price - mean) / mean * 10000.0
    return move
