"""The baseline: what rolling expressions of Polars make of the same rows at once, in the ways there are to say it.

Each takes key, t (sorted) and price, and gives count, mean, std and z of every row in the order of the log, as the
engine does. Windows are (t - span, t] with the row itself and, unlike the engine's, with later rows of the same time.
"""

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import polars as pl

from bench.cpu import cpu_seconds
from bench.ticks import WINDOW_MS

Way: TypeAlias = Callable[[pl.DataFrame], pl.DataFrame]

_SPAN = f"{WINDOW_MS}ms"
_PRICE = pl.col("price")
_MEAN, _STD = _PRICE.rolling_mean_by("t", _SPAN), _PRICE.rolling_std_by("t", _SPAN)
_ONES = pl.lit(1, pl.UInt32).alias("one")
_COUNT = pl.col("one").rolling_sum_by("t", _SPAN)
_Z = (_PRICE - pl.col("mean")) / pl.col("std")


def over(ticks: pl.DataFrame) -> pl.DataFrame:
    """As window expressions over the key, the count as a sum of ones."""
    measured = ticks.lazy().with_columns(_ONES).with_columns(n=_COUNT.over("key"), **_over_key())
    return measured.with_columns(z=_Z).collect()


def over_counted(ticks: pl.DataFrame) -> pl.DataFrame:
    """As window expressions over the key, the count as a length."""
    count = pl.len().rolling("t", period=_SPAN).over("key")
    return ticks.lazy().with_columns(n=count, **_over_key()).with_columns(z=_Z).collect()


def apart(ticks: pl.DataFrame) -> pl.DataFrame:
    """Key by key on frames cut before, then back in order."""
    keys = ticks.with_columns(_ONES).with_row_index().partition_by("key")
    measured = [each.lazy().with_columns(n=_COUNT, mean=_MEAN, std=_STD).with_columns(z=_Z) for each in keys]
    return pl.concat(pl.collect_all(measured)).sort("index")


def uncounted(ticks: pl.DataFrame) -> pl.DataFrame:
    """As `over`, without the count: less than the engine gives, for comparison."""
    return ticks.lazy().with_columns(**_over_key()).with_columns(z=_Z).collect()


WAYS: tuple[Way, ...] = (over, over_counted, apart)


def best(ticks: pl.DataFrame, tries: int = 3) -> Way:
    """The way that takes the least CPU on these rows, here and now."""
    seconds = {way: min(cpu_seconds(partial(way, ticks)) for _ in range(tries)) for way in WAYS}
    return min(seconds, key=lambda way: seconds[way])


def _over_key() -> dict[str, pl.Expr]:
    return {"mean": _MEAN.over("key"), "std": _STD.over("key")}
