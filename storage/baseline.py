"""The ticks that a peak was held against: which they are, and which of them stand out."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import polars as pl
from msgspec import Struct


class Tick(Struct, frozen=True):
    """A tick of the window, at the time it was scored at; `number` counts them from the oldest."""

    number: int
    offset: int
    row: int
    ts_event: datetime
    price: float
    size: float | None
    side: str | None
    marks: Sequence[str]


class Baseline(Struct, frozen=True):
    """All `ticks` up to the peak, numbered from 1 for the oldest `within` the baseline; older ones downwards from 0.

    `furthest` is the number of the earlier tick furthest from the mean, of several the oldest.
    """

    ticks: pl.DataFrame
    within: pl.DataFrame
    furthest: int | None

    @property
    def bounds(self) -> dict[str, int | None]:
        """The places of the first and the last, as an anomaly carries them."""
        ends = {"first": self.within.head(1), "last": self.within.tail(1)}
        return {f"{end}_{part}": _first(rows[part]) for end, rows in ends.items() for part in ("offset", "row")}

    def without_furthest(self) -> pl.DataFrame:
        """The ticks as if that one had not been there."""
        return self.ticks.filter(pl.col("number") != self.furthest).drop("number")

    def shown(self, ticks_max: int) -> list[Tick]:
        """So many of the first and of the last, and those that are marked."""
        prices, numbers = self.within["price"], self.within["number"]
        marks = {
            "peak": self.ticks["number"][-1],
            "furthest": self.furthest,
            "highest": _first(numbers.filter(prices == prices.max())),
            "lowest": _first(numbers.filter(prices == prices.min())),
        }
        chosen = {*numbers.head(ticks_max), *numbers.tail(ticks_max), *marks.values()} - {None}
        rows = self.ticks.filter(pl.col("number").is_in(chosen)).to_dicts()
        return [msgspec.convert(row | {"marks": _keys_of(row["number"], marks)}, Tick) for row in rows]


def baseline(ticks: pl.DataFrame, mean: float, window_ms: int, *, inclusive: bool) -> Baseline:
    """The baseline of the last of these ticks, which lie in the order of the log."""
    since = ticks["ts_event"][-1] - timedelta(milliseconds=window_ms)
    older = (ticks["ts_event"] <= since).sum()
    numbered = ticks.with_columns(number=pl.int_range(1, pl.len() + 1) - older)
    in_window = numbered.filter(pl.col("number") > 0)
    earlier = in_window[:-1]
    far = (earlier["price"] - mean).abs()
    return Baseline(numbered, in_window if inclusive else earlier, _first(earlier["number"].filter(far == far.max())))


def _first(values: pl.Series) -> Any:
    return values[0] if len(values) else None


def _keys_of(value: object, of: dict[str, Any]) -> list[str]:
    return [key for key, each in of.items() if each == value]
