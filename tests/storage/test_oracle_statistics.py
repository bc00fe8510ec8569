"""What the oracle makes of each name in an expression, row by row. Against the plain rules: tests/laws/."""

import math
from collections.abc import Sequence
from typing import Any

import polars as pl
import pytest

from engine.errors import Misconfigured
from tests.laws import strategies
from tests.storage.test_oracle import found

Tick = tuple[float, float, float | None, str | None]

LINE: Sequence[Tick] = [
    (0, 100.0, 1.0, "buy"),
    (0.001, 101.0, 2.0, "sell"),
    (10_000, 103.0, 4.0, "buy"),  # The first has just left its ten seconds, the second has not.
    (10_000, 102.0, 8.0, "buy"),  # Of its own time it sees the row before.
    (10_000.001, 99.0, 16.0, "sell"),  # The second has left.
]


def log_of(ticks: Sequence[Tick], symbol: str = "BTC-USDT") -> pl.DataFrame:
    """A log of one key, from milliseconds, prices, sizes and sides."""
    rows = [
        {"partition": 0, "offset": at, "row": 0, "exchange": "binance", "symbol": symbol, "trade_id": at, "missing": 0}
        | dict.fromkeys(("ts_event", "ts_received", "ts_appended", "ts_drained"), round(ms * 1_000))
        | {"price": price, "size": size, "side": side}
        for at, (ms, price, size, side) in enumerate(ticks)
    ]
    return strategies.frame_of(rows)


def scores(sql: str, ticks: Sequence[Tick] | pl.DataFrame = LINE, **changes: Any) -> list[float | None]:
    rule = strategies.document(sql=sql, **{"count_min": 0, "window_ms": 10_000} | changes)
    log = ticks if isinstance(ticks, pl.DataFrame) else log_of(ticks)
    return [row["score"] for row in sorted(found(rule, log, "scores"), key=lambda row: row["offset"])]


def numbers(values: Sequence[float | None]) -> list[float]:
    """NaN for null: a score is never NaN."""
    return [math.nan if value is None else value for value in values]


@pytest.mark.parametrize(
    ("sql", "wanted"),
    [
        ("n_size", [0, 1, 1, 2, 2]),
        ("n", [0, 1, 1, 2, 2]),
        ("sum_size", [0, 1, 2, 6, 12]),
        ("sum_signed", [0, 1, -2, 2, 12]),
        ("sum_notional", [0, 100, 202, 202 + 412, 412 + 816]),
        ("sum_change", [0, 0, 1, 1 + 2, 2 - 1]),
        ("n_change", [0, 0, 1, 2, 2]),
        ("min", [None, 100, 101, 101, 102]),
        ("max_price", [None, 100, 101, 103, 103]),
        ("range", [None, 0, 0, 2, 1]),
        ("range_signed", [None, 0, 0, 6, 4]),
        ("first", [None, 100, 101, 101, 103]),
        ("last", [None, 100, 101, 103, 102]),
        ("first_change", [None, None, 1, 1, 2]),
        ("mean_size", [None, 1, 2, 3, 6]),
        ("std_size", [None, None, None, math.sqrt(2), math.sqrt(8)]),
        ("z_size", [None, None, None, 5 / math.sqrt(2), 10 / math.sqrt(8)]),
        ("vwap", [None, 100, 101, (202 + 412) / 6, (412 + 816) / 12]),
        ("rate", [0, 0.1, 0.1, 0.2, 0.2]),
        ("age", [None, 1e-6, 9.999999, 9.999999, 1e-6]),
    ],
)
@pytest.mark.parametrize("span", ["", "_10s"])
def test_a_statistic_is_of_the_rows_before_in_the_window(sql: str, span: str, wanted: list[float | None]) -> None:
    assert numbers(scores(sql + span)) == pytest.approx(numbers(wanted), rel=1e-12, nan_ok=True)


