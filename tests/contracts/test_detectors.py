"""What every file in engine/detectors/ keeps to: the protocol, and SQL that two engines run to the same bits."""

import importlib
import math
import random
from typing import Any

import duckdb
import msgspec
import numpy as np
import polars as pl
import pytest
from msgspec import NODEFAULT

from engine import parts
from engine.detectors import Detector
from engine.errors import Misconfigured
from engine.expressions import OF_ROW, Expression
from engine.rules import MEASURED, Rule, rules_of

NEEDED: dict[str, dict[str, Any]] = {
    "breakout": {"window_ms": 60_000, "threshold": 6.7},
    "ewma": {"window_ms": 60_000, "threshold": 2.3},
    "expression": {"window_ms": 60_000, "threshold": 2.3, "z": "case when size > 1e-1 * mean_size_5s then z end"},
    "jump": {"window_ms": 60_000, "threshold": 8.1},
    "range": {"window_ms": 60_000, "threshold_bps": 70.0},
    "rush": {"window_ms": 3_600_000, "burst_ms": 30_000, "threshold": 38.0},
    "volume": {"window_ms": 3_600_000, "burst_ms": 10_000, "threshold": 30.7},
    "zscore": {"window_ms": 60_000, "threshold": 2.3},
}
"""For each detector the settings that have no default."""

NAMES = parts.names("engine.detectors")
pytestmark = pytest.mark.parametrize("use", NAMES)


def detector(use: str, **changes: Any) -> Detector:
    loaded: Detector = parts.load("engine.detectors", {"use": use, **NEEDED[use], **changes}, "detectors.it")
    return loaded


def rule(use: str) -> Rule:
    return rules_of(
        {"it": detector(use)}, future_ms=5_000, late_ms=5_000, price_decimals=8, price_decimals_of={}
    ).rules[0]


def rows(use: str, odd: bool = True) -> pl.DataFrame:  # noqa: FBT001, FBT002
    """What windows may hold: ordinary numbers, and where asked for odd ones beside each other."""
    draw = random.Random(7)
    values = (None, math.inf, -math.inf, 0.0, -0.0, 5e-324, 1.7976931348623157e308)
    expression = rule(use).expression
    counts = {each.name for each in expression.statistics if each.kind == "n"} | {"n"}
    names = {*OF_ROW, *MEASURED, *(each.name for each in expression.statistics)}
    columns: dict[str, list[Any]] = {
        name: [draw.choice(values) if odd and draw.random() < 0.2 else draw.gauss(0, 3) for _ in range(10_000)]
        for name in sorted(names - counts)
    }
    for name in names - counts:
        if name.startswith(("std", "range", "age", "notional", "sum_notional")):  # These are never negative.
            columns[name] = [None if each is None else abs(each) for each in columns[name]]
    return pl.DataFrame(columns | {name: [draw.randrange(1_000) for _ in range(10_000)] for name in sorted(counts)})


def scored(use: str, frame: pl.DataFrame) -> list[float | None]:
    """As the engine does; null where it is NaN."""
    found = rule(use).expression.value({column.name: column for column in frame.get_columns()}, len(frame))
    return [None if math.isnan(each) else each for each in found.tolist()]


def test_its_file_names_a_part_and_says_what_it_costs(use: str) -> None:
    file = importlib.import_module(f"engine.detectors.{use}")
    assert "Cost: " in (file.__doc__ or "")
    assert isinstance(detector(use), file.part)


def test_it_is_frozen(use: str) -> None:
    with pytest.raises(AttributeError):
        detector(use).count_min = 1  # type: ignore[misc]


def test_it_refuses_a_key_that_it_does_not_know(use: str) -> None:
    with pytest.raises(Misconfigured, match=r"detectors\.it\.cout_min: no such setting; did you mean count_min\?"):
        detector(use, cout_min=1)


@pytest.mark.parametrize("name", ["count_min", "move_bps_min", "quiet_ms", "episode_ms_max", "cooldown_ms"])
def test_it_bounds_what_every_detector_has(use: str, name: str) -> None:
    with pytest.raises(Misconfigured, match=rf"detectors\.it\.{name}: expected `(int|float)` >= "):
        detector(use, **{name: -1})


def test_settings_without_a_default_are_those_that_every_section_must_give(use: str) -> None:
    fields = msgspec.structs.fields(importlib.import_module(f"engine.detectors.{use}").part)
    assert {field.name for field in fields if field.default is NODEFAULT} == NEEDED[use].keys()


def test_its_own_window_is_the_one_that_is_set(use: str) -> None:
    assert detector(use, window_ms=61_234).window_ms == 61_234


def test_it_says_the_same_twice(use: str) -> None:
    assert detector(use) == detector(use)
    assert detector(use).score() == detector(use).score()


@pytest.mark.parametrize("odd", [True, False])
def test_the_engine_and_duckdb_find_the_same_bits(use: str, odd: bool) -> None:  # noqa: FBT001
    frame = rows(use, odd)
    with duckdb.connect() as database:
        database.register("measured", frame.to_arrow())
        sql = f"select ({detector(use).score()})::double from measured"
        told = [row[0] for row in database.sql(sql).fetchall()]
    wanted = [None if each is None or math.isnan(each) else each for each in told]
    assert len({*wanted}) > 500
    assert scored(use, frame) == wanted


def test_no_score_is_negative(use: str) -> None:
    assert all(each is None or each >= 0 for each in scored(use, rows(use)))


def test_a_larger_threshold_never_scores_more(use: str) -> None:
    name, frame = "threshold_bps" if use == "range" else "threshold", rows(use, odd=False)
    columns = {column.name: column for column in frame.get_columns()}
    low, high = (
        Expression(detector(use, **{name: threshold}).score(), 60_000).value(columns, len(frame))
        for threshold in (2.0, 4.0)
    )
    known = ~np.isnan(low)
    assert (low[known] >= high[known]).all()
    assert (low[known] > high[known]).any()
