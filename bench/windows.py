"""What is measured of the core: the windows alone, and the whole step."""

from collections.abc import Iterator

import numpy as np
import polars as pl

from bench import ticks
from engine.columns import Floats, Ints
from engine.kernel import Ticks
from engine.rules import Rules
from engine.step import State, step
from engine.window import Window, Windows, statistics

Measured = tuple[Ints, Floats, Floats, Floats]
"""n, mean, std and z."""


class Series:
    """A log as windows get it and as Polars gets it: keys as numbers and times in us in both."""

    def __init__(self, log: pl.DataFrame, rules: Rules) -> None:
        self.ticks, self.scale = ticks.accepted(log, rules)
        time = pl.Series("t", self.ticks.t).cast(pl.Datetime("us")).set_sorted()
        key = pl.Series("key", self.ticks.key.astype(np.uint32))
        self.frame = pl.DataFrame([key, time, log["price"]])

    def batches(self, rows: int, start: int = 0, stop: int | None = None) -> Iterator[tuple[Ticks, Floats]]:
        """Pieces of `rows` ticks with the scale of their prices."""
        end = len(self.scale) if stop is None else stop
        for at in range(start, end, rows):
            piece = slice(at, min(at + rows, end))
            yield Ticks._make(column[piece] for column in self.ticks), self.scale[piece]


PRICE = Window("price", ticks.WINDOW_MS)


def windows() -> Windows:
    """Empty ones, of the built-in detector's length."""
    return Windows({PRICE})


def measure(into: Windows, batch: Ticks, scale: Floats) -> Measured:
    """Windows and z of one batch."""
    return statistics(into.measure(batch)[PRICE], batch.x, scale, inclusive=True)


def measure_all(series: Series, rows: int) -> list[Measured]:
    """Windows and z of a whole log in batches of `rows`."""
    into = windows()
    return [measure(into, *batch) for batch in series.batches(rows)]


def step_all(log: pl.DataFrame, rules: Rules, rows: int) -> State:
    """The whole step over a whole log in batches of `rows`."""
    state = State(rules, snapshot_ms=5_000)
    for batch in ticks.batches(log, rows):
        step(state, batch, now_us=0)
    return state
