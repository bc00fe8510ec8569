"""The units of what is measured beside the price."""

import pytest

from engine.columns import NEVER
from engine.order import Order, OrderSettings
from engine.series import scale, units, values
from tests.engine.made import Row, log, tick

ORDER = OrderSettings(5_000, 5_000, 3_660_000, 2, {}, 3, {"PEPE-USDT": 0})


def told(series: str, *rows: Row) -> list[int | None]:
    """The units of each row; None where unknown."""
    ticks = log(*rows)
    judged, _ = Order(ORDER).judge(ticks)
    found = units(series, ticks[judged.place], judged).tolist()
    return [None if each == NEVER else each for each in found]


def sized(*sizes: float | None, **changes: object) -> list[Row]:
    return [tick(second, 10.0, size=size, **changes) for second, size in enumerate(sizes)]


def test_sizes_are_rounded_half_away_from_zero() -> None:
    assert told("size", *sized(1.0, 0.0004, 0.0005, 0.0015, -0.0005, 0.0)) == [1_000, 0, 1, 2, -1, 0]


def test_a_symbol_may_have_decimals_of_its_own() -> None:
    assert told("size", *sized(12_345_678_901.4, symbol="PEPE-USDT")) == [12_345_678_901]


@pytest.mark.parametrize("size", [None, float("nan"), float("inf"), 2.0**50 / 1e3, -(2.0**50) / 1e3, 1e300])
def test_a_size_that_cannot_be_kept_is_unknown(size: float | None) -> None:
    assert told("size", *sized(size, 2.0)) == [None, 2_000]
    assert told("signed", *sized(size, 2.0)) == [None, 2_000]


def test_the_largest_size_is_known() -> None:
    assert told("size", *sized((2**50 - 1) / 1e3)) == [2**50 - 1]


def test_what_was_sold_counts_against_what_was_bought() -> None:
    rows = [tick(at, size=2.0, side=side) for at, side in enumerate(("buy", "sell", None, "both"))]
    assert told("signed", *rows) == [2_000, -2_000, None, None]


def test_the_notional_is_price_times_size_in_hundredths() -> None:
    assert told("notional", tick(0, 3.0, size=0.335), tick(1, 0.1, size=0.05), tick(2, 1.0, size=None)) == [
        101,
        1,
        None,
    ]


def test_a_change_is_told_from_the_second_row_of_a_key_on_also_over_batches() -> None:
    order = Order(ORDER)
    found = [
        order.judge(log(tick(at, price, symbol=symbol)))[0].change.tolist()[0]
        for at, (price, symbol) in enumerate([(1.0, "A"), (1.5, "A"), (7.0, "B"), (1.25, "A")])
    ]
    assert found == [NEVER, 50, NEVER, -25]


@pytest.mark.parametrize(("least", "known"), [(-(2**49), None), (1 - 2**49, 2**50 - 1)])
def test_a_change_of_two_to_the_fiftieth_units_is_unknown(least: int, known: int | None) -> None:
    assert told("change", tick(0, least / 1e2), tick(1, 2**49 / 1e2)) == [None, known]


def test_a_key_that_starts_anew_has_no_change() -> None:
    rows = tick(0, 1.0), tick(4_000, 2.0, symbol="ETH-USDT"), tick(4_000, 3.0), tick(4_001, 4.0)
    assert told("change", *rows) == [None, None, None, 100]


def test_each_series_has_its_own_scale() -> None:
    judged, _ = Order(ORDER).judge(log(tick(0), tick(1, symbol="PEPE-USDT")))
    wanted = {
        "price": [1e2, 1e2],
        "change": [1e2, 1e2],
        "size": [1e3, 1e0],
        "signed": [1e3, 1e0],
        "notional": [1e2, 1e2],
    }
    assert {name: scale(name, judged).tolist() for name in wanted} == wanted


def test_series_stand_beside_each_other_in_the_order_asked_for() -> None:
    ticks = log(*sized(1.0, 2.0))
    judged, _ = Order(ORDER).judge(ticks)
    assert values(("notional", "size"), ticks, judged).tolist() == [[1_000, 1_000], [2_000, 2_000]]
    assert values((), ticks, judged).shape == (2, 0)
