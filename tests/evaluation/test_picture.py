"""Curves as pictures."""

from math import inf
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from engine.errors import Misconfigured
from engine.evaluation import picture
from engine.evaluation.benchmark import Alerted, Benchmark
from engine.evaluation.benchmark import Point as BenchmarkPoint
from engine.evaluation.pumps import Point, Quality
from engine.evaluation.report import Extent, Report

PNG = b"\x89PNG\r\n\x1a\n"
EDGES = (0.5, 1.0, 2.0)


def quality(*recalls: float, false: tuple[float | None, ...] = (4.0, 1.0, 0.0), days: float = 10.0) -> Quality:
    curve = tuple(map(Point, EDGES, recalls, false, (None,) * 3))
    return Quality(recalls[1], false[1], None, 4, 2, 10, 1, days, (), curve)


def benchmark(score: float | None, edge: float) -> Benchmark:
    scores = dict.fromkeys(("standard", "reward_low_FP_rate", "reward_low_FN_rate"), score)
    at_best = dict.fromkeys(scores, edge)
    curve = tuple(BenchmarkPoint(each, scores) for each in EDGES)
    return Benchmark(scores, at_best, at_best, 0 if score is None else 4, 2, (), Alerted(scores, at_best), curve)


def report(**detectors: Any) -> Report[Any]:
    return Report(next(iter(detectors.values())), list(detectors), detectors, Extent(1, 1, 1, 0))


def texts(path: Path) -> list[str]:
    return [(each.text or "").strip() for each in ET.parse(path).iter("{http://www.w3.org/2000/svg}text")]


def test_pumps_show_each_detector_and_the_set(tmp_path: Path) -> None:
    path = tmp_path / "new" / "curve.svg"
    picture.draw(report(spike=quality(1.0, 0.5, 0.0), rush=quality(1.0, 1.0, 0.5)), path)
    told = texts(path)
    assert {"spike", "rush", "together", "recall, %", "false alerts per symbol and day"} <= set(told)
    assert "4 pump events, 10.0 symbol-days; ● at edge 1" in told


def test_one_detector_stands_alone(tmp_path: Path) -> None:
    path = tmp_path / "curve.svg"
    picture.draw(report(spike=quality(1.0, 0.5, 0.0)), path)
    assert "spike" in texts(path)
    assert "together" not in texts(path)


def test_nab_shows_the_score_over_the_edge(tmp_path: Path) -> None:
    path = tmp_path / "curve.svg"
    picture.draw(report(spike=benchmark(40.0, 1.5), other=benchmark(-10.0, 0.5)), path)
    assert {"edge", "spike", "other", "NAB, 4 windows; ● the best edge"} <= set(texts(path))


@pytest.mark.parametrize(
    "told",
    [
        quality(0.0, 0.0, 0.0, false=(0.0, 0.0, 0.0)),
        quality(0.0, 0.0, 0.0, false=(None, None, None), days=0.0),
        benchmark(None, inf),
        benchmark(0.0, inf),
    ],
)
def test_what_is_not_known_or_nothing_can_be_drawn(tmp_path: Path, told: Quality | Benchmark) -> None:
    picture.draw(report(spike=told), tmp_path / "curve.svg")
    assert "spike" in texts(tmp_path / "curve.svg")


@pytest.mark.parametrize("name", ["_hidden", "$x_$", "a$", "<b>&"])
def test_a_detector_may_have_any_name(tmp_path: Path, name: str) -> None:
    picture.draw(report(**{name: quality(1.0, 0.5, 0.0)}), tmp_path / "curve.svg")
    assert name in texts(tmp_path / "curve.svg")


@pytest.mark.parametrize("name", ["curve.svg", "curve.PNG"])
def test_the_same_curve_is_the_same_bytes(tmp_path: Path, name: str) -> None:
    told = report(spike=quality(1.0, 0.5, 0.0))
    for folder in ("one", "two"):
        picture.draw(told, tmp_path / folder / name)
    first, second = ((tmp_path / folder / name).read_bytes() for folder in ("one", "two"))
    assert first == second
    assert first.startswith(PNG) == name.endswith("PNG")


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("curve.pdf", r"must end in \.svg or \.png"),
        ("curve", r"must end in \.svg or \.png"),
        ("folder.svg", "is no place for a file"),
        ("file/curve.svg", "is no place for a file"),
        ("file/deeper/curve.svg", "is no place for a file"),
    ],
)
def test_a_place_where_no_picture_can_be_put_is_refused(tmp_path: Path, name: str, problem: str) -> None:
    (tmp_path / "folder.svg").mkdir()
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Misconfigured, match=problem):
        picture.check(tmp_path / name)


def test_a_place_in_a_folder_that_is_not_there_yet_is_taken(tmp_path: Path) -> None:
    picture.check(tmp_path / "a" / "b" / "curve.SVG")
