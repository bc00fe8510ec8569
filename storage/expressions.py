"""What a scoring expression asks to be measured, read from the names in its text (decision 4)."""

import re
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from engine.errors import Misconfigured

SPANS_MAX: Final = 8
SPAN_MS_MAX: Final = 10**13

_OF_SCORE: Final = {"n", "mean", "std", "z"}
_OF_THE_ROW: Final = {"signed", "notional", "change"}
_UNIT_MS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}

_TOKEN: Final = re.compile(r"""'[^']*'|[0-9][\w.]*|"(?P<quoted>[^"]*)"|(?P<name>[^\W\d]\w*)(?!\w|\s*\()""")
_OF_SERIES: Final = "n|mean|std|z|sum|min|max|range|first|last"
_OF_TICKS: Final = "vwap|rate|age"
_STATISTIC: Final = re.compile(
    rf"(?:(?P<of_series>{_OF_SERIES})(?:_(?P<series>price|size|signed|notional|change))?|(?P<of_ticks>{_OF_TICKS}))"
    r"(?:_(?P<count>[0-9]{1,15})(?P<unit>ms|s|m|h|d))?"
)
_LIKE_A_STATISTIC: Final = re.compile(rf"(?:{_OF_SERIES}|{_OF_TICKS})_\w*")


class Measure(Struct, frozen=True):
    """A column of an expression: a statistic of a series over a span."""

    name: str
    statistic: str
    series: str
    span_ms: int


class Expression(Struct, frozen=True):
    """The text, what it asks to be measured, and which columns of the row itself it names beside those of a tick."""

    sql: str
    measures: tuple[Measure, ...]
    of_row: tuple[str, ...]

    def windows(self) -> dict[tuple[str, int], list[Measure]]:
        """The measures by their series and span."""
        found: dict[tuple[str, int], list[Measure]] = {}
        for measure in self.measures:
            found.setdefault((measure.series, measure.span_ms), []).append(measure)
        return found


def expression(sql: str, window_ms: int, of: str) -> Expression:
    """Read the expression of a detector with this window. Raises Misconfigured, telling `of` which rules it is."""
    names = sorted(set(_names(sql)))
    measures = tuple(_measure(name, window_ms, of) for name in names if _is_measured(name))
    spans = {measure.span_ms for measure in measures}
    if len(spans) > SPANS_MAX:
        told = ", ".join(measure.name for measure in measures)
        raise Misconfigured(f"{of}: {told}: {len(spans)} different spans; at most {SPANS_MAX} are measured")
    return Expression(sql, measures, tuple(name for name in names if name in _OF_THE_ROW))


def _names(sql: str) -> Iterator[str]:
    """Names of columns; one before a parenthesis is a function's."""
    for token in _TOKEN.finditer(sql):
        name = token["name"] or token["quoted"]
        if name:
            yield name


def _is_measured(name: str) -> bool:
    is_like = _STATISTIC.fullmatch(name) or _LIKE_A_STATISTIC.fullmatch(name)
    return bool(is_like) and name not in _OF_SCORE


def _measure(name: str, window_ms: int, of: str) -> Measure:
    told = _STATISTIC.fullmatch(name)
    if told is None:
        raise Misconfigured(f"{of}: {name}: is no statistic; write one as mean, mean_size, mean_size_30s or vwap_5m")
    span_ms = window_ms if told["count"] is None else int(told["count"]) * _UNIT_MS[told["unit"]]
    if not 1 <= span_ms <= SPAN_MS_MAX:
        raise Misconfigured(f"{of}: {name}: spans are 1 to {SPAN_MS_MAX} ms long")
    return Measure(name, told["of_series"] or told["of_ticks"], told["series"] or "price", span_ms)
