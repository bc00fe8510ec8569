"""Episodes from stored scores are those that the engine opens."""

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import parts
from engine.columns import Ints
from engine.detectors import Detector
from engine.evaluation.curve import EDGES, openings
from engine.evaluation.scored import Scored, scored
from engine.rules import Rules
from engine.step import State
from tests.laws import strategies
from tests.laws.folding import rules_from

SYMBOL = "BTC-USDT"
RULES = strategies.rules().map(lambda documents: [each | {"keep": "all"} for each in documents])
LOGS = strategies.logs(rows_max=200, keys=3).map(lambda log: log.filter(pl.col("symbol") == SYMBOL))


def found(log: pl.DataFrame, rules: Rules) -> Scored:
    return scored(State(rules, snapshot_ms=5_000), log)


def at_edge(told: Scored, rules: Rules, edge: float) -> dict[str, list[int]]:
    """By detector the openings over all exchanges."""
    return {
        rule.name: sorted(
            at
            for marks in told.marks[rule.name]
            for at in marks.clock[openings(marks.clock, marks.score, edge, rule.detector)].tolist()
        )
        for rule in rules.rules
    }


def by_engine(told: Scored) -> dict[str, list[int]]:
    return {name: sorted(alerts.tolist()) for name, alerts in told.alerts.items()}


@settings(deadline=None, max_examples=200)
@given(log=LOGS, documents=RULES)
def test_at_edge_one_the_engines_own_episodes_open(log: pl.DataFrame, documents: list[dict[str, Any]]) -> None:
    rules = rules_from(documents)
    told = found(log, rules)
    assert at_edge(told, rules, 1.0) == by_engine(told)


@settings(deadline=None, max_examples=100)
@given(log=LOGS, documents=RULES, edge=st.sampled_from((0.25, 0.5, 2.0, 4.0)))
def test_at_another_edge_those_of_another_threshold_open(
    log: pl.DataFrame, documents: list[dict[str, Any]], edge: float
) -> None:
    rules = rules_from(documents)
    moved = [
        each | {"settings": each["settings"] | {"threshold": each["settings"]["threshold"] * edge}}
        for each in documents
    ]
    assert at_edge(found(log, rules), rules, edge) == by_engine(found(log, rules_from(moved)))


def detector(**changes: int) -> Detector:
    section = {"use": "zscore", "window_ms": 1_000, "threshold": 1.0, "quiet_ms": 10, "episode_ms_max": 35} | changes
    part: Detector = parts.load("engine.detectors", section, "detectors.spike")
    return part


def opened(*flags_ms: int, **changes: int) -> list[int]:
    clock: Ints = np.array(flags_ms, np.int64) * 1_000
    return [flags_ms[at] for at in openings(clock, np.ones(len(clock)), 1.0, detector(**changes)).tolist()]


@pytest.mark.parametrize(
    ("flags_ms", "changes", "opened_ms"),
    [
        ((0, 10, 20), {}, [0]),  # Quiet is what lies more than quiet_ms after the last flag.
        ((0, 11, 20), {}, [0, 11]),
        ((0, 9, 18, 27, 35, 36), {}, [0, 36]),  # An episode holds what is at most episode_ms_max after its first flag.
        ((0, 11, 30, 31), {"cooldown_ms": 20}, [0, 30]),  # Flags inside the cooldown belong to no episode.
        ((0, 5, 24, 25), {"cooldown_ms": 20}, [0, 25]),  # It counts from the last flag that belonged to one.
        ((0, 0, 0), {}, [0]),
        ((-5, 3), {}, [-5]),
        ((), {}, []),
    ],
)
def test_flags_open_episodes(flags_ms: tuple[int, ...], changes: dict[str, int], opened_ms: list[int]) -> None:
    assert opened(*flags_ms, **changes) == opened_ms


def test_a_flag_is_a_score_at_the_edge_or_above() -> None:
    clock, score = np.arange(5) * 1_000_000, np.array([0.9, 1.0, np.nan, np.inf, 1.1])
    assert openings(clock, score, 1.0, detector()).tolist() == [1, 3, 4]
    assert openings(clock, score, 1.05, detector()).tolist() == [3, 4]


def test_edges_are_about_forty_on_both_sides_of_one() -> None:
    assert 1.0 in EDGES
    assert list(EDGES) == sorted(EDGES)
    assert (len(EDGES), EDGES[0], EDGES[-1]) == (37, 0.25, 16.0)
