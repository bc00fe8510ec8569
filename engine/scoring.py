"""From what a window held to rows of SCORE, and to the flags among them (DESIGN 2, 4, 5)."""

from itertools import repeat
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from engine import schema
from engine.columns import NEVER, Floats, Ints, floats, ints, nullable, texts
from engine.episodes import Flag, Raised
from engine.rules import Rule
from engine.statistics import Measured, columns, of_row
from engine.window import Window, Windows, statistics

_NONE = schema.empty(schema.SCORE)
_TYPES = _NONE.schema
_OF_TICK = ("partition", "offset", "row", "exchange", "symbol", "ts_event", "trade_id", "price", "size")


class Scored(NamedTuple):
    """Rows of SCORE, those that are kept; which of all rows are flags, and what was measured of all (NaN for null)."""

    rows: pl.DataFrame
    flagged: NDArray[np.intp]
    n: Ints
    mean: Floats
    std: Floats
    z: Floats
    score: Floats


def score(rule: Rule, measured: Measured, windows: Windows, now_us: int) -> Scored:
    """Score ticks by what was before them. To be asked before the windows measure further rows."""
    ticks, judged, found = measured
    baseline = found[Window("price", rule.window_ms)]
    inclusive = rule.detector.baseline == "inclusive"
    n, mean, std, z = statistics(baseline, judged.x, judged.scale, inclusive=inclusive)
    z[n < rule.detector.count_min] = np.nan
    with np.errstate(invalid="ignore"):
        coverage = n / (n + baseline.missing)
    of_tick = [ticks[name] for name in _OF_TICK]
    of_window = [pl.Series("n", n), nullable("mean", mean), nullable("std", std), nullable("z", z)]
    named = {column.name: column for column in of_window}
    named |= {name: of_row(name, measured) for name in rule.expression.of_row}
    named |= columns(rule.statistics, measured, windows, inclusive=inclusive, count_min=rule.detector.count_min)
    told = rule.expression.value(named, len(ticks))
    too_soon = (n < rule.detector.count_min) | (judged.t - judged.since < rule.detector.warm_up_ms * 1_000)
    told = np.where(too_soon, np.nan, told)
    flagged = told >= 1.0
    if rule.detector.move_bps_min > 0:
        flagged &= np.abs(_move_bps(floats(ticks["price"]), mean)) >= rule.detector.move_bps_min
    told_of_all = (np.flatnonzero(flagged & ~np.isnan(mean)), n, mean, std, z, told)
    if rule.detector.keep == "flagged" and not flagged.any():
        return Scored(_NONE, *told_of_all)
    scored_at = pl.Series("ts_scored", [now_us], _TYPES["ts_scored"])
    every = [
        *of_tick,
        *of_window,
        nullable("score", told),
        pl.Series("flagged", flagged),
        nullable("coverage", coverage),
        *(each.new_from_index(0, len(n)) for each in (*rule.of_every_row, scored_at)),
    ]
    in_place = {column.name: column for column in every}
    rows = pl.DataFrame([in_place[name] for name in _TYPES])
    rows = rows.filter(in_place["flagged"]) if rule.detector.keep == "flagged" else rows
    return Scored(rows, *told_of_all)


def flags(rule: Rule, measured: Measured, scored: Scored, windows: Windows) -> list[Raised]:
    """The flagged rows with all that an anomaly tells of them. To be asked before the windows measure further rows."""
    at = scored.flagged
    ticks, judged, found = measured
    baseline = found[Window("price", rule.window_ms)].take(at)
    inclusive = rule.detector.baseline == "inclusive"
    ends = (baseline.first, baseline.own if inclusive else baseline.before)
    bounds = (windows.kept(slots, name) for slots in ends for name in ("offset", "row"))
    empty = ((baseline.n == 0) & (not inclusive)).tolist()
    price, mean = floats(ticks["price"])[at], scored.mean[at]
    of_flag = (
        *(column[at].tolist() for column in (judged.offset, judged.row, judged.clock, judged.t)),
        (price > mean).tolist(),
        price.tolist(),
        _optional(scored.z[at]),
        scored.score[at].tolist(),
        scored.n[at].tolist(),
        mean.tolist(),
        _optional(scored.std[at]),
        map(str, baseline.s.to_ints()),
        map(str, baseline.q.to_ints()),
        _optional(_move_bps(price, mean)),
        *([None if none else place for none, place in zip(empty, bound.tolist(), strict=True)] for bound in bounds),
        *(_known(ints(ticks[name], NEVER)[at]) for name in ("ts_received", "ts_appended", "ts_drained")),
    )
    names = (texts(ticks[name], at) for name in ("exchange", "symbol"))
    told = map(Flag, *of_flag)
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
