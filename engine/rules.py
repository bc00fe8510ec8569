"""Detectors with all that a replay needs to score as they did: one document each, known by its digest (decision 1)."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import msgspec
import polars as pl
from msgspec import Struct

from engine import schema
from engine.columns import Floats, floats
from engine.detectors import Detector
from engine.errors import Misconfigured
from engine.order import OrderSettings

DIGEST_BYTES = 8
_TOKEN = re.compile(r"""'[^']*'|"[^"]*"|(?P<number>(\b\d+\.?\d*|(?<!\w)\.\d+)([eE][+-]?\d+)?)""")


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
        """The length of its window."""
        return self.detector.windows()[0].span_ms

    def score(self, columns: Sequence[pl.Series]) -> Floats:
        """The scoring expression over price, size, n, mean, std and z; NaN where it is null."""
        expression, numbers = self._expression
        constants = [number.new_from_index(0, len(columns[0])) for number in numbers]
        return floats(pl.DataFrame([*columns, *constants]).select(expression).to_series())

    @cached_property
    def of_every_row(self) -> Sequence[pl.Series]:
        """What stands of the rule in each row of SCORE, as columns of one row."""
        told = {"detector": self.name, "rules": self.digest, "revision": 0}
        return [pl.Series(name, [value], schema.empty(schema.SCORE).schema[name]) for name, value in told.items()]

    @cached_property
    def _expression(self) -> tuple[pl.Expr, Sequence[pl.Series]]:
        """The SQL with its numbers made columns: Polars divides by a constant by way of its inexact reciprocal."""
        numbers: dict[str, float] = {}

        def as_column(found: re.Match[str]) -> str:
            if found["number"] is None:
                return found[0]
            name = f"constant_{len(numbers)}"
            numbers[name] = float(found[0]) if re.search(r"[.eE]", found[0]) else int(found[0])
            return name

        text = _TOKEN.sub(as_column, self.detector.score())
        return pl.sql_expr(text).cast(pl.Float64), [pl.Series(name, [number]) for name, number in numbers.items()]


class Rules(Struct, frozen=True):
    """The rules of one run and the order they share."""

    rules: tuple[Rule, ...]
    order: OrderSettings

    @property
    def window_ms_max(self) -> int:
        """The longest window."""
        return max(rule.window_ms for rule in self.rules)

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
) -> Rules:
    """Put detectors under the order they share. Raises Misconfigured where one cannot be scored."""
    if not detectors:
        raise Misconfigured("detectors: there is none; add a section such as [detectors.spike]")
    problems = [problem for name, detector in detectors.items() for problem in _problems_of_windows(name, detector)]
    if problems:
        raise Misconfigured(*problems)
    horizon_ms = max(detector.windows()[0].span_ms for detector in detectors.values()) + max(
        detector.episode_ms_max for detector in detectors.values()
    )
    order = OrderSettings(future_ms, late_ms, horizon_ms, price_decimals, dict(price_decimals_of))
    rules = tuple(Rule(name, detector, _document(name, detector, order)) for name, detector in detectors.items())
    problems = [problem for rule in rules for problem in _problems(rule)]
    if problems:
        raise Misconfigured(*problems)
    return Rules(rules, order)


def _document(name: str, detector: Detector, order: OrderSettings) -> str:
    shared = ("baseline", "count_min", "move_bps_min", "quiet_ms", "episode_ms_max", "cooldown_ms")
    document: dict[str, Any] = {
        "name": name,
        "settings": {"use": type(detector).__module__.rpartition(".")[2], **_fields(detector)},
        "sql": detector.score(),
        "window_ms": detector.windows()[0].span_ms,
        **{field: getattr(detector, field) for field in shared},
        **_fields(order),
    }
    return json.dumps(document, sort_keys=True, separators=(",", ":"))


def _fields(settings: Any) -> dict[str, Any]:
    return dict(msgspec.structs.asdict(settings))


def _problems_of_windows(name: str, detector: Detector) -> list[str]:
    told = ", ".join(window.series for window in detector.windows())
    return [] if told == "price" else [f"detectors.{name}: has windows over [{told}]; one over price can be measured"]


def _problems(rule: Rule) -> list[str]:
    """Try the expression on no rows: a wrong name or type shows before the start."""
    columns = {"price": pl.Float64, "size": pl.Float64, "n": pl.Int64, "mean": pl.Float64, "std": pl.Float64}
    try:
        rule.score([pl.Series(name, [], kind) for name, kind in (columns | {"z": pl.Float64}).items()])
    except pl.exceptions.PolarsError as error:
        return [f"detectors.{rule.name}: {rule.detector.score()!r} cannot be computed: {error}"]
    return []
