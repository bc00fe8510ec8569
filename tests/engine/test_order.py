"""What the order of the log makes of a tick. Times in s; late and ahead begin at 5 s, G is an hour and a minute."""

import math

import polars as pl
import pytest

from engine.order import NAMED_MAX, Order, OrderSettings
from tests.engine.made import Row, log, rules, tick
from tests.fakes import START_US

ORDER = rules().order
G = ORDER.horizon_ms / 1_000
US = 1e-6


def judged(*rows: Row) -> tuple[list[int], dict[str, int]]:
    """Which rows are accepted, and the counts that are not 0."""
    accepted, counts = Order(ORDER).judge(log(*rows))
    return accepted.place.tolist(), {name: count for name, count in counts.items() if count}


def times(*rows: Row) -> list[float]:
    """When the accepted rows are scored."""
    accepted, _ = Order(ORDER).judge(log(*rows))
    seconds: list[float] = ((accepted.t - START_US) / 1e6).tolist()
    return seconds


def clocks(*rows: Row) -> list[float]:
    """The log clock after each accepted row."""
    accepted, _ = Order(ORDER).judge(log(*rows))
    seconds: list[float] = ((accepted.clock - START_US) / 1e6).tolist()
    return seconds


def test_time_never_goes_back_within_a_key() -> None:
    # s        0     2     1     3
    # scored   0     2     2     3
    assert times(tick(0), tick(2), tick(1), tick(3)) == [0, 2, 2, 3]


def test_late_begins_one_microsecond_past_its_bound() -> None:
    # s      10      5     5 - 1 us
    #        a       b        c        b is clamped to 10, c is late
    assert judged(tick(10), tick(5), tick(5 - US)) == ([0, 1], {"read": 3, "late": 1})


def test_a_late_tick_moves_no_time_but_its_id_counts() -> None:
    rows = tick(10, trade_id=1), tick(0, trade_id=5), tick(6, trade_id=4), tick(6, trade_id=6)
    assert judged(*rows) == ([0, 3], {"read": 4, "late": 1, "duplicate": 1})


def test_a_clock_ahead_is_capped_and_freezes_nothing() -> None:
    # received   0              1        7
    # told       0           3,600       7
    # scored     0              6        7     not late, as it would be after an hour
    ahead = tick(3_600, ts_received=START_US + 1_000_000)
    assert times(tick(0), ahead, tick(7)) == [0, 6, 7]
    assert judged(tick(0), ahead, tick(7))[1] == {"read": 3, "ahead": 1}


def test_a_time_at_the_cap_is_taken_as_it_is() -> None:
    assert judged(tick(5, ts_received=START_US))[1] == {"read": 1}


def test_without_a_time_of_receipt_there_is_no_cap() -> None:
    assert times(tick(3_600, ts_received=None)) == [3_600]


def test_an_id_that_is_not_above_the_latest_is_a_duplicate() -> None:
    rows = [tick(at, trade_id=trade_id) for at, trade_id in enumerate((7, 7, 6, 8, 3))]
    assert judged(*rows) == ([0, 3], {"read": 5, "duplicate": 3})


def test_an_id_more_than_a_million_below_opens_a_new_epoch() -> None:
    ids = (2_000_000, 1_000_000, 999_999, 999_999, 1_000_000)
    rows = [tick(at, trade_id=trade_id) for at, trade_id in enumerate(ids)]
    assert judged(*rows) == ([0, 2, 4], {"read": 5, "duplicate": 2})


def test_a_tick_without_an_id_is_never_a_duplicate() -> None:
    rows = tick(0, trade_id=7), tick(1), tick(1), tick(2, trade_id=7)
    assert judged(*rows) == ([0, 1, 2], {"read": 4, "duplicate": 1})


@pytest.mark.parametrize(
    "changes",
    [
        {"exchange": None},
        {"exchange": ""},
        {"symbol": "BTC USDT"},
        {"symbol": None},
        {"ts_event": None},
        {"ts_event": -1},
        {"ts_event": 1 << 53},
        {"ts_received": -1},
        {"price": None},
        {"price": math.nan},
        {"price": math.inf},
    ],
)
def test_what_cannot_be_read_is_set_aside_and_moves_nothing(changes: Row) -> None:
    bad = tick(4_000, trade_id=100) | changes
    assert judged(tick(0, trade_id=1), bad, tick(1, trade_id=2)) == ([0, 2], {"read": 3, "unreadable": 1})
    assert clocks(tick(0), bad, tick(1)) == [0, 1]


def test_a_price_of_two_to_the_fiftieth_units_is_out_of_range() -> None:
    most = (2**50 - 1) / 1e8
    rows = tick(0, 2**50 / 1e8), tick(1, -(2**50) / 1e8), tick(2, 1e300), tick(3, most), tick(4, -most)
    assert judged(*rows) == ([3, 4], {"read": 5, "out_of_range": 3})


def test_halves_of_a_unit_are_rounded_away_from_zero() -> None:
    halves = (0.5, 1.5, 2.5, -0.5, -2.5, 0.49999999999999994)
    whole = Order(OrderSettings(5_000, 5_000, ORDER.horizon_ms, 0, {}))
    accepted, counts = whole.judge(log(*(tick(at, price) for at, price in enumerate(halves))))
    assert accepted.x.tolist() == [1, 2, 3, -1, -3, 0]
    assert counts["imprecise"] == len(halves)


