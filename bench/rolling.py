"""The baseline: rolling mean and standard deviation of Polars and the z that follows, in the ways there are to say it."""

from collections.abc import Callable
from functools import partial

import polars as pl

from bench.cpu import cpu_seconds
from bench.ticks import WINDOW_MS

SPAN = f"{WINDOW_MS}ms"
_PRICE = pl.col("price")
_MEAN, _STD = _PRICE.rolling_mean_by("t", SPAN), _PRICE.rolling_std_by("t", SPAN)
_Z = (_PRICE - _MEAN) / _STD


def over(ticks: pl.DataFrame) -> pl.DataFrame:
    """As window expressions over the key."""
    return ticks.lazy().with_columns(z=_Z.over("key")).collect()


def aggregated(ticks: pl.DataFrame) -> pl.DataFrame:
    """Within an aggregation by key."""
    return ticks.lazy().group_by("key").agg("t", "price", z=_Z).explode("t", "price", "z").collect()


def apart(ticks: pl.DataFrame) -> pl.DataFrame:
    """Key by key, on frames cut before."""
    return pl.concat(pl.collect_all([each.lazy().with_columns(z=_Z) for each in ticks.partition_by("key")]))


def rolling(ticks: pl.DataFrame) -> pl.DataFrame:
    """As a rolling aggregation."""
    inside = ticks.lazy().rolling("t", period=SPAN, group_by="key")
    measured = inside.agg(price=_PRICE.last(), mean=_PRICE.mean(), std=_PRICE.std())
    return measured.with_columns(z=(_PRICE - pl.col("mean")) / pl.col("std")).collect()


WAYS: tuple[Callable[[pl.DataFrame], pl.DataFrame], ...] = (over, aggregated, apart, rolling)


def best(ticks: pl.DataFrame, tries: int = 2) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """The way that takes the least CPU on these rows, here and now."""
    seconds = {way: min(cpu_seconds(partial(way, ticks)) for _ in range(tries)) for way in WAYS}
    return min(seconds, key=lambda way: seconds[way])
