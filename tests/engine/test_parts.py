"""From a name in the settings to a part."""

from typing import Any

import pytest

from engine import parts
from engine.detectors.zscore import ZScore
from engine.errors import Misconfigured

SECTION = {"use": "zscore", "window_ms": 60_000, "threshold": 2.5}


def problems(section: dict[str, Any]) -> tuple[str, ...]:
    with pytest.raises(Misconfigured) as refused:
        parts.load("engine.detectors", section, "detectors.spike")
    return refused.value.problems


def test_the_files_of_an_open_folder_are_its_parts() -> None:
    assert {"zscore", "expression"} <= {*parts.names("engine.detectors")}
    assert "parquet" in parts.names("storage.sinks")


def test_a_section_becomes_the_part_that_its_use_names() -> None:
    assert parts.load("engine.detectors", SECTION, "detectors.spike") == ZScore(window_ms=60_000, threshold=2.5)


def test_a_use_that_is_no_part_is_refused_with_the_nearest() -> None:
    (problem,) = problems(SECTION | {"use": "zscor"})
    assert problem.startswith("detectors.spike.use: must be one of ")
    assert problem.endswith("; did you mean zscore?")


@pytest.mark.parametrize("use", [None, 7, "../zscore", "__init__", ""])
def test_only_the_name_of_a_part_is_taken(use: Any) -> None:
    (problem,) = problems(SECTION | {"use": use})
    assert problem.startswith("detectors.spike.use: must be one of ")


def test_every_unknown_key_is_named_with_the_one_it_was_meant_to_be() -> None:
    found = problems(SECTION | {"treshold": 3.0, "windw_ms": 5})
    assert found == (
        "detectors.spike.treshold: no such setting; did you mean threshold?",
        "detectors.spike.windw_ms: no such setting; did you mean window_ms?",
    )


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"threshold": 0}, "detectors.spike.threshold: expected `float` >= 0.001"),
        ({"window_ms": "60s"}, "detectors.spike.window_ms: expected `int`, got `str`"),
        ({"window_ms": 0.5}, "detectors.spike.window_ms: expected `int`, got `float`"),
        ({"baseline": "both"}, "detectors.spike.baseline: invalid enum value 'both'"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_by_its_path(changes: dict[str, Any], told: str) -> None:
    assert problems(SECTION | changes) == (told,)


def test_a_missing_value_is_refused_by_name() -> None:
    assert problems({"use": "zscore", "window_ms": 5}) == (
        "detectors.spike: object missing required field `threshold`",
    )


@pytest.mark.parametrize("use", ["rush", "volume"])
def test_a_burst_is_no_longer_than_the_window(use: str) -> None:
    section = SECTION | {"use": use, "burst_ms": 60_000}
    assert parts.load("engine.detectors", section, "detectors.spike")
    (problem,) = problems(section | {"burst_ms": 60_001})
    assert problem == "detectors.spike: burst_ms (60001) is longer than window_ms (60000)"


@pytest.mark.parametrize("use", ["rush", "volume", "breakout"])
def test_where_the_tick_is_counted_already_there_is_no_inclusive_baseline(use: str) -> None:
    section = SECTION | {"use": use, "baseline": "inclusive"} | ({} if use == "breakout" else {"burst_ms": 1_000})
    assert problems(section) == ("detectors.spike.baseline: invalid enum value 'inclusive'",)