@pytest.mark.parametrize(
    ("sql", "wanted"),
    [
        ("n_size", [1, 2, 2, 3, 3]),
        ("sum_size", [1, 3, 6, 14, 28]),
        ("sum_change", [0, 1, 1 + 2, 1 + 2 - 1, 2 - 1 - 3]),
        ("min", [100, 100, 101, 101, 99]),
        ("range", [0, 1, 2, 2, 4]),
        ("first", [100, 100, 101, 101, 103]),
        ("last", [100, 101, 103, 102, 99]),
        ("mean_size", [1, 1.5, 3, 14 / 3, 28 / 3]),
        ("vwap", [100, 302 / 3, 614 / 6, 1430 / 14, 2812 / 28]),
        ("rate", [0.1, 0.2, 0.2, 0.3, 0.3]),
        ("age", [0, 1e-6, 9.999999, 9.999999, 1e-6]),
    ],
)
def test_where_the_baseline_is_inclusive_the_row_itself_is_its_newest(sql: str, wanted: list[float]) -> None:
    assert scores(sql, baseline="inclusive") == pytest.approx(wanted, rel=1e-12)


def test_spans_of_one_expression_are_each_their_own() -> None:
    ticks: Sequence[Tick] = [(at * 1_000, 100.0, 1.0, "buy") for at in range(6)]
    assert scores("n_1ms * 1000 + n_2s * 100 + n_4s * 10 + n", ticks) == [0, 111, 122, 133, 134, 135]


def test_a_rate_is_divided_by_the_seconds_of_the_span() -> None:
    ticks: Sequence[Tick] = [(at, 100.0, 1.0, "buy") for at in range(6)]
    assert scores("rate_1300ms", ticks) == [n / 1.3 for n in range(6)]  # n * 1000 / 1300 has other bits.


UNKNOWN: Sequence[Tick] = [
    (0, 2.0, 3.0, "buy"),
    (1, 2.0, None, "buy"),
    (2, 2.0, math.nan, "sell"),
    (3, 2.0, math.inf, "sell"),
    (4, 2.0, 2.0**50 / 1e8, "sell"),
    (5, 2.0, 11_258_999.06842623, None),
    (6, 2.0, 4.0, "BUY"),
    (7, 2.0, 5.0, "sell"),
]
JUST_KNOWN = 11_258_999.06842623
NOTIONAL = 22_517_998.14


@pytest.mark.parametrize(
    ("sql", "wanted"),
    [
        ("n", [0, 1, 2, 3, 4, 5, 6, 7]),
        ("n_size", [0, 1, 1, 1, 1, 1, 2, 3]),
        ("n_signed", [0, 1, 1, 1, 1, 1, 1, 1]),
        ("n_notional", [0, 1, 1, 1, 1, 2, 3, 4]),
        ("max_size", [None, 3, 3, 3, 3, 3, JUST_KNOWN, JUST_KNOWN]),
        ("last_size", [None, 3, None, None, None, None, JUST_KNOWN, 4]),
        ("first_size", [None, *[3] * 7]),
        ("first_size_3ms", [None, 3, 3, None, None, None, None, JUST_KNOWN]),
        ("mean_size", [None, 3, 3, 3, 3, 3, (3 + JUST_KNOWN) / 2, (7 + JUST_KNOWN) / 3]),
        ("mean_signed", [None, *[3] * 7]),
        ("z_signed", [None] * 8),
        ("notional", [6, None, None, None, NOTIONAL, NOTIONAL, 8, 10]),
        ("signed", [3, None, None, None, None, None, None, -5]),
        ("size * 0 + change", [None, None, None, None, 0, 0, 0, 0]),
    ],
)
def test_what_is_unknown_is_in_no_statistic_and_the_row_is_scored(sql: str, wanted: list[float | None]) -> None:
    assert numbers(scores(sql, UNKNOWN)) == pytest.approx(numbers(wanted), rel=1e-14, nan_ok=True)


def test_a_row_of_unknown_size_has_no_z_of_it_and_is_not_in_its_own_baseline() -> None:
    ticks: Sequence[Tick] = [(0, 1.0, 1.0, "buy"), (1, 1.0, 2.0, "buy"), (2, 1.0, None, "buy"), (3, 1.0, 6.0, "buy")]
    assert scores("z_size", ticks, baseline="inclusive")[2] is None
    assert scores("n_size", ticks, baseline="inclusive") == [1, 2, 2, 3]
    assert scores("mean_size", ticks, baseline="inclusive") == [1, 1.5, 1.5, 3]
    assert scores("last_size", ticks, baseline="inclusive") == [1, 2, None, 6]


