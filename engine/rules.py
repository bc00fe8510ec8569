"""Detectors with all that a replay needs to score as they did: one document each, known by its digest (decision 1)."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import msgspec
import polars as pl
from msgspec import Struct

from engine import schema
from engine.detectors import Detector
from engine.errors import Misconfigured
from engine.expressions import OF_ROW, Expression, Statistic
from engine.order import OrderSettings

DIGEST_BYTES = 8
MEASURED = ("n", "mean", "std", "z")
"""Columns of SCORE: what is measured of the price over a rule's own window."""


class Rule(Struct, frozen=True, dict=True):
    """A detector under its name. `text` is its document as JSON, `digest` BLAKE2b of it, as hexadecimal."""

    name: str
    detector: Detector
    text: str

    @cached_property
    def digest(self) -> str:
        """What the document is known by in rows."""
        return hashlib.blake2b(self.text.encode(), digest_size=DIGEST_BYTES).hexdigest()

    @cached_property
    def window_ms(self) -> int:
        """The length of its own window."""
        return self.detector.window_ms

    @cached_property
    def expression(self) -> Expression:
        """Its scoring expression."""
        return Expression(self.detector.score(), self.detector.window_ms)

    @cached_property
    def statistics(self) -> tuple[Statistic, ...]:
        """What its expression names beside n, mean, std and z of its own window."""
        return tuple(each for each in self.expression.statistics if each.name not in MEASURED)

    @cached_property
    def window_ms_max(self) -> int:
        """The length of its longest window."""
        return max(self.window_ms, *(each.window.span_ms for each in self.expression.statistics), 1)

    @cached_property
    def of_every_row(self) -> Sequence[pl.Series]:
        """What stands of the rule in each row of SCORE, as columns of one row."""
        told = {"detector": self.name, "rules": self.digest, "revision": 0}
        return [pl.Series(name, [value], schema.empty(schema.SCORE).schema[name]) for name, value in told.items()]


class Rules(Struct, frozen=True):
    """The rules of one run and the order they share."""

    rules: tuple[Rule, ...]
    order: OrderSettings

    @property
    def window_ms_max(self) -> int:
        """The longest window."""
        return max(rule.window_ms_max for rule in self.rules)

    @property
    def log_needed_ms(self) -> int:
        """How much of the log a restart may have to read: a quiet key holds its window until it starts anew."""
        return max(2 * self.window_ms_max, self.order.horizon_ms + self.window_ms_max)

    @property
    def documents(self) -> Mapping[str, str]:
        """Digest to document."""
        return {rule.digest: rule.text for rule in self.rules}


def rules_of(
    detectors: Mapping[str, Detector],
    *,
    future_ms: int,
    late_ms: int,
    price_decimals: int,
    price_decimals_of: Mapping[str, int],
    size_decimals: int = 8,
    size_decimals_of: Mapping[str, int] | None = None,
) -> Rules:
    """Put detectors under the order they share. Raises Misconfigured where one cannot be scored."""
    if not detectors:
        raise Misconfigured("detectors: there is none; add a section such as [detectors.spike]")
    expressions = {name: Expression(each.score(), each.window_ms) for name, each in detectors.items()}
    problems = [f"detectors.{name}: {problem}" for name, each in expressions.items() for problem in each.problems]
    if problems:
        raise Misconfigured(*problems)
    longest_ms = max(
        span_ms
        for each in expressions.values()
        for span_ms in (each.window_ms, *(statistic.window.span_ms for statistic in each.statistics))
    )
    horizon_ms = longest_ms + max(detector.episode_ms_max for detector in detectors.values())
    decimals = (price_decimals, dict(price_decimals_of), size_decimals, dict(size_decimals_of or {}))
    order = OrderSettings(future_ms, late_ms, horizon_ms, *decimals)
    rules = tuple(Rule(name, detector, _document(name, detector, order)) for name, detector in detectors.items())
    problems = [problem for rule in rules for problem in _problems(rule)]
    if problems:
        raise Misconfigured(*problems)
    return Rules(rules, order)


def _document(name: str, detector: Detector, order: OrderSettings) -> str:
    shared = (
        "baseline",
        "count_min",
        "warm_up_ms",
        "move_bps_min",
        "quiet_ms",
        "episode_ms_max",
        "cooldown_ms",
        "keep",
    )
    document: dict[str, Any] = {
        "name": name,
        "settings": {"use": type(detector).__module__.rpartition(".")[2], **_fields(detector)},
        "sql": detector.score(),
        "window_ms": detector.window_ms,
        **{field: getattr(detector, field) for field in shared},
        **_fields(order),
    }
    return json.dumps(document, sort_keys=True, separators=(",", ":"))


def _fields(settings: Any) -> dict[str, Any]:
    return dict(msgspec.structs.asdict(settings))


def _problems(rule: Rule) -> list[str]:
    """Try the expression on no rows: a wrong name or type shows before the start."""
    integers = {each.name for each in rule.expression.statistics if each.kind == "n"} | {"n"}
    names = [*OF_ROW, *MEASURED, *(each.name for each in rule.statistics)]
    columns = {name: pl.Series(name, [], pl.Int64 if name in integers else pl.Float64) for name in names}
    try:
        rule.expression.value(columns, 0)
    except pl.exceptions.PolarsError as error:
        return [f"detectors.{rule.name}: {rule.expression.text!r} cannot be computed: {str(error).splitlines()[0]}"]
    return []
