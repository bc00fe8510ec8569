"""Rules: a detector with all that a replay needs, and its expression computed as IEEE 754 says."""

import hashlib
import json
import math
from typing import Any

import numpy as np
import polars as pl
import pytest

from engine.detectors import Detector
from engine.detectors.zscore import ZScore
from engine.errors import Misconfigured
from engine.rules import Rules, rules_of
from tests.engine.made import rules

COLUMNS = {"price": 1.0, "size": 1.0, "n": 30, "mean": 1.0, "std": 1.0, "z": 1.0}


class Telling(Detector, frozen=True):
    """A detector of any expression."""

    sql: str

    def score(self) -> str:
        return self.sql


def telling(sql: str, episode_ms_max: int = 0) -> Telling:
    return Telling(sql=sql, window_ms=1_000, count_min=1, quiet_ms=0, episode_ms_max=episode_ms_max)


def of(*detectors: Detector, late_ms: int = 5_000) -> Rules:
    named = {f"detector_{at}": detector for at, detector in enumerate(detectors)}
    return rules_of(named, future_ms=5_000, late_ms=late_ms, price_decimals=8, price_decimals_of={})


def scored(sql: str, **columns: list[float | None]) -> list[float | None]:
    """Null stands for NaN."""
    size = len(next(iter(columns.values())))
    values = {name: columns.get(name, [value] * size) for name, value in COLUMNS.items()}
    given = {name: pl.Series(name, each, dtype=pl.Float64) for name, each in values.items()}
    found = of(telling(sql)).rules[0].expression.value(given, size).tolist()
    return [None if math.isnan(score) else score for score in found]


def test_the_document_holds_all_that_a_replay_needs() -> None:
    document = json.loads(rules(threshold=3.0, window_ms=10_000).rules[0].text)
    assert document == {
        "name": "spike",
        "settings": {
            "use": "zscore",
            "window_ms": 10_000,
            "threshold": 3.0,
            "baseline": "prior",
            "count_min": 30,
            "warm_up_ms": 0,
            "move_bps_min": 0.0,
            "quiet_ms": 300_000,
            "episode_ms_max": 3_600_000,
            "cooldown_ms": 0,
            "keep": "all",
            "alert": True,
        },
        "sql": "abs(z) / 3.0e0",
        "window_ms": 10_000,
        "baseline": "prior",
        "count_min": 30,
        "warm_up_ms": 0,
        "move_bps_min": 0.0,
        "quiet_ms": 300_000,
        "episode_ms_max": 3_600_000,
        "cooldown_ms": 0,
        "keep": "all",
        "horizon_ms": 3_610_000,
        "future_ms": 5_000,
        "late_ms": 5_000,
        "price_decimals": 8,
        "price_decimals_of": {},
        "size_decimals": 8,
        "size_decimals_of": {},
    }


def test_the_digest_is_blake2b_of_the_document() -> None:
    (rule,) = rules().rules
    assert rule.digest == hashlib.blake2b(rule.text.encode(), digest_size=8).hexdigest()
    assert dict(rules().documents) == {rule.digest: rule.text}


@pytest.mark.parametrize("changes", [{"threshold": 2.6}, {"window_ms": 59_999}, {"count_min": 31}, {"cooldown_ms": 1}])
def test_any_setting_changes_the_digest(changes: dict[str, Any]) -> None:
    assert rules(**changes).documents.keys() != rules().documents.keys()


def test_the_order_is_part_of_every_digest() -> None:
    detector = telling("z")
    assert of(detector, late_ms=1).documents.keys() != of(detector).documents.keys()


def test_the_horizon_is_the_longest_window_and_the_longest_episode_of_any_detector() -> None:
    of_two = of(ZScore(window_ms=60_000, threshold=2.5, episode_ms_max=10), telling("z", episode_ms_max=900))
    assert (of_two.order.horizon_ms, of_two.window_ms_max) == (60_900, 60_000)


def test_no_detector_at_all_is_refused_with_the_way_out() -> None:
    with pytest.raises(Misconfigured, match=r"add a section such as \[detectors.spike\]"):
        of()


def test_every_expression_that_cannot_be_computed_is_named() -> None:
    with pytest.raises(Misconfigured) as refused:
        of(telling("abs(z) /"), telling("abs(z)"), telling("abs(z"))
    assert [problem.split(":")[0] for problem in refused.value.problems] == [
        "detectors.detector_0",
        "detectors.detector_2",
    ]


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("mean_sizes", "there is no mean_sizes"),
        ("z + first_5w", "there is no first_5w"),
        ("z / 2.5", "2.5: write 2.5e0, or DuckDB takes it for a decimal"),
        ("max(z)", "there is no function max"),
        ("z -- n_10d", "'--' has no place in an expression"),
        ("n_0s", "n_0s: a span lies between 1 ms and a century"),
        ("n_40000d", "n_40000d: a span lies between 1 ms and a century"),
        ("+".join(f"n_{at}s" for at in range(1, 10)), "it names 9 spans; 8 are the most"),
    ],
)
def test_names_that_cannot_be_measured_are_refused(sql: str, said: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        of(telling("z"), telling(sql))
    assert refused.value.problems == (f"detectors.detector_1: {said}",)


def test_the_longest_span_that_is_named_counts() -> None:
    of_two = of(telling("n_1h"), telling("z"))
    assert (of_two.order.horizon_ms, of_two.window_ms_max) == (3_600_000, 3_600_000)


@pytest.mark.parametrize("threshold", [2.5, 3.0, 0.7, 1e-3, 7.1])
def test_scores_are_divided_exactly_where_polars_divides_by_a_constant_inexactly(threshold: float) -> None:
    z = np.random.default_rng(1).normal(0, 3, 100_000)
    exact = (np.abs(z) / threshold).tolist()
    (rule,) = rules(threshold=threshold).rules
    assert rule.expression.value({"z": pl.Series("z", z)}, len(z)).tolist() == exact
    # The same text handed to Polars as it is; should this be equal one day, columns of constants are needless.
    polars = pl.DataFrame({"z": z}).select(pl.sql_expr(rule.detector.score())).to_series().to_list()
    assert polars != exact


@pytest.mark.parametrize(
    ("sql", "score"),
    [
        ("abs(z) / 2.5e0", 3.0),
        ("case when size > 2 and price <= 10.5e0 then abs(z) end", 7.5),
        ("case when size > 4 then abs(z) end", None),
        ("z / 1e1", -0.75),
        ("greatest(abs(z), 8.25e0)", 8.25),
        ("case when (size > 4) = (size > 5) then 2 end", 2.0),
        ("n / 4", 8.0),
        ("abs(z) / .5e0", 15.0),
        ("abs(z)/.25e1", 3.0),
        ("greatest(.5e0, 1.e0)", 1.0),
    ],
)
def test_numbers_in_an_expression_keep_their_meaning(sql: str, score: float | None) -> None:
    assert scored(sql, z=[-7.5], size=[3.0], price=[10.5], n=[32.0]) == [score]


def test_what_is_not_a_number_is_no_score() -> None:
    assert scored("z", z=[math.nan, None, -math.inf, 1.0]) == [None, None, -math.inf, 1.0]


def test_a_rule_can_be_scored_without_rows() -> None:
    (rule,) = rules().rules
    given = {name: pl.Series(name, [], pl.Float64) for name in COLUMNS}
    assert rule.expression.value(given, 0).tolist() == []
