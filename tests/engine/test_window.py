"""What a trailing window holds, on its time line; that it is exact, and that it stays small."""

import math
from collections.abc import Sequence

import numpy as np
import pytest

from engine.kernel import Int128, Ticks
from engine.window import UNITS_MAX, Baseline, Window, Windows, statistics

MS_US = 1_000
SECOND_MS = 1_000
PRICE = Window("price", SECOND_MS)


def ticks(
    at_ms: Sequence[float], x: Sequence[int] | None = None, *, key: int = 0, missing: Sequence[int] | None = None
) -> Ticks:
    size = len(at_ms)
    t = np.array([round(each * MS_US) for each in at_ms], np.int64)
    prices = np.array([0] * size if x is None else x, np.int64)
    holes = np.array([0] * size if missing is None else missing, np.int64)
    nothing = np.zeros(size, np.int64)
    place, no_values = (np.arange(size), nothing), np.zeros((size, 0), np.int64)
    return Ticks(np.full(size, key), t, prices, holes, *place, np.zeros(size, np.bool_), no_values)


def counts(at_ms: Sequence[float], span_ms: int = SECOND_MS) -> list[int]:
    """How many ticks each one has before it in its window."""
    n: list[int] = Windows({Window("price", span_ms)}).measure(ticks(at_ms))[Window("price", span_ms)].n.tolist()
    return n


def test_a_tick_exactly_one_span_back_is_out() -> None:
    # ms     0      400    999 1000 1001
    # tick   a       b       c   d    e
    # of d   (------------------]          a is out
    # of e      (--------------------]     b, c and d are in
    assert counts([0, 400, 999, 1000, 1001]) == [0, 1, 2, 2, 3]


def test_one_microsecond_decides_at_the_edge() -> None:
    # us     0     1        1_000_000
    # tick   a     b            c        a is out, b is in
    assert counts([0, 0.001, 1000]) == [0, 1, 1]


def test_of_ticks_at_one_time_only_the_earlier_are_inside() -> None:
    # ms     0        500             1500
    # tick   a        b c d            e     b, c and d leave together
    assert counts([0, 500, 500, 500, 1500]) == [0, 1, 2, 3, 0]


def test_a_window_empties_over_a_silence() -> None:
    # ms     0  1  2 ............ 60_000
    # tick   a  b  c                 d
    assert counts([0, 1, 2, 60_000]) == [0, 1, 2, 0]


def test_spans_are_measured_side_by_side() -> None:
    # ms       0    900   1800
    # of 1 s         a      b
    # of 2 s         a     a, b
    found = Windows({PRICE, Window("price", 2_000)}).measure(ticks([0, 900, 1800]))
    assert [found[Window("price", span)].n.tolist() for span in (1_000, 2_000)] == [[0, 1, 1], [0, 1, 2]]


def test_keys_do_not_see_each_other() -> None:
    windows = Windows({PRICE})
    pairs = zip(ticks([0, 1], key=0), ticks([0, 1], key=7), strict=True)
    both = Ticks._make(np.concatenate(pair) for pair in pairs)
    assert windows.measure(both)[PRICE].n.tolist() == [0, 1, 0, 1]
    assert windows.measure(ticks([2], key=7))[PRICE].n.tolist() == [2]


def test_a_cut_between_ticks_of_one_time_changes_nothing() -> None:
    windows = Windows({PRICE})
    cut = [windows.measure(ticks([at]))[PRICE].n[0] for at in (0, 500, 500, 500, 1500)]
    assert cut == counts([0, 500, 500, 500, 1500])


def test_sums_are_about_the_price_of_the_row_itself() -> None:
    # x      100   103    99
    # of c    +1    +4           s = 5, q = 17
    found = Windows({PRICE}).measure(ticks([0, 1, 2], [100, 103, 99]))[PRICE]
    assert (found.s.to_ints(), found.q.to_ints()) == ([0, -3, 5], [0, 9, 17])


def test_missing_trades_count_from_the_oldest_row_inside_to_the_row_itself() -> None:
    # ms       0    500   999   1000
    # missing  5     2     0      1
    # of d          (2  +  0  +   1]     the hole before a is no longer inside
    found = Windows({PRICE}).measure(ticks([0, 500, 999, 1000], missing=[5, 2, 0, 1]))
    assert found[PRICE].missing.tolist() == [5, 7, 7, 3]


