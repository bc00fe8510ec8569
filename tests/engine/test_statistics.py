"""What the names of an expression stand for, on small logs. The laws hold them to the reference row by row."""

from typing import Any

import pytest

from engine.expressions import Expression
from engine.statistics import columns
from tests.engine.made import Row, accepted, log, rules, tick


def told(name: str, *rows: Row, **changes: Any) -> list[float | None]:
    """A statistic at each row; 10 s is the detector's own window."""
    of = rules(
        {"it": {"use": "expression", "window_ms": 10_000, "z": name, "threshold": 1.0, "count_min": 2, **changes}}
    )
    measured, windows = accepted(log(*rows), of)
    inclusive = of.rules[0].detector.baseline == "inclusive"
    asked = Expression(name, 10_000).statistics
    found = columns(asked, measured, windows, inclusive=inclusive, count_min=of.rules[0].detector.count_min)
    values: list[float | None] = found[name].to_list()
    return values


ROWS = (
    tick(0, 10.0, size=1.0, side="buy"),
    tick(1, 12.0, size=3.0, side="sell"),
    tick(2, 11.0, size=None, side="buy"),
    tick(11, 15.0, size=2.0, side="buy"),
)
"""At the last row the first two have left a window of 10 s; of the third the size is unknown."""


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("n_size", [0, 1, 2, 0]),
        ("n_20s", [0, 1, 2, 3]),
        ("sum_size", [0.0, 1.0, 4.0, 0.0]),
        ("sum_signed_20s", [0.0, 1.0, -2.0, -2.0]),
        ("mean_size_20s", [None, 1.0, 2.0, 2.0]),
        ("std_20s", [None, None, 2**0.5, 1.0]),
        ("z_20s", [None, None, 0.0, 4.0]),
        ("z_size_20s", [None, None, None, 0.0]),
        ("min_20s", [None, 10.0, 10.0, 10.0]),
        ("max_20s", [None, 10.0, 12.0, 12.0]),
        ("range", [None, 0.0, 2.0, 0.0]),
        ("max_size_20s", [None, 1.0, 3.0, 3.0]),
        ("first", [None, 10.0, 10.0, 11.0]),
        ("first_size", [None, 1.0, 1.0, None]),
        ("last_20s", [None, 10.0, 12.0, 11.0]),
        ("last_size_20s", [None, 1.0, 3.0, None]),
        ("vwap_20s", [None, 10.0, 11.5, 11.5]),
        ("vwap", [None, 10.0, 11.5, None]),
        ("rate", [0.0, 0.1, 0.2, 0.1]),
        ("age_20s", [None, 1.0, 2.0, 11.0]),
        ("age", [None, 1.0, 2.0, 9.0]),
        ("sum_change_20s", [0.0, 0.0, 2.0, 1.0]),
        ("sum_notional_20s", [0.0, 10.0, 46.0, 46.0]),
    ],
)
def test_a_statistic_tells_what_came_before_the_row(name: str, wanted: list[float | None]) -> None:
    assert told(name, *ROWS) == wanted


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("n_size", [1, 2, 2, 1]),
        ("sum_size", [1.0, 4.0, 4.0, 2.0]),
        ("mean_20s", [10.0, 11.0, 11.0, 12.0]),
        ("min_size_20s", [1.0, 1.0, 1.0, 1.0]),
        ("max_20s", [10.0, 12.0, 12.0, 15.0]),
        ("range", [0.0, 2.0, 2.0, 4.0]),
        ("first", [10.0, 10.0, 10.0, 11.0]),
        ("last_size", [1.0, 3.0, None, 2.0]),
        ("vwap", [10.0, 11.5, 11.5, 15.0]),
        ("rate", [0.1, 0.2, 0.3, 0.2]),
        ("age", [0.0, 1.0, 2.0, 9.0]),
    ],
)
def test_under_inclusive_the_row_itself_counts_too(name: str, wanted: list[float | None]) -> None:
    assert told(name, *ROWS, baseline="inclusive") == wanted


def test_a_sum_beyond_one_word_is_exact() -> None:
    most = (2**50 - 1) / 1e8
    rows = [tick(at / 10_000, most) for at in range(9_000)]
    assert told("sum_20s", *rows)[-1] == float(8_999 * (2**50 - 1)) / 1e8


def test_an_average_by_volume_is_told_wherever_volume_is_not_zero() -> None:
    rows = [tick(0, 10.0, size=-1.0), tick(1, 20.0, size=-3.0), tick(2, 30.0, size=4.0), tick(3, 1.0)]
    assert told("vwap_20s", *rows) == [None, 10.0, 17.5, None]