def test_z_waits_for_enough_known_values() -> None:
    assert [z is None for z in scores("z_size", UNKNOWN, count_min=3)] == [*[True] * 7, False]
    assert [z is None for z in scores("z_size", UNKNOWN, count_min=4)] == [True] * 8
    assert [n is None for n in scores("n_size", UNKNOWN, count_min=4)] == [*[True] * 4, *[False] * 4]


def test_values_are_rounded_half_away_from_zero_to_the_decimals_of_their_symbol() -> None:
    ticks: Sequence[Tick] = [(at, 1.0, size, "buy") for at, size in enumerate((2.5, -2.5, 0.125, 0.375, 3.0))]
    assert scores("last_size", ticks, size_decimals=0) == [None, 3, -3, 0, 0]
    assert scores("last_size", ticks, size_decimals=2) == [None, 2.5, -2.5, 0.13, 0.38]
    assert scores("last_notional", ticks) == [None, 2.5, -2.5, 0.13, 0.38]
    of = {"size_decimals": 8, "size_decimals_of": {"BTC-USDT": 0}}
    assert scores("last_size", ticks, **of) == [None, 3, -3, 0, 0]
    assert scores("last_size", log_of(ticks, "ETH-USDT"), **of) == [None, 2.5, -2.5, 0.125, 0.375]
    assert scores("vwap", ticks, **of, window_ms=2) == [None, 2.5 / 3, 2.5 / 3, None, None]


def test_notional_is_rounded_from_one_product() -> None:
    """1.5 x 6.05 x 100 is below 907.5 in float64; 1.5 x (6.05 x 100) is not."""
    assert scores("notional", [(0, 1.5, 6.05, "buy")]) == [9.07]


def test_the_first_change_of_a_key_that_starts_anew_is_unknown() -> None:
    ticks: Sequence[Tick] = [
        (0, 1.0, 1.0, "buy"),
        (10, 2.0, 1.0, "buy"),
        (5_010, 4.0, 1.0, "buy"),
        (5_020, 4.0, 1.0, "buy"),
    ]
    log = log_of(ticks).with_columns(exchange=pl.Series(["binance", "binance", "kraken", "binance"]))
    assert scores("change", log, horizon_ms=5_000) == [None, 1, None, 2]
    assert scores("change", log, horizon_ms=4_999) == [None, 1, None, None]
    assert scores("n_price", log, horizon_ms=4_999) == [0, 1, 0, 0]
    assert scores("sum_change_20s", log, horizon_ms=4_999, baseline="inclusive") == [0, 1, 0, 0]


def test_a_change_too_large_is_unknown() -> None:
    high = (2.0**50 - 1) / 1e8
    assert scores("change", [(0, -high, 1.0, "buy"), (1, high, 1.0, "buy"), (2, 1.0, 1.0, "buy")])[1:] == [
        None,
        1 - high,
    ]


def test_sums_are_exact_beyond_64_bits() -> None:
    size = 11_258_999.06841999  # So that a cast of the negative sum would round otherwise.
    whole = round(size * 1e8)
    ticks: Sequence[Tick] = [(at / 1_000, 1.0, size, "sell") for at in range(18_000)] + [(100, 1.0, 0.00000003, "buy")]
    total = 18_000 * whole
    assert total > 2**64
    assert scores("sum_size", ticks)[-1] == two_words(total) / 1e8
    assert scores("sum_signed", ticks)[-1] == -two_words(total) / 1e8
    assert scores("mean_size", ticks)[-1] == (3 + two_words(total - 18_000 * 3) / 18_000) / 1e8


def two_words(whole: int) -> float:
    high, low = divmod(whole, 2**64)
    return float(high) * 2.0**64 + float(low)


@pytest.mark.parametrize("name", ["z_volume", "mean_0s", "vwap_size", "n_5w"])
def test_a_name_that_is_no_statistic_is_named(name: str) -> None:
    with pytest.raises(Misconfigured, match=f"rules [0-9a-f]{{16}}: {name}: "):
        scores(f"abs(z) / {name}")


def test_a_ninth_span_is_refused() -> None:
    with pytest.raises(Misconfigured, match="9 different spans; at most 8"):
        scores("+".join(f"n_{count}s" for count in range(1, 10)))
