"""The loop over ticks beside a loop in plain Python, and the arithmetic of two words."""

import random

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.columns import NEVER, Ints
from engine.kernel import Ticks, minus, plus, times, to_float
from engine.window import Baseline, Window, Windows

SERIES = ("change", "size")
WINDOWS = {
    Window("price", 10),
    Window("price", 50),
    Window("size", 20),
    Window("change", 50),
    Window("size", 50),
}
EXTREMES = {Window("price", 10), Window("price", 50), Window("size", 20), Window("size", 50)}


def random_ticks(seed: int, rows: int) -> Ticks:
    """Three keys, ties and silences, flat stretches, unknown values, now and then a key that starts anew."""
    draw = random.Random(seed)
    latest, made = [0, 0, 0], []
    for at in range(rows):
        key = draw.choice((0, 0, 1, 2))
        latest[key] += draw.choice((0, 0, 1, 2, 9, 10, 11, 40, 51)) * 1_000
        x = draw.choice((3, 3, 5, 8, -4, draw.randrange(-(2**49), 2**49)))
        values = [draw.choice((NEVER, 0, 1, 7, -7, draw.randrange(-(2**49), 2**49))) for _ in SERIES]
        made.append((key, latest[key], x, draw.choice((0, 0, 2)), at, at % 3, draw.random() < 0.02, values))
    columns = [list(column) for column in zip(*made, strict=True)]
    return Ticks._make(np.array(column) for column in columns)


def in_plain_python(ticks: Ticks, window: Window) -> list[tuple[int, int, int, int, int | None, int | None, int]]:
    """Of each row n, s, q, missing, the extremes and where the oldest row inside lay."""
    told, by_key = [], dict[int, list[int]]()
    units = ticks.x if window.series == "price" else ticks.values[:, SERIES.index(window.series)]
    for at in range(len(ticks.key)):
        rows = by_key.setdefault(int(ticks.key[at]), [])
        if ticks.anew[at]:
            rows.clear()
        inside = [row for row in rows if ticks.t[row] > ticks.t[at] - window.span_ms * 1_000]
        known = [int(units[row]) for row in inside if units[row] != NEVER]
        x = 0 if units[at] == NEVER else int(units[at])
        missing = int(ticks.missing[[*inside, at]].sum())
        s, q = sum(value - x for value in known), sum((value - x) ** 2 for value in known)
        told.append((len(known), s, q, missing, min(known, default=None), max(known, default=None), [*inside, at][0]))
        rows.append(at)
    return told


@pytest.mark.parametrize("cut", [1, 7, 1_000])
@pytest.mark.parametrize("seed", range(8))
def test_each_window_holds_what_a_list_of_its_rows_holds(seed: int, cut: int) -> None:
    ticks, windows = random_ticks(seed, 1_000), Windows(WINDOWS, EXTREMES)
    told: dict[Window, list[tuple[int, int, int, int, int | None, int | None, int]]] = {each: [] for each in WINDOWS}
    for start in range(0, 1_000, cut):
        found = windows.measure(Ticks._make(column[start : start + cut] for column in ticks))
        for window, rows in told.items():
            baseline = found[window]
            first = windows.kept(baseline.first, "offset").tolist()
            columns = (baseline.n.tolist(), baseline.s.to_ints(), baseline.q.to_ints(), baseline.missing.tolist())
            extremes = (optional(baseline.low, len(first)), optional(baseline.high, len(first)))
            rows.extend(zip(*columns, *extremes, first, strict=True))
    for window in WINDOWS:
        wanted = in_plain_python(ticks, window)
        if window not in EXTREMES:
            wanted = [(*row[:4], None, None, row[6]) for row in wanted]
        assert told[window] == wanted


def told_of(baseline: Baseline) -> list[list[int]]:
    sums = [baseline.s.to_ints(), baseline.q.to_ints()]
    return [*sums, *(column.tolist() for column in (baseline.n, baseline.missing, baseline.low, baseline.high))]


def optional(extremes: Ints, rows: int) -> list[int | None]:
    return [None if each == NEVER else each for each in extremes.tolist()] if len(extremes) else [None] * rows


@pytest.mark.parametrize("seed", range(4))
def test_room_that_a_burst_took_is_given_back_and_nothing_else_changes(seed: int) -> None:
    ticks, windows, steady = random_ticks(seed, 1_000), Windows(WINDOWS, EXTREMES), Windows(WINDOWS, EXTREMES)
    burst = random_ticks(seed + 100, 60_000)
    held = []
    for at in range(1_000):
        row = Ticks._make(column[at : at + 1] for column in ticks)
        if at == 300:  # A key of its own, far later: all but its last ticks leave at once.
            own = np.full(60_000, 3)
            windows.measure(burst._replace(key=own, t=np.full(60_000, 7_000), anew=np.zeros(60_000, np.bool_)))
            held.append(windows.bytes_held)
            windows.measure(Ticks._make(column[:1] for column in burst._replace(key=own, t=own * 10**6)))
        plain = steady.measure(row)
        for window, baseline in windows.measure(row).items():
            assert told_of(baseline) == told_of(plain[window])
        held.append(windows.bytes_held)
    assert max(held) > 4 * held[-1]


def test_values_of_a_tick_are_kept_beside_it() -> None:
    ticks, windows = random_ticks(1, 40), Windows(WINDOWS, EXTREMES)
    found = windows.measure(ticks)[Window("price", 10)]
    assert windows.kept(found.own, "size").tolist() == ticks.values[:, 1].tolist()
    assert windows.kept(found.own, "x").tolist() == ticks.x.tolist()


WORDS = st.integers(0, 2**128 - 1)


def split(value: int) -> tuple[np.uint64, np.uint64]:
    return np.uint64(value % 2**128 >> 64), np.uint64(value % 2**64)


def joined(words: tuple[np.uint64, np.uint64]) -> int:
    return (int(words[0]) << 64) + int(words[1])


@given(WORDS, WORDS, st.integers(-(2**63), 2**63 - 1))
@example(2**64 - 1, 1, -1)
@example(2**127, 2**127, -(2**63))
def test_arithmetic_of_two_words_is_that_of_whole_numbers_modulo_2_to_the_128(a: int, b: int, factor: int) -> None:
    assert joined(plus(*split(a), *split(b))) == (a + b) % 2**128
    assert joined(minus(*split(a), *split(b))) == (a - b) % 2**128
    assert joined(times(*split(a), factor)) == a * factor % 2**128


@given(st.integers(-(2**127), 2**127 - 1))
@example(-(2**127))
@example(-(2**64))
def test_as_a_float_each_word_of_the_magnitude_is_rounded_by_itself(value: int) -> None:
    high, low = divmod(abs(value), 2**64)
    told = float(high) * 2.0**64 + float(low)
    assert to_float(*split(value)) == (-told if value < 0 else told)
