"""Detectors against the series of the Numenta Anomaly Benchmark. A set scores a row as its highest detector does."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from msgspec import Struct

from engine.columns import Floats
from engine.evaluation.curve import EDGES
from engine.evaluation.nab import OUTSIDE, PROFILES, Rows, normalised, rows_of, sweep
from engine.evaluation.nab_files import Series
from engine.evaluation.report import Report, extent
from engine.evaluation.scored import Marks, scored
from engine.rules import Rules
from engine.step import State

Scores = Mapping[str, float | None]
"""By profile, 0 for no detection at all, 100 for a perfect detector."""


class Point(Struct, frozen=True):
    """The curve at one edge, where a score of `edge` or more is a detection."""

    edge: float
    scores: Scores


class Benchmark(Struct, frozen=True):
    """The best scores, by profile the threshold that gives them and the edge it stands for.

    `found` counts the windows found under the standard profile, `missed` names the others by their first row.
    """

    scores: Scores
    threshold: Mapping[str, float]
    edge: Mapping[str, float]
    windows: int
    found: int
    missed: tuple[str, ...]
    curve: tuple[Point, ...]


def evaluate(corpus: Iterable[Series], rules: Rules, new_state: Callable[[], State]) -> Report[Benchmark]:
    """Score every series. Raises Misconfigured where one cannot be used."""
    parts: dict[str, list[Rows]] = {rule.name: [] for rule in rules.rules}
    names: list[str] = []
    counts = Counter[str]()
    for series in corpus:
        found = scored(new_state(), series.ticks)
        counts.update(found.counts)
        for name, rows in parts.items():
            rows.append(rows_of(_anomaly(found.marks[name], len(series.ticks)), series.windows, len(names)))
        times = series.ticks["ts_event"]
        names += [f"{series.name} {times[first]:%Y-%m-%d %H:%M:%S}" for first, _ in series.windows]
    detectors = {name: Rows(*map(np.concatenate, zip(*rows, strict=True))) for name, rows in parts.items()}
    highest = np.max([rows.anomaly for rows in detectors.values()], axis=0)
    together = next(iter(detectors.values()))._replace(anomaly=highest)
    benchmarks = {name: benchmark(rows, names) for name, rows in detectors.items()}
    return Report(benchmark(together, names), benchmarks, extent(counts))


def _anomaly(marks: Sequence[Marks], count: int) -> Floats:
    """Row by row the score as a number from 0 to 1; 0 where there is none."""
    anomaly = np.zeros(count)
    for each in marks:
        anomaly[each.row] = as_anomaly(each.score)
    return anomaly


def as_anomaly(score: Floats) -> Floats:
    """Scores from 0 to infinity as numbers from 0 to 1, in the same order."""
    return 1.0 - 1.0 / (1.0 + np.maximum(score, 0.0))


def as_edge(anomaly: float) -> float:
    """The score that such a number stands for."""
    return anomaly / (1.0 - anomaly) if anomaly < 1.0 else np.inf


def benchmark(rows: Rows, names: Sequence[str]) -> Benchmark:
    """The scores of a corpus whose windows are called so."""
    sweeps = {name: sweep(rows, profile) for name, profile in PROFILES.items()}

    def scores(raw: Mapping[str, float]) -> Scores:
        return {
            name: normalised(raw[name], sweeps[name].nothing, len(names), profile) for name, profile in PROFILES.items()
        }

    edges = zip(EDGES, as_anomaly(np.array(EDGES)).tolist(), strict=True)
    threshold = {name: each.threshold_best for name, each in sweeps.items()}
    found = set(rows.window[rows.anomaly >= threshold["standard"]].tolist()) - {OUTSIDE}
    return Benchmark(
        scores({name: each.best for name, each in sweeps.items()}),
        threshold,
        edge={name: as_edge(each) for name, each in threshold.items()},
        windows=len(names),
        found=len(found),
        missed=tuple(name for number, name in enumerate(names) if number not in found),
        curve=tuple(Point(edge, scores({name: each.at(at) for name, each in sweeps.items()})) for edge, at in edges),
    )