def test_bounds_of_a_baseline_have_their_place_in_the_log() -> None:
    windows = Windows({PRICE})
    found = windows.measure(ticks([0, 400, 1000, 1001]))[PRICE]
    first = windows.kept(found.first, "offset")
    assert first.tolist() == [0, 0, 1, 1]
    assert windows.oldest_offset(np.array([0])) == 1
    windows.measure(ticks([5_000]))
    assert windows.oldest_offset(np.array([9])) is None


@pytest.mark.parametrize("x", [UNITS_MAX - 1, 1 - UNITS_MAX])
def test_the_largest_prices_leave_the_sums_exact(x: int) -> None:
    prices = [x] * 10_000 + [-x] * 2_000  # Their running sum passes 2^63.
    found = Windows({Window("price", 10_000_000)}).measure(ticks(range(12_000), prices))[Window("price", 10_000_000)]
    for at in (1, 9_999, 10_000, 11_999):
        deltas = [each - prices[at] for each in prices[:at]]
        assert found.s.take(np.array([at])).to_ints() == [sum(deltas)]
        assert found.q.take(np.array([at])).to_ints() == [sum(delta * delta for delta in deltas)]


def test_five_million_ticks_in_a_window_with_a_drift_of_half_the_price_are_exact() -> None:
    span_ms, inside, leaving, batch = 5_000_000, 5_000_000, 300_000, 100_000
    draw = np.random.default_rng(5)
    drift = np.linspace(6.4e12, 9.6e12, inside + leaving)
    x = (drift + draw.normal(0, 2e9, len(drift))).astype(np.int64)
    t = np.arange(1, len(x) + 1) * MS_US
    nothing = np.zeros(len(x), np.int64)
    log = Ticks(
        nothing, t, x, nothing, np.arange(len(x)), nothing, nothing.astype(np.bool_), np.zeros((len(x), 0), np.int64)
    )
    windows = Windows({Window("price", span_ms)})
    windows.measure(Ticks._make(column[:inside] for column in log))
    for start in range(inside, len(x), batch):
        found = windows.measure(Ticks._make(column[start : start + batch] for column in log))[Window("price", span_ms)]
        at = int(draw.integers(batch))
        own, n = int(x[start + at]), inside - 1
        around = (x[start + at - n : start + at] - own).tolist()
        row = found.take(np.array([at]))
        assert int(row.n[0]) == n
        assert row.s.to_ints() == [sum(around)]
        assert row.q.to_ints() == [sum(each * each for each in around)]
    assert windows.ticks_held <= inside + batch


