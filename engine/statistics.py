"""The named statistics of a scoring expression, as columns (decision 4)."""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import numpy as np
import polars as pl

from engine import kernel, series
from engine.columns import NEVER, Floats, Ints, Mask, nullable
from engine.compiled import given
from engine.expressions import Statistic
from engine.kernel import Int128
from engine.order import Judged
from engine.window import Baseline, Window, Windows, statistics

_US = 1e6


class Measured(NamedTuple):
    """Accepted rows three times: as ticks (columns of LOG), as judged, and what each window held before them."""

    ticks: pl.DataFrame
    judged: Judged
    found: Mapping[Window, Baseline]


class _Asked(NamedTuple):
    """One window of the measured rows: its baseline and the rows' own values in units, 0 where unknown."""

    baseline: Baseline
    x: Ints
    known: Mask
    scale: Floats
    inclusive: bool
    count_min: int

    @property
    def n(self) -> Ints:
        """How many values; with the row's own where it counts."""
        return self.baseline.n + self.adds

    @property
    def adds(self) -> Mask:
        """Where the row's own value counts."""
        return self.known & self.inclusive


def windows_of(asked: Iterable[Statistic]) -> tuple[set[Window], set[Window]]:
    """The windows that statistics need, and those of them whose extremes they need."""
    windows, extremes = set(), set()
    for each in asked:
        windows.add(each.window)
        if each.kind in {"min", "max", "range"}:
            extremes.add(each.window)
        if each.kind == "vwap":
            windows |= {Window(name, each.window.span_ms) for name in ("size", "notional")}
    return windows, extremes


def columns(
    asked: Iterable[Statistic], measured: Measured, kept: Windows, *, inclusive: bool, count_min: int
) -> dict[str, pl.Series]:
    """The columns by name. To be asked before the windows measure further rows."""

    def window(of: Window) -> _Asked:
        units = series.units(of.series, measured.ticks, measured.judged)
        known, scale = units != NEVER, series.scale(of.series, measured.judged)
        return _Asked(measured.found[of], np.where(known, units, 0), known, scale, inclusive, count_min)

    told: dict[str, pl.Series] = {}
    for each in asked:
        of = window(each.window)
        if each.kind == "n":
            told[each.name] = pl.Series(each.name, of.n)
        elif each.kind == "rate":
            told[each.name] = pl.Series(each.name, of.n / (each.window.span_ms / 1_000.0))
        elif each.kind == "vwap":
            size, notional = (window(Window(name, each.window.span_ms)) for name in ("size", "notional"))
            told[each.name] = nullable(each.name, _vwap(size, notional))
        elif each.kind in _AT_AN_END:
            told[each.name] = nullable(each.name, _AT_AN_END[each.kind](each.window, of, measured, kept))
        else:
            told[each.name] = nullable(each.name, _OF_VALUES[each.kind](of))
    return told


def of_row(name: str, measured: Measured) -> pl.Series:
    """A value of the row itself; prices and sizes as they came."""
    if name in measured.ticks.columns:
        return measured.ticks[name]
    units = series.units(name, measured.ticks, measured.judged)
    return nullable(name, np.where(units != NEVER, units / series.scale(name, measured.judged), np.nan))


def _mean(asked: _Asked) -> Floats:
    return _moments(asked)[0]


def _std(asked: _Asked) -> Floats:
    return _moments(asked)[1]


def _z(asked: _Asked) -> Floats:
    return np.where(asked.known & (asked.n >= asked.count_min), _moments(asked)[2], np.nan)


def _moments(asked: _Asked) -> tuple[Floats, Floats, Floats]:
    baseline = asked.baseline._replace(n=asked.n)
    return statistics(baseline, asked.x, asked.scale, inclusive=False)[1:]


def _total(asked: _Asked) -> Floats:
    """The exact sum of the values as float64, in units."""
    total = np.empty(len(asked.x))
    kernel.totals(given(asked.n), Int128._make(map(given, asked.baseline.s)), given(asked.x), total)
    return total


def _sum(asked: _Asked) -> Floats:
    return _total(asked) / asked.scale


def _vwap(size: _Asked, notional: _Asked) -> Floats:
    sizes = _sum(size)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(sizes != 0.0, _sum(notional) / sizes, np.nan)


def _bounds(asked: _Asked) -> tuple[Ints, Ints]:
    """The lowest and the highest value, in units; NEVER where there is none."""
    low, high = asked.baseline.low, asked.baseline.high
    low = np.where(asked.adds, np.where(low == NEVER, asked.x, np.minimum(low, asked.x)), low)
    high = np.where(asked.adds, np.maximum(high, asked.x), high)
    return low, high


def _min(asked: _Asked) -> Floats:
    return np.where(asked.n > 0, _bounds(asked)[0] / asked.scale, np.nan)


def _max(asked: _Asked) -> Floats:
    return np.where(asked.n > 0, _bounds(asked)[1] / asked.scale, np.nan)


def _range(asked: _Asked) -> Floats:
    low, high = _bounds(asked)
    return np.where(asked.n > 0, (high - low) / asked.scale, np.nan)


def _first(window: Window, asked: _Asked, measured: Measured, kept: Windows) -> Floats:
    return _at(measured.found[_price(window)].first, window, asked, measured, kept)


def _last(window: Window, asked: _Asked, measured: Measured, kept: Windows) -> Floats:
    baseline = measured.found[_price(window)]
    return _at(baseline.own if asked.inclusive else baseline.before, window, asked, measured, kept)


def _at(slots: Ints, window: Window, asked: _Asked, measured: Measured, kept: Windows) -> Floats:
    """The value of the ticks in these slots; NaN where it is unknown, or no row lies in the window."""
    rows = measured.found[_price(window)].n + asked.inclusive
    units = kept.kept(slots, "x" if window.series == "price" else window.series)
    return np.where((rows > 0) & (units != NEVER), units / asked.scale, np.nan)


def _age(window: Window, asked: _Asked, measured: Measured, kept: Windows) -> Floats:
    baseline = measured.found[_price(window)]
    since = measured.judged.t - kept.kept(baseline.first, "t")
    return np.where(baseline.n + asked.inclusive > 0, since / _US, np.nan)


def _price(window: Window) -> Window:
    return Window("price", window.span_ms)


_OF_VALUES: Mapping[str, Callable[[_Asked], Floats]] = {
    "mean": _mean,
    "std": _std,
    "z": _z,
    "sum": _sum,
    "min": _min,
    "max": _max,
    "range": _range,
}
_AT_AN_END: Mapping[str, Callable[[Window, _Asked, Measured, Windows], Floats]] = {
    "first": _first,
    "last": _last,
    "age": _age,
}
