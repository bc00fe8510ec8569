"""Which measures a text asks for, and which texts ask for what there is not."""

import pytest

from engine.errors import Misconfigured
from storage.expressions import Expression, Measure, expression

MINUTE = 60_000


def read(sql: str) -> Expression:
    return expression(sql, MINUTE, of="rules 00ff")


def measured(sql: str) -> list[tuple[str, str, str, int]]:
    return [(each.name, each.statistic, each.series, each.span_ms) for each in read(sql).measures]


@pytest.mark.parametrize(
    ("name", "statistic", "series", "span_ms"),
    [
        ("n_size", "n", "size", MINUTE),
        ("z_size_10s", "z", "size", 10_000),
        ("mean_notional_5m", "mean", "notional", 300_000),
        ("first_30s", "first", "price", 30_000),
        ("n_24h", "n", "price", 86_400_000),
        ("vwap_1h", "vwap", "price", 3_600_000),
        ("std_change_500ms", "std", "change", 500),
        ("sum_signed_2d", "sum", "signed", 172_800_000),
        ("mean_price", "mean", "price", MINUTE),
        ("z_1m", "z", "price", MINUTE),
        ("n_060s", "n", "price", MINUTE),
        ("range", "range", "price", MINUTE),
        ("age", "age", "price", MINUTE),
        ("rate_10000000000000ms", "rate", "price", 10**13),
    ],
)
def test_a_name_is_a_statistic_of_a_series_over_a_span(name: str, statistic: str, series: str, span_ms: int) -> None:
    assert measured(name) == [(name, statistic, series, span_ms)]


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("abs(z) / 2.5e0", []),  # The columns of SCORE are there at any rate.
        ("n + mean - std * z", []),
        ("case when size > 4 * mean_size then z end", ["mean_size"]),
        ("max_size+max_size/min_size_1s", ["max_size", "min_size_1s"]),
        ("greatest(max, min)", ["max", "min"]),
        ("max(1, 2) + min (3) + first_value\t(z)", []),  # Functions.
        ("min_by(z_size, 1)", ["z_size"]),
        ("'z_size and sum' || \"mean_size\"", ["mean_size"]),
        ("'it''s' = 'z_size'", []),
        ("2.5e0*1e5-0.5sum", []),  # Numbers are no names.
        ("1e-8 - sum", ["sum"]),
        ("nmean + mean2 + vwaps + summary + rates", []),  # Neither of ours nor like ours.
        ("(range)/(age)", ["age", "range"]),
        ("", []),
    ],
)
def test_names_are_read_out_of_the_text(sql: str, names: list[str]) -> None:
    assert [name for name, *_ in measured(sql)] == names


def test_the_row_s_own_columns_are_told_but_not_those_of_the_tick() -> None:
    found = read("change / signed + price * size - abs(notional) + sum_signed_1s")
    assert found.of_row == ("change", "notional", "signed")
    assert found.measures == (Measure("sum_signed_1s", "sum", "signed", 1_000),)


@pytest.mark.parametrize(
    "name",
    [
        "z_volume",
        "mean_10",
        "mean_5w",
        "mean_size_size",
        "mean_5m_size",
        "n_5M",
        "sum_",
        "vwap_size",
        "rate_price_1s",
        "age_notional",
        "first_",
        "z__1s",
        f"n_{'9' * 5_000}d",
    ],
)
def test_what_looks_like_a_statistic_and_is_none_is_named(name: str) -> None:
    with pytest.raises(Misconfigured, match=f"rules 00ff: {name}: is no statistic"):
        read(f"abs(z) + {name} / 2")


@pytest.mark.parametrize("name", ["n_0s", "vwap_000ms", "z_size_10000000000001ms", "sum_115741d"])
def test_a_span_of_no_length_or_beyond_all_is_named(name: str) -> None:
    with pytest.raises(Misconfigured, match=f"rules 00ff: {name}: spans are 1 to 10000000000000 ms long"):
        read(name)


def test_eight_spans_are_measured_and_nine_are_not() -> None:
    eight = [f"n_size_{count}s + z_{count}000ms" for count in range(1, 9)]
    assert len(read("+".join(eight)).measures) == 16
    with pytest.raises(Misconfigured, match=r"rules 00ff: .*n_size_1s.*: 9 different spans; at most 8 are measured"):
        read("+".join([*eight, "mean_size"]))