def test_memory_does_not_grow_with_the_windows_that_have_passed() -> None:
    windows, per_window, batch = Windows({Window("price", 10_000)}), 10_000, 1_000
    held = []
    for start in range(0, 20 * per_window, batch):
        windows.measure(ticks(range(start, start + batch), range(start, start + batch)))
        held.append((windows.ticks_held, windows.bytes_held))
    of_second_window = held[2 * per_window // batch]
    assert max(ticks_held for ticks_held, _ in held) <= per_window + batch
    assert max(bytes_held for _, bytes_held in held) == of_second_window[1]


def test_bursts_that_leave_all_at_once_leave_nothing_behind() -> None:
    windows, held = Windows({PRICE}), []
    for minute in range(50):
        windows.measure(ticks([minute * 60_000] * 1_000))
        held.append(windows.bytes_held)
    assert held[-1] == held[2]


def test_a_forgotten_key_starts_empty_and_gives_its_room_back() -> None:
    windows = Windows({PRICE})
    windows.measure(ticks([0, 1, 2], [5, 6, 7], missing=[1, 1, 1]))
    windows.forget(np.array([0, 99]))
    assert windows.ticks_held == 0
    found = windows.measure(ticks([3, 4], [9, 11]))[PRICE]
    assert (found.n.tolist(), found.s.to_ints(), found.missing.tolist()) == ([0, 1], [0, -2], [0, 0])


def test_a_key_that_starts_anew_has_nothing_before_it() -> None:
    windows = Windows({PRICE, Window("price", 2_000)})
    log = ticks([0, 1, *range(2, 40)])
    log.anew[[2, 39]] = True
    for found in windows.measure(log).values():
        assert found.n.tolist() == [0, 1, *range(37), 0]
    assert windows.ticks_held == 1
    assert windows.measure(ticks([41]))[PRICE].n.tolist() == [1]


def test_keys_that_come_and_go_leave_nothing_behind() -> None:
    windows = Windows({PRICE})
    windows.measure(ticks(range(100)))
    for key in range(1, 2_000):
        windows.measure(ticks(range(100), key=key % 50))
        windows.forget(np.array([key % 50]))
    assert windows.ticks_held <= 100
    assert windows.bytes_held <= 1 << 20


def baseline(deltas: Sequence[int]) -> Baseline:
    """A baseline that lies at these distances from the row's own price."""
    s, q = sum(deltas), sum(delta * delta for delta in deltas)
    one = np.zeros(1, np.int64)
    return Baseline(np.array([len(deltas)]), one, wide(s), wide(q), one, one, one, one, one)


def wide(value: int) -> Int128:
    high, low = divmod(value, 2**64)
    return Int128(np.array([high % 2**64], np.uint64), np.array([low], np.uint64))


def measured(deltas: Sequence[int], x: int = 0, *, inclusive: bool = False) -> tuple[int, float, float, float]:
    """n, mean, std and z of a price in hundredths."""
    found = statistics(baseline(deltas), np.array([x]), np.array([100.0]), inclusive=inclusive)
    n, mean, std, z = (column.tolist()[0] for column in found)
    return n, mean, std, z


def test_mean_deviation_and_z_are_those_of_the_textbook() -> None:
    # Prices 1.00, 2.00, 3.00 before 5.00: mean 2, deviation 1, three deviations above.
    assert measured([-400, -300, -200], 500) == (3, 2.0, 1.0, 3.0)


def test_under_inclusive_the_tick_itself_is_one_of_the_n() -> None:
    n, mean, std, z = measured([-400, -300, -200], 500, inclusive=True)
    assert (n, mean) == (4, 2.75)
    assert std == pytest.approx(np.std([1, 2, 3, 5], ddof=1))
    assert z == pytest.approx((5 - 2.75) / np.std([1, 2, 3, 5], ddof=1))


def test_nothing_is_told_that_too_few_ticks_cannot_tell() -> None:
    n, *of_none = measured([])
    assert (n, [math.isnan(each) for each in of_none]) == (0, [True, True, True])
    n, mean, *of_one = measured([-100], 500)
    assert (n, mean, [math.isnan(each) for each in of_one]) == (1, 4.0, [True, True])


def test_on_a_flat_baseline_any_move_is_infinitely_far_and_none_has_no_z() -> None:
    assert measured([-1] * 30, 500)[1:] == (4.99, 0.0, math.inf)
    assert measured([1] * 30, 500)[1:] == (5.01, 0.0, -math.inf)
    _, mean, std, z = measured([0] * 30, 500)
    assert (mean, std, math.isnan(z)) == (5.0, 0.0, True)


@pytest.mark.parametrize("n", [2, 3, 7, 30, 1_000, 12_345])
def test_a_flat_baseline_is_flat_at_any_distance(n: int) -> None:
    # s x m need not be q to the last bit, though both stand for n x distance^2.
    for distance in np.random.default_rng(n).integers(1, UNITS_MAX, 300).tolist():
        assert measured([-distance] * n)[2:] == (0.0, math.inf)


def test_flat_ends_at_one_part_in_two_to_the_48th() -> None:
    away = 2**30
    assert measured([-(away - 76), -(away + 76)])[2] > 0.0  # (76 / 2^30)^2 is 2^-47.5
    assert measured([-(away - 63), -(away + 63)])[2] == 0.0  # and (63 / 2^30)^2 is 2^-48.05.


def test_the_smallest_unevenness_that_can_be_told_from_rounding_is_no_flat_baseline() -> None:
    _, _, std, z = measured([-100_000, *[-100_001] * 29], 500)
    assert std > 0.0
    assert 0.0 < z < math.inf
