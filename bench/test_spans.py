"""Gates: what a longer window, more of them and more keys cost; and the same windows in a plain compiled ring."""

from collections.abc import Callable, Sequence
from functools import partial
from statistics import median

import numpy as np
import polars as pl
import pytest

from bench import ticks
from bench.conftest import Tell
from bench.cpu import Duel, cpu_seconds, duel
from bench.ring import Rings
from bench.windows import Series, measure_all
from engine.columns import Floats, floats
from engine.kernel import Ticks
from engine.rules import Rules
from engine.window import Window, Windows, statistics

pytestmark = pytest.mark.bench

PAIRS = 9
BATCH_ROWS = 10_000
SPANS_MS = (10_000, 60_000, 3_600_000, 86_400_000)
SLOW_TICKS_PER_SECOND = 20
SLOW_ROWS = 2_000_000
"""A little more than a day."""
LENGTHS_MS = (1_000, 2_000, 5_000, 10_000, 20_000, 30_000, 45_000, 60_000)
FLAT_AIM, FLAT_MAX = 1.3, 2.5
EIGHT_AIM, EIGHT_MAX = 3.0, 8.0
RING_AIM, RING_MAX = 1.3, 4.0
AT_ONCE = 10
"""Batches measured together."""
BYTES_MAX = 48


def measured(batches: Sequence[tuple[Ticks, Floats]], windows: Windows, spans_ms: Sequence[int]) -> None:
    """Windows and z of each span, batch after batch."""
    for batch, scale in batches:
        found = windows.measure(batch)
        for span_ms in spans_ms:
            statistics(found[Window("price", span_ms)], batch.x, scale, inclusive=True)


def of_spans(spans_ms: Sequence[int]) -> Windows:
    return Windows(Window("price", span_ms) for span_ms in spans_ms)


def ns(seconds: Sequence[float], rows: int) -> float:
    return median(seconds) / rows * 1e9


@pytest.fixture(scope="module")
def day(rules: Rules) -> Series:
    return Series(ticks.log(SLOW_ROWS, SLOW_TICKS_PER_SECOND), rules)


def test_a_longer_window_costs_the_same(day: Series, tell: Tell) -> None:
    batches = list(day.batches(BATCH_ROWS))
    timed_from = len(batches) - PAIRS * AT_ONCE
    medians: list[float] = []
    for span_ms in SPANS_MS:
        windows = of_spans([span_ms])
        measured(batches[:timed_from], windows, [span_ms])
        pieces = [batches[at : at + AT_ONCE] for at in range(timed_from, len(batches), AT_ONCE)]
        seconds = [cpu_seconds(partial(measured, piece, windows, [span_ms])) for piece in pieces]
        held, medians = windows.bytes_held / windows.ticks_held, [*medians, median(seconds)]
        tell(
            f"window of {span_ms // 1_000:,} s, {windows.ticks_held:,} ticks inside:"
            f" {ns(seconds, AT_ONCE * BATCH_ROWS):.0f} CPU ns a tick, {held:.1f} bytes a tick"
        )
        assert windows.ticks_held < 50_000 or held <= BYTES_MAX
    ratio = max(medians) / min(medians)
    tell(f"windows and z of 10 s to 24 h, dearest to cheapest: {ratio:.2f}, gate {FLAT_MAX}, aim {FLAT_AIM}")
    assert ratio <= FLAT_MAX


def test_eight_lengths_cost_less_than_eight_times_one(log: pl.DataFrame, rules: Rules, tell: Tell) -> None:
    series = Series(log[:500_000], rules)
    batches = list(series.batches(BATCH_ROWS))

    def work(spans_ms: Sequence[int]) -> Callable[[], None]:
        return lambda: measured(batches, of_spans(spans_ms), spans_ms)

    done = duel(work(LENGTHS_MS), work(LENGTHS_MS[-1:]), PAIRS)
    tell(f"eight lengths at once: {said(done, len(series.scale))}, gate {EIGHT_MAX}, aim {EIGHT_AIM}")
    assert done.ratio <= EIGHT_MAX


def test_a_small_batch_costs_the_same_over_ten_thousand_keys(log: pl.DataFrame, rules: Rules, tell: Tell) -> None:
    rows, rounds = 20, 200
    draw = np.random.default_rng(ticks.SEED)
    few = list(Series(log[: rows * rounds], rules).batches(rows))
    many = [(batch._replace(key=draw.integers(0, 10_000, len(batch.key))), scale) for batch, scale in few]
    over_many, over_few = of_spans([ticks.WINDOW_MS]), of_spans([ticks.WINDOW_MS])
    done = duel(
        lambda: measured(many, over_many, [ticks.WINDOW_MS]), lambda: measured(few, over_few, [ticks.WINDOW_MS]), PAIRS
    )
    ms = [median(seconds) / rounds * 1e3 for seconds in done]
    tell(f"{rows} ticks over 10,000 keys: {ms[0]:.3f} CPU ms, over 60 keys {ms[1]:.3f}, ratio {done.ratio:.2f}, gate 2")
    assert done.ratio <= 2.0


def test_exact_windows_cost_little_more_than_a_plain_ring(log: pl.DataFrame, rules: Rules, tell: Tell) -> None:
    series = Series(log, rules)
    price = floats(log["price"])
    key, t = series.ticks.key, series.ticks.t

    def ring() -> None:
        rings = Rings(ticks.KEYS)
        for at in range(0, len(key), BATCH_ROWS):
            piece = slice(at, at + BATCH_ROWS)
            rings.measure(key[piece], t[piece], price[piece])

    ring()  # Compiled outside of what is measured.
    done = duel(lambda: measure_all(series, BATCH_ROWS), ring, PAIRS)
    tell(f"exact windows and z beside a ring in float64: {said(done, len(key))}, gate {RING_MAX}, aim {RING_AIM}")
    assert done.ratio <= RING_MAX


def said(done: Duel, rows: int) -> str:
    return f"{ns(done.ours, rows):.0f} CPU ns a tick against {ns(done.theirs, rows):.0f}, ratio {done.ratio:.2f}"
