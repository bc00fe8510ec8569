"""Detectors against labelled pumps: which were found, how soon, and how many alerts were false.

An alert is the opening of an episode. It hits an event from 10 s before the event's start (its onset, or the
announcement where no onset is given) to 5 min after the announcement. It is false outside the time from 10 min before
to 2 h after any known event of its symbol. Several detectors together raise the alerts of each of them.

The tapes of a symbol may overlap: each is a log of its own, and its days and its alerts count by themselves.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
from msgspec import Struct

from engine.columns import Ints, Mask
from engine.evaluation import pump_files
from engine.evaluation.curve import EDGES, openings
from engine.evaluation.pump_files import Event, PumpEvents
from engine.evaluation.report import Report, alerting, extent
from engine.evaluation.scored import Scored, scored
from engine.rules import Rules
from engine.step import State

SECOND_US = 1_000_000
HIT_FROM_US, HIT_UNTIL_US = -10 * SECOND_US, 300 * SECOND_US
KNOWN_FROM_US, KNOWN_UNTIL_US = -600 * SECOND_US, 7_200 * SECOND_US

Alerts: TypeAlias = Mapping[str, Ints]
"""By tape the clocks at which episodes opened, in us."""


class Point(Struct, frozen=True):
    """The curve at one edge."""

    edge: float
    recall: float
    false_alerts_per_symbol_day: float | None
    delay_median_s: float | None


class Outcome(Struct, frozen=True):
    """What became of an event; `delay_s` is from its start to the first alert that hits, negative before the start."""

    file: str
    symbol: str
    event_us: int
    hit: bool
    delay_s: float | None


class Quality(Struct, frozen=True):
    """How good the alerts are at edge 1.0, and along the curve."""

    recall: float
    false_alerts_per_symbol_day: float | None
    delay_median_s: float | None
    events: int
    hits: int
    false_alerts: int
    symbols: int
    symbol_days: float
    outcomes: tuple[Outcome, ...]
    curve: tuple[Point, ...]


class _Raised(Struct):
    """A detector's alerts: those of the engine, and those that each edge would have given."""

    by_engine: dict[str, Ints]
    by_edge: tuple[dict[str, Ints], ...]


def evaluate(labels: PumpEvents, rules: Rules, new_state: Callable[[], State]) -> Report[Quality]:
    """Score every tape and judge the alerts. Raises Misconfigured where a tape cannot be used."""
    raised = {rule.name: _Raised({}, tuple({} for _ in EDGES)) for rule in rules.rules}
    days: dict[str, float] = {}
    counts = Counter[str]()
    for file, symbol in labels.files.items():
        ticks = pump_files.ticks_of(labels.folder, file, symbol)
        days[file] = pump_files.days_of(ticks)
        found = scored(new_state(), ticks)
        counts.update(found.counts)
        _keep(raised, file, rules, found)
    detectors = {name: _quality(labels, days, [each]) for name, each in raised.items()}
    names = alerting(rules.rules)
    return Report(_quality(labels, days, [raised[name] for name in names]), names, detectors, extent(counts))


def _keep(raised: Mapping[str, _Raised], file: str, rules: Rules, found: Scored) -> None:
    for rule in rules.rules:
        kept, marks = raised[rule.name], found.marks[rule.name]
        kept.by_engine[file] = found.alerts[rule.name]
        for edge, alerts in zip(EDGES, kept.by_edge, strict=True):
            alerts[file] = _joined(each.clock[openings(each.clock, each.score, edge, rule.detector)] for each in marks)


def _joined(alerts: Iterable[Ints]) -> Ints:
    return np.concatenate([np.empty(0, np.int64), *alerts])


def _quality(labels: PumpEvents, days: Mapping[str, float], raised: Sequence[_Raised]) -> Quality:
    """The quality of one detector, or of several together."""
    symbol_days = sum(days.values())

    def judged(edge: float, alerts: Sequence[Alerts]) -> tuple[Point, tuple[Outcome, ...], int]:
        together = {file: _joined(each[file] for each in alerts) for file in days}
        told, false = outcomes(labels.events, together), false_alerts(labels, together)
        return _point(edge, told, false / symbol_days if symbol_days else None), told, false

    here, told, false = judged(1.0, [each.by_engine for each in raised])
    return Quality(
        here.recall,
        here.false_alerts_per_symbol_day,
        here.delay_median_s,
        events=len(told),
        hits=sum(each.hit for each in told),
        false_alerts=false,
        symbols=len(set(labels.files.values())),
        symbol_days=symbol_days,
        outcomes=told,
        curve=tuple(judged(edge, [each.by_edge[at] for each in raised])[0] for at, edge in enumerate(EDGES)),
    )


def _point(edge: float, told: Sequence[Outcome], false_alerts_per_symbol_day: float | None) -> Point:
    delays = [each.delay_s for each in told if each.delay_s is not None]
    delay_median_s = float(np.median(delays)) if delays else None
    return Point(edge, len(delays) / len(told), false_alerts_per_symbol_day, delay_median_s)


def outcomes(events: Sequence[Event], alerts: Alerts) -> tuple[Outcome, ...]:
    """What became of each event."""
    return tuple(_outcome(event, alerts[event.file]) for event in events)


def _outcome(event: Event, alerts: Ints) -> Outcome:
    hits = alerts[(alerts >= event.start_us + HIT_FROM_US) & (alerts <= event.event_us + HIT_UNTIL_US)]
    delay_s = (int(hits.min()) - event.start_us) / SECOND_US if len(hits) else None
    return Outcome(event.file, event.symbol, event.event_us, bool(len(hits)), delay_s)


def false_alerts(labels: PumpEvents, alerts: Alerts) -> int:
    """How many alerts no known event of their symbol explains."""
    explained = {file: _explained(alerts[file], labels.known_us[symbol]) for file, symbol in labels.files.items()}
    return sum(int(np.count_nonzero(~each)) for each in explained.values())


def _explained(alerts: Ints, known_us: Ints) -> Mask:
    since, until = known_us + KNOWN_FROM_US, known_us + KNOWN_UNTIL_US
    explained: Mask = np.any((alerts[:, None] >= since) & (alerts[:, None] <= until), axis=1)
    return explained
