"""Gates: exact windows and z beside rolling expressions of Polars over the same rows."""

from collections.abc import Iterator

import numpy as np
import polars as pl
import pytest

from bench import rolling, ticks
from bench.conftest import Tell
from bench.cpu import Duel, duel
from engine.int128 import Floats
from engine.rules import Rules
from engine.step import State, step
from engine.window import PriceWindows, Ticks, statistics

pytestmark = pytest.mark.bench

PAIRS = 7
WHOLE_RATIO_MAX = 1.5
BATCH_GAIN_MIN = 20


class Series:
    """The log as windows get it and as Polars gets it: keys as numbers, times in us, in both."""

    def __init__(self, log: pl.DataFrame, rules: Rules) -> None:
        self.ticks, self.scale = ticks.accepted(log, rules)
        self.frame = pl.DataFrame(
            {
                "key": self.ticks.key.astype(np.uint32),
                "t": pl.Series(self.ticks.t).cast(pl.Datetime("us")).set_sorted(),
                "price": log["price"],
            }
        )

    def batches(self, rows: int) -> Iterator[tuple[Ticks, Floats]]:
        for at in range(0, len(self.scale), rows):
            batch = slice(at, at + rows)
            yield Ticks(*(column[batch] for column in self.ticks)), self.scale[batch]


@pytest.fixture(scope="module")
def series(log: pl.DataFrame, rules: Rules) -> Series:
    return Series(log, rules)


def z_of(windows: PriceWindows, batch: Ticks, scale: Floats) -> Floats:
    baseline = windows.measure(batch)[ticks.WINDOW_MS]
    return statistics(baseline, batch.x, scale, inclusive=True)[3]


def whole(series: Series, rows: int) -> Floats:
    windows = PriceWindows((ticks.WINDOW_MS,))
    return np.concatenate([z_of(windows, *batch) for batch in series.batches(rows)])


def test_all_compute_the_same(series: Series) -> None:
    """Where a key's times differ: Polars lets later ticks of the same time into the window."""
    z = series.frame.with_columns(ours=whole(series, 10_000)).sort("key", "t", maintain_order=True)
    alone = z.select(pl.struct("key", "t").is_unique()).to_series().to_numpy()
    warm = z.select(pl.int_range(pl.len()).over("key") >= 30).to_series().to_numpy()
    for way in rolling.WAYS:
        theirs = way(series.frame).sort("key", "t", maintain_order=True)
        assert theirs.select("key", "t").equals(z.select("key", "t"))
        np.testing.assert_allclose(
            theirs["z"].to_numpy()[alone & warm], z["ours"].to_numpy()[alone & warm], rtol=1e-3, atol=1e-3
        )


def test_batches_cost_little_more_than_the_whole_log_at_once(
    series: Series, log: pl.DataFrame, rules: Rules, tell: Tell
) -> None:
    theirs = rolling.best(series.frame)
    windows = duel(lambda: whole(series, 10_000), lambda: theirs(series.frame), PAIRS)
    steps = duel(lambda: stepped(log, rules), lambda: theirs(series.frame), 1)
    tell(f"whole log, {len(log):,} ticks in batches of 10,000, CPU; Polars at once by {theirs.__name__}():")
    tell(f"  windows and z {per_tick(windows, len(log))}, {windows.ratio:.2f}x, at most {WHOLE_RATIO_MAX}x")
    tell(f"  whole step    {per_tick(steps, len(log))}, {steps.ratio:.2f}x, no gate")
    assert windows.ratio <= WHOLE_RATIO_MAX


def stepped(log: pl.DataFrame, rules: Rules) -> None:
    state = State(rules, snapshot_ms=5_000)
    for batch in ticks.batches(log, 10_000):
        step(state, batch, now_us=0)


def per_tick(seconds: Duel, rows: int) -> str:
    ours, theirs = (sorted(side)[len(side) // 2] / rows * 1e9 for side in seconds)
    return f"{ours:.0f} ns a tick, Polars {theirs:.0f}"
