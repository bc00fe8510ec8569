"""Detectors against the series of the Numenta Anomaly Benchmark. A row scores as the highest of them has it."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

import numpy as np
from msgspec import Struct

from engine.columns import Floats, Places
from engine.detectors import Detector
from engine.evaluation.curve import EDGES, openings
from engine.evaluation.nab import OUTSIDE, PROFILES, Rows, normalised, of_detections, rows_of, sweep
from engine.evaluation.nab_files import Series
from engine.evaluation.report import Report, alerting, extent
from engine.evaluation.scored import Marks, scored
from engine.rules import Rules
from engine.step import State

Scores: TypeAlias = Mapping[str, float | None]
"""By profile, 0 for no detection at all, 100 for a perfect detector."""

_NOWHERE: Places = np.empty(0, np.intp)


class Point(Struct, frozen=True):
    """The curve at one edge, where a score of `edge` or more is a detection."""

    edge: float
    scores: Scores


class Alerted(Struct, frozen=True):
    """The best scores where only the opening of an episode is a detection, and the edges that give them.

    An edge is one of EDGES, or infinite where no alert is better than any.
    """

    scores: Scores
    edge: Mapping[str, float]


class Benchmark(Struct, frozen=True):
    """The best scores, by profile the threshold that gives them and the edge it stands for.

    `found` counts the windows found under the standard profile, `missed` names the others by their first row. NAB takes
    every row for a detection by itself; `alerts` tells what the same scores give as alerts, raised once an episode.
    """

    scores: Scores
    threshold: Mapping[str, float]
    edge: Mapping[str, float]
    windows: int
    found: int
    missed: tuple[str, ...]
    alerts: Alerted
    curve: tuple[Point, ...]


class _Seen(Struct):
    """A detector's rows that count, series by series; by edge the numbers of those among them that open episodes."""

    rows: list[Rows]
    opened: tuple[list[Places], ...]
    count: int = 0


def evaluate(corpus: Iterable[Series], rules: Rules, new_state: Callable[[], State]) -> Report[Benchmark]:
    """Score every series. Raises Misconfigured where one cannot be used."""
    seen = {rule.name: _Seen([], tuple([] for _ in EDGES)) for rule in rules.rules}
    names: list[str] = []
    counts = Counter[str]()
    for series in corpus:
        found = scored(new_state(), series.ticks)
        counts.update(found.counts)
        for rule in rules.rules:
            _keep(seen[rule.name], found.marks[rule.name], rule.detector, series, len(names))
        times = series.ticks["ts_event"]
        names += [f"{series.name} {times[first]:%Y-%m-%d %H:%M:%S}" for first, _ in series.windows]
    detectors = {name: benchmark([each], names) for name, each in seen.items()}
    alert = alerting(rules.rules)
    return Report(benchmark([seen[name] for name in alert], names), alert, detectors, extent(counts))


def _keep(seen: _Seen, marks: Sequence[Marks], detector: Detector, series: Series, first_number: int) -> None:
    rows = rows_of(_anomaly(marks, len(series.ticks)), series.windows, first_number)
    on_probation = len(series.ticks) - len(rows.anomaly)
    for edge, opened in zip(EDGES, seen.opened, strict=True):
        for each in marks:
            at = each.row[openings(each.clock, each.score, edge, detector)]
            opened.append(at[at >= on_probation] - on_probation + seen.count)
    seen.rows.append(rows)
    seen.count += len(rows.anomaly)


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


def benchmark(seen: Sequence[_Seen], names: Sequence[str]) -> Benchmark:
    """The scores of one detector, or of several together, on a corpus whose windows are called so."""
    corpora = [Rows(*map(np.concatenate, zip(*each.rows, strict=True))) for each in seen]
    rows = corpora[0]._replace(anomaly=np.max([each.anomaly for each in corpora], axis=0))
    sweeps = {name: sweep(rows, profile) for name, profile in PROFILES.items()}

    def scores(raw: Mapping[str, float]) -> Scores:
        return {name: normalised(raw[name], sweeps[name].nothing, len(names), PROFILES[name]) for name in PROFILES}

    edges = zip(EDGES, as_anomaly(np.array(EDGES)).tolist(), strict=True)
    threshold = {name: each.threshold_best for name, each in sweeps.items()}
    found = set(rows.window[rows.anomaly >= threshold["standard"]].tolist()) - {OUTSIDE}
    alerts = [_NOWHERE, *_alerts(seen)]
    by_alerts = {name: [of_detections(rows, at, profile) for at in alerts] for name, profile in PROFILES.items()}
    return Benchmark(
        scores({name: each.best for name, each in sweeps.items()}),
        threshold,
        edge={name: as_edge(each) for name, each in threshold.items()},
        windows=len(names),
        found=len(found),
        missed=tuple(name for number, name in enumerate(names) if number not in found),
        alerts=Alerted(
            scores({name: max(each) for name, each in by_alerts.items()}),
            edge={name: (np.inf, *EDGES)[int(np.argmax(each))] for name, each in by_alerts.items()},
        ),
        curve=tuple(Point(edge, scores({name: each.at(at) for name, each in sweeps.items()})) for edge, at in edges),
    )


def _alerts(seen: Sequence[_Seen]) -> Iterator[Places]:
    """By edge the rows at which an episode of any detector opens."""
    for of_each in zip(*(each.opened for each in seen), strict=True):
        yield np.unique(np.concatenate([_NOWHERE, *(at for opened in of_each for at in opened)]))