def test_a_price_with_more_decimals_than_its_symbol_keeps_is_counted_and_named() -> None:
    order = Order(OrderSettings(5_000, 5_000, ORDER.horizon_ms, 2, {"PEPE-USDT": 10}))
    rows = tick(0, 0.01), tick(1, 0.015), tick(2, 1.2345e-6, symbol="PEPE-USDT")
    accepted, counts = order.judge(log(*rows))
    assert accepted.x.tolist() == [1, 2, 12_345]
    assert (counts["imprecise"], order.imprecise) == (1, {"BTC-USDT"})


def test_a_key_starts_anew_once_the_log_has_gone_on_for_more_than_g() -> None:
    other: Row = {"symbol": "ETH-USDT"}
    at_g = tick(0, trade_id=9), tick(G, **other), tick(G, trade_id=5)
    past_g = tick(60, trade_id=9), tick(60 + G + US, **other), tick(0, trade_id=5), tick(1, trade_id=5)
    assert judged(*at_g)[1] == {"read": 3, "duplicate": 1}
    assert judged(*past_g) == ([0, 1, 2], {"read": 4, "duplicate": 1})
    assert times(*past_g)[2] == 0


def test_a_key_that_starts_anew_is_marked_with_the_row_that_does() -> None:
    accepted, _ = Order(ORDER).judge(log(tick(0), tick(G + 1, symbol="ETH-USDT"), tick(G + 1), tick(G + 1)))
    assert accepted.anew.tolist() == [False, False, True, False]


def test_a_tick_that_jumps_past_g_does_not_start_its_own_key_anew() -> None:
    # Before the row is judged, the clock still stands at the key's last row.
    accepted, _ = Order(ORDER).judge(log(tick(0), tick(2 * G), tick(2 * G + 1)))
    assert len(set(accepted.key.tolist())) == 1


def test_the_log_clock_is_one_over_all_keys_of_a_partition() -> None:
    # s        0        -420         2        -419
    # venue    a          b          a          b       b's clock runs seven minutes behind
    # clock    0          0          2          2
    b: Row = {"exchange": "kraken"}
    assert clocks(tick(0), tick(-420, **b), tick(2), tick(-419, **b)) == [0, 0, 2, 2]


def test_a_duplicate_does_not_move_the_log_clock() -> None:
    assert clocks(tick(0, trade_id=1), tick(9, trade_id=1), tick(2, trade_id=2)) == [0, 2]


def test_partitions_are_separate_logs() -> None:
    rows = tick(0, trade_id=1), tick(900, trade_id=1, partition=1), tick(1, trade_id=2)
    accepted, counts = Order(ORDER).judge(log(*rows))
    assert accepted.place.tolist() == [0, 2, 1]
    assert accepted.partition.tolist() == [0, 0, 1]
    assert (counts["duplicate"], counts["late"]) == (0, 0)


def test_a_snapshot_holds_all_that_later_rows_depend_on() -> None:
    first = log(tick(10, trade_id=5), tick(8, trade_id=3, exchange="kraken"))
    then = log(tick(9, trade_id=5), tick(4, trade_id=6), tick(3, trade_id=4, exchange="kraken"), tick(7, trade_id=7))
    through, before, after = (Order(ORDER) for _ in range(3))
    through.judge(first)
    before.judge(first)
    after.restore(0, before.snapshot(0))
    assert after.snapshot(0) == before.snapshot(0)
    (wanted, wanted_counts), (found, counts) = through.judge(then), after.judge(then)
    assert counts == wanted_counts == {**counts, "duplicate": 1, "late": 1}
    assert (found.place.tolist(), found.t.tolist(), found.clock.tolist()) == (
        wanted.place.tolist(),
        wanted.t.tolist(),
        wanted.clock.tolist(),
    )


def test_keys_that_would_start_anew_anyway_are_let_go() -> None:
    order = Order(ORDER)
    order.judge(log(tick(0), tick(G, symbol="ETH-USDT")))
    order.forget_dead(0)
    assert len(order.keys) == 2
    order.judge(log(tick(G + US, symbol="ETH-USDT")))
    order.forget_dead(0)
    assert [each.symbol for each in order.snapshot(0).keys] == ["ETH-USDT"]


def test_keys_of_which_no_row_was_ever_accepted_are_let_go() -> None:
    order = Order(ORDER)
    order.judge(log(tick(0), tick(0, math.nan, symbol="NO-PRICE")))
    order.forget_dead(0)
    assert [each.symbol for each in order.snapshot(0).keys] == ["BTC-USDT"]


def test_symbols_with_too_precise_prices_are_named_up_to_a_thousand() -> None:
    order = Order(ORDER)
    for batch in range(3):
        order.judge(log(*(tick(0, 1e-9, symbol=f"S{batch}-{at}") for at in range(NAMED_MAX // 2 + 1))))
    assert len(order.imprecise) == NAMED_MAX


def test_an_empty_log_says_nothing() -> None:
    accepted, counts = Order(ORDER).judge(pl.DataFrame(schema=log(tick(0)).schema))
    assert accepted.place.tolist() == []
    assert set(counts.values()) == {0}
