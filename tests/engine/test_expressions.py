"""The names in a scoring expression."""

import math

import polars as pl
import pytest

from engine.expressions import Expression
from engine.window import Window


def named(text: str) -> dict[str, tuple[str, str, int]]:
    """The statistics that a text names: kind, series and span."""
    found = Expression(text, window_ms=60_000).statistics
    return {each.name: (each.kind, each.window.series, each.window.span_ms) for each in found}


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("n", ("n", "price", 60_000)),
        ("z_size", ("z", "size", 60_000)),
        ("mean_notional_5m", ("mean", "notional", 300_000)),
        ("first_30s", ("first", "price", 30_000)),
        ("n_24h", ("n", "price", 86_400_000)),
        ("range_change_500ms", ("range", "change", 500)),
        ("sum_signed_1d", ("sum", "signed", 86_400_000)),
        ("vwap_1h", ("vwap", "price", 3_600_000)),
        ("rate", ("rate", "price", 60_000)),
        ("age_1s", ("age", "price", 1_000)),
    ],
)
def test_a_name_is_a_statistic_of_a_series_over_a_span(name: str, told: tuple[str, str, int]) -> None:
    assert named(name) == {name: told}


@pytest.mark.parametrize(
    "text",
    [
        "min(price, 2)",
        "max (price, 2)",
        "price + size",
        "case when true then 1 end",
        "vwaps",
    ],
)
def test_functions_texts_and_other_words_are_no_statistics(text: str) -> None:
    assert named(text) == {}


@pytest.mark.parametrize("text", ["mean_sizes", "n_5", "vwap_size", "z_5s_size", "first_5w", "Z", "mean_size_\u0663s"])
def test_what_looks_like_a_name_and_is_none_is_told(text: str) -> None:
    assert Expression(text, 1_000).problems


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sum(z)", ["there is no function sum"]),
        ("n % 2", ["'%' has no place in an expression"]),
        ("n // 2", ["'//' has no place in an expression"]),
        ("price::int", ["':' has no place in an expression", "there is no int"]),
        ("/* z */ z", ["'*/' has no place in an expression", "'/*' has no place in an expression"]),
        ("z 'a'", ['"\'" has no place in an expression', "there is no a"]),
        ("columns('z')", ['"\'" has no place in an expression', "there is no function columns"]),
        ("random()", ["there is no function random"]),
        ("row_number() over ()", ["there is no function over", "there is no function row_number"]),
        ("cast(z as integer)", ["there is no as", "there is no integer", "there is no function cast"]),
        ("abs(z) / thresold", ["there is no thresold"]),
        ("1.5 * z", ["1.5: write 1.5e0, or DuckDB takes it for a decimal"]),
        ("case when not (z > 1) AND (z < 2) then pow(n, -1) end", []),
    ],
)
def test_what_two_engines_might_take_differently_is_refused(text: str, said: list[str]) -> None:
    assert Expression(text, 1_000).problems == said


def test_a_name_is_told_once_and_windows_are_those_of_the_names() -> None:
    text = "case when size > 4 * mean_size_5s and mean_size_5s > 0 then z end"
    found = Expression(text, 60_000)
    assert [each.window for each in found.statistics if each.kind == "mean"] == [Window("size", 5_000)]
    assert (found.of_row, found.problems) == (("size",), [])


@pytest.mark.parametrize("name", ["min", "max", "sum", "first", "last", "range", "rate", "age", "min_size", "n_1h"])
def test_every_name_is_a_column_whatever_else_the_word_means(name: str) -> None:
    columns = {name: pl.Series(name, [3.0, None])}
    found = Expression(f"{name} / 2e0", 1_000).value(columns, 2).tolist()
    assert (found[0], math.isnan(found[1])) == (1.5, True)
