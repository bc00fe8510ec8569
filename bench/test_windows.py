"""Gates: exact windows and z beside rolling expressions of Polars over the same rows."""

from statistics import median

import numpy as np
import polars as pl
import pytest

from bench import rolling, ticks
from bench.conftest import Tell
from bench.cpu import duel
from bench.windows import Series, measure, measure_all, step_all, windows
from engine.rules import Rules
from engine.step import step

pytestmark = pytest.mark.bench

PAIRS = 9
BATCH_ROWS = 10_000
RATIO_MAX = 1.5
DRAIN_ROWS = 1_000
GAIN_MIN = 20


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


def test_batches_cost_little_more_than_all_at_once(series: Series, log: pl.DataFrame, rules: Rules, tell: Tell) -> None:
    theirs = rolling.best(series.frame)
    gate = duel(lambda: measure_all(series, BATCH_ROWS), lambda: theirs(series.frame), PAIRS)
    without = duel(lambda: measure_all(series, BATCH_ROWS), lambda: rolling.uncounted(series.frame), PAIRS)
    whole = duel(lambda: step_all(log, rules, BATCH_ROWS), lambda: theirs(series.frame), 1)
    tell(f"CPU ns a tick over {len(log):,} ticks in batches of {BATCH_ROWS:,}, and Polars' over all at once:")
    for name, against, done in (
        (f"windows and z, gate {RATIO_MAX}", theirs, gate),
        ("windows and z", rolling.uncounted, without),
        ("whole step", theirs, whole),
    ):
        ours_ns, theirs_ns = (median(seconds) / len(log) * 1e9 for seconds in done)
        tell(f"  {name:24} {ours_ns:6.0f}   {against.__name__:14} {theirs_ns:6.0f}   ratio {done.ratio:.2f}")
    assert gate.ratio <= RATIO_MAX


def test_a_drain_costs_a_fraction_of_computing_its_windows_again(
    series: Series, log: pl.DataFrame, rules: Rules, tell: Tell
) -> None:
    inside = ticks.TICKS_PER_SECOND * ticks.WINDOW_MS // 1_000
    frame = series.frame[-inside - DRAIN_ROWS :]
    theirs = rolling.best(frame)
    warm_rows = len(log) - PAIRS * DRAIN_ROWS
    into = windows()
    for batch in series.batches(BATCH_ROWS, 0, warm_rows):
        measure(into, *batch)
    state, drains = step_all(log[:warm_rows], rules, BATCH_ROWS), ticks.batches(log[warm_rows:], DRAIN_ROWS)
    batches = series.batches(DRAIN_ROWS, warm_rows, len(log))
    gate = duel(lambda: measure(into, *next(batches)), lambda: theirs(frame)[-DRAIN_ROWS:], PAIRS)
    whole = duel(lambda: step(state, next(drains), now_us=0), lambda: theirs(frame)[-DRAIN_ROWS:], PAIRS)
    tell(f"CPU ms for {DRAIN_ROWS:,} ticks with {inside:,} in the windows, and Polars' over tail and batch:")
    for name, done in ((f"windows and z, gate {GAIN_MIN}", gate), ("whole step", whole)):
        ours_ms, theirs_ms = (median(seconds) * 1e3 for seconds in done)
        tell(f"  {name:24} {ours_ms:6.2f}   {theirs.__name__:14} {theirs_ms:6.2f}   gain {1 / done.ratio:.1f}")
    assert 1 / gate.ratio >= GAIN_MIN
