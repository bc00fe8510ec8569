"""Why an anomaly was raised: its rule, the arithmetic at its peak, the ticks of its window, and what else there was."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from engine.errors import Misconfigured
from storage import peak, stored
from storage.baseline import Baseline, Tick, baseline
from storage.expressions import expression
from storage.oracle import Document
from storage.peak import Row
from storage.query import answer
from storage.replay import Told


class Without(Struct, frozen=True):
    """What the peak would be if the earlier tick furthest from the mean, of this number, had not been there."""

    number: int
    n: int
    mean: float | None
    std: float | None
    z: float | None
    score: float | None


class Venue(Struct, frozen=True):
    """The last price of another exchange before the peak in the log; its age by the times at which both were scored."""

    exchange: str
    price: float
    age_s: float
    difference_bps: float | None


class Explained(Struct, frozen=True):
    """`anomaly` is its newest state, `rule` the document. `steps` go from n, s and q to the score, as in DESIGN 4.

    `statistics` are what the rule names beside n, mean, std and z. `differences` tells which of the stored values are
    not what they should be.
    """

    anomaly: Mapping[str, Any]
    rule: Mapping[str, Any]
    steps: Mapping[str, Any]
    statistics: Mapping[str, float | None]
    ticks: Sequence[Tick]
    without: Without | None
    venues: Sequence[Venue]
    differences: Sequence[Told]


def explain(folder: Path, anomaly_id: str, ticks_max: int) -> Explained:
    """Explain an anomaly of a dataset; of its ticks tell so many of the first and of the last.

    Raises Misconfigured where it is not there or cannot be computed, Unavailable where disk or memory do not suffice.
    """
    anomaly = _anomaly(folder, anomaly_id)
    files, kept = stored.in_dataset(folder)  # After the anomaly, for an engine may be writing on.
    if anomaly is None:
        raise Misconfigured(
            f"{anomaly_id}: is the ID of no anomaly in {folder}; one is like 0:1234:5:binance:BTC-USDT:spike, see "
            '`tickstream query "FROM anomalies"`'
        )
    text, document = _rule(folder, kept.rules, anomaly["rules"])
    rule: Row = msgspec.json.decode(text)
    scoring = expression(document.sql, document.window_ms, of=f"rules {anomaly['rules']}")
    span_ms = max([document.window_ms, *(each.span_ms for each in scoring.measures)])
    found = peak.find(files, anomaly, text, span_ms)
    names = [*(each.name for each in scoring.measures), *scoring.of_row]
    scored, statistics = peak.score(found.ticks, rule, names)
    held = baseline(found.ticks, scored["mean"], document.window_ms, inclusive=document.baseline == "inclusive")
    digest = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
    from_sums = {name: found.steps[name] for name in ("mean", "std", "z")}
    wanted = {"rules": digest, "price": found.ticks["price"][-1]} | scored | from_sums | held.bounds
    return Explained(
        anomaly=anomaly,
        rule=rule,
        steps=found.steps | {"score": scored["score"]},
        statistics=statistics,
        ticks=held.shown(ticks_max),
        without=_without(held, rule),
        venues=msgspec.convert(found.venues, list[Venue]),
        differences=list(_differences(anomaly, wanted)),
    )


def _anomaly(folder: Path, anomaly_id: str) -> Row | None:
    question = resources.files("sql").joinpath("explain", "anomaly.sql").read_text("utf-8")
    with answer(folder, question, id=anomaly_id) as rows:
        found: list[Row] = rows.read_all().to_pylist()
    return found[0] if found else None


def _rule(folder: Path, rules: Mapping[str, str], digest: str) -> tuple[str, Document]:
    path = folder / "rules" / f"{digest}.json"
    if digest not in rules:
        raise Misconfigured(f"{path}: the rule of this anomaly is not there; restore it from a copy of the dataset")
    try:
        return rules[digest], msgspec.json.decode(rules[digest], type=Document)
    except msgspec.DecodeError as error:
        raise Misconfigured(f"{path}: {error}; restore it from a copy of the dataset") from error


def _without(held: Baseline, rule: Row) -> Without | None:
    if held.furthest is None:
        return None
    scored, _ = peak.score(held.without_furthest(), rule)
    return Without(held.furthest, *(scored[name] for name in ("n", "mean", "std", "z", "score")))


def _differences(anomaly: Row, wanted: Row) -> Iterator[Told]:
    for column, value in wanted.items():
        if _bits(anomaly[column]) != _bits(value):
            yield Told(column, *(None if each is None else str(each) for each in (anomaly[column], value)))


def _bits(value: object) -> object:
    return value.hex() if isinstance(value, float) else value
