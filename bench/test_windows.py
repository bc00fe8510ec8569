"""Gates: exact windows and z beside rolling expressions of Polars over the same rows."""

from collections.abc import Callable, Iterator
from statistics import median

import numpy as np
import polars as pl
import pytest

from bench import rolling, ticks
from bench.conftest import Tell
from bench.cpu import Duel, duel
from bench.windows import Series, measure, measure_all, step_all, windows
from engine.rules import Rules
from engine.step import step

pytestmark = pytest.mark.bench

PAIRS = 15
BATCH_ROWS = 10_000
RATIO_MAX = 1.0
DRAIN_ROWS = 1_000
GAIN_AIM = 20
TAIL_ROWS = ticks.TICKS_PER_SECOND * ticks.WINDOW_MS // 1_000


Drains = Callable[[Series, pl.DataFrame, Rules], Iterator[object]]
"""Fills the windows; what it returns takes one drain in at a time."""


def measured_drains(series: Series, log: pl.DataFrame, _: Rules) -> Iterator[object]:
    into, warm_rows = windows(), len(log) - PAIRS * DRAIN_ROWS
    for batch in series.batches(BATCH_ROWS, 0, warm_rows):
        measure(into, *batch)
    return (measure(into, *batch) for batch in series.batches(DRAIN_ROWS, warm_rows))


def stepped_drains(_: Series, log: pl.DataFrame, rules: Rules) -> Iterator[object]:
    warm_rows = len(log) - PAIRS * DRAIN_ROWS
    state = step_all(log[:warm_rows], rules, BATCH_ROWS)
    return (step(state, batch, now_us=0) for batch in ticks.batches(log[warm_rows:], DRAIN_ROWS))


def per_tick(what: str, done: Duel, theirs: rolling.Way, series: Series) -> str:
    ours_ns, theirs_ns = (median(seconds) / len(series.scale) * 1e9 for seconds in done)
    return (
        f"{len(series.scale):,} ticks in batches of {BATCH_ROWS:,}: {what} {ours_ns:.0f} CPU ns a tick,"
        f" Polars {theirs.__name__} at once {theirs_ns:.0f}, ratio {done.ratio:.2f}"
    )


@pytest.fixture(scope="module")
def series(log: pl.DataFrame, rules: Rules) -> Series:
    return Series(log, rules)


def test_both_sides_give_the_same(series: Series) -> None:
    n, mean, std, z = (np.concatenate(column) for column in zip(*measure_all(series, BATCH_ROWS), strict=True))
    # Where the next row of a key has another time: before that, Polars' windows reach ahead.
    last_of_time = series.frame.select((pl.col("t").shift(-1) != pl.col("t")).fill_null(True).over("key"))
    same = last_of_time.to_series().to_numpy() & (n >= 30)
    for way in rolling.WAYS:
        theirs = way(series.frame)
        assert np.array_equal(theirs["n"].to_numpy()[same], n[same])
        for name, ours in (("mean", mean), ("std", std), ("z", z)):
            np.testing.assert_allclose(theirs[name].to_numpy()[same], ours[same], rtol=1e-4, atol=1e-4, err_msg=name)


@pytest.mark.parametrize("counted", [True, False], ids=["counted", "uncounted"])
def test_batches_cost_no_more_than_all_at_once(counted: bool, series: Series, tell: Tell) -> None:  # noqa: FBT001
    theirs = rolling.best(series.frame) if counted else rolling.uncounted
    done = duel(lambda: measure_all(series, BATCH_ROWS), lambda: theirs(series.frame), PAIRS)
    tell(per_tick("windows and z", done, theirs, series) + f", gate {RATIO_MAX}")
    assert done.ratio <= RATIO_MAX


def test_whole_step_stands_beside(log: pl.DataFrame, series: Series, rules: Rules, tell: Tell) -> None:
    theirs = rolling.best(series.frame)
    done = duel(lambda: step_all(log, rules, BATCH_ROWS), lambda: theirs(series.frame), pairs=2)
    tell(per_tick("whole step", done, theirs, series))


@pytest.mark.parametrize(("drain", "gain_min"), [(measured_drains, GAIN_AIM), (stepped_drains, 15)])
def test_a_drain_costs_a_fraction_of_computing_its_windows_again(
    drain: Drains, gain_min: float, series: Series, log: pl.DataFrame, rules: Rules, tell: Tell
) -> None:
    frame = series.frame[-TAIL_ROWS - DRAIN_ROWS :]
    theirs = rolling.best(frame)
    drains = drain(series, log, rules)
    done = duel(lambda: next(drains), lambda: theirs(frame)[-DRAIN_ROWS:], PAIRS)
    ours_ms, theirs_ms = (median(seconds) * 1e3 for seconds in done)
    tell(
        f"{DRAIN_ROWS:,} ticks, {TAIL_ROWS:,} inside: {drain.__name__} {ours_ms:.2f} CPU ms,"
        f" Polars {theirs.__name__} over tail and batch {theirs_ms:.2f},"
        f" gain {1 / done.ratio:.1f}, gate {gain_min}, aim {GAIN_AIM}"
    )
    assert 1 / done.ratio >= gain_min
