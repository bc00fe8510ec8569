"""The text of a scoring expression, and the names in it: a statistic, of a series, over a span (decision 4)."""

import re
from collections.abc import Mapping
from functools import cached_property

import polars as pl
from msgspec import Struct

from engine.columns import Floats, floats
from engine.window import SPAN_MS_MAX, Window

SERIES = ("price", "size", "signed", "notional", "change")
OF_ROW = SERIES
"""What a name alone tells of the row itself."""
SPANS_MAX = 8
FUNCTIONS = ("abs", "sqrt", "exp", "ln", "pow", "floor", "ceil", "coalesce", "nullif", "greatest", "least")
"""Those that Polars and DuckDB compute alike, row by row."""

_OF_A_SERIES = ("n", "mean", "std", "z", "sum", "min", "max", "first", "last", "range")
_OF_THE_WINDOW = ("vwap", "rate", "age")
_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_NAME = re.compile(
    rf"(?:(?P<of_series>{'|'.join(_OF_A_SERIES)})(?:_(?P<series>{'|'.join(SERIES)}))?"
    rf"|(?P<of_window>{'|'.join(_OF_THE_WINDOW)}))"
    r"(?:_(?P<count>[0-9]{1,15})(?P<unit>ms|s|m|h|d))?"
)
_KEYWORDS = frozenset(
    ("case", "when", "then", "else", "end", "and", "or", "not", "is", "null", "between", "true", "false")
)
_TOKEN = re.compile(
    r"(?P<number>(?<![\w.])(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<function>[A-Za-z_]\w*)(?=\s*\()|(?P<word>[A-Za-z_]\w*)",
    re.ASCII,
)
_FOREIGN = re.compile(r"--|/\*|\*/|//|[^\w\s.,()+\-*/<>=!]", re.ASCII)


class Statistic(Struct, frozen=True):
    """A name in an expression."""

    name: str
    kind: str
    window: Window


class Expression(Struct, frozen=True, dict=True):
    """An expression of a detector whose window is `window_ms` long."""

    text: str
    window_ms: int

    @cached_property
    def statistics(self) -> tuple[Statistic, ...]:
        """The statistics that it names, each once."""
        found = {word: _statistic(word, self.window_ms) for word in self._words}
        return tuple(each for each in found.values() if each is not None)

    @cached_property
    def of_row(self) -> tuple[str, ...]:
        """The columns of the row itself that it names."""
        return tuple(name for name in OF_ROW if name in self._words)

    @cached_property
    def problems(self) -> list[str]:
        """What is wrong with the text, in words: only what both engines take for the same is let in."""
        spans = {each.name: each.window.span_ms for each in self.statistics}
        odd = [name for name, span_ms in spans.items() if not 1 <= span_ms <= SPAN_MS_MAX]
        unknown = sorted(word for word in self._words if not _is_known(word))
        count = len({*spans.values()})
        functions = {name for name in self._all("function") if name.lower() not in _KEYWORDS}
        return [
            *(f"{sign!r} has no place in an expression" for sign in sorted({*_FOREIGN.findall(self.text)})),
            *(f"there is no {word}" for word in unknown),
            *(f"there is no function {name}" for name in sorted(functions - {*FUNCTIONS})),
            *(f"{number}: write {number}e0, or DuckDB takes it for a decimal" for number in self._decimals),
            *(f"{name}: a span lies between 1 ms and a century" for name in odd),
            *([f"it names {count} spans; {SPANS_MAX} are the most"] if count > SPANS_MAX else []),
        ]

    def value(self, columns: Mapping[str, pl.Series], rows: int) -> Floats:
        """The value in each row; NaN where it is null."""
        expression, numbers = self._compiled
        used = [column.cast(pl.Float64) for name, column in columns.items() if name in self._words]
        constants = [number.new_from_index(0, rows) for number in numbers]
        return floats(pl.DataFrame([*used, *constants]).select(expression).to_series())

    @cached_property
    def _words(self) -> frozenset[str]:
        return self._all("word")

    @property
    def _decimals(self) -> list[str]:
        return sorted(number for number in self._all("number") if "." in number and "e" not in number.lower())

    def _all(self, kind: str) -> frozenset[str]:
        return frozenset(found[kind] for found in _TOKEN.finditer(self.text) if found[kind] is not None)

    @cached_property
    def _compiled(self) -> tuple[pl.Expr, list[pl.Series]]:
        """The SQL with its numbers made columns: Polars divides by a constant by way of its inexact reciprocal."""
        numbers: dict[str, float] = {}

        def rewritten(found: re.Match[str]) -> str:
            if found["word"] is not None:
                is_column = _NAME.fullmatch(found["word"]) or found["word"] in OF_ROW
                return f'"{found[0]}"' if is_column else found[0]
            if found["number"] is None:
                return found[0]
            name = f"constant_{len(numbers)}"
            numbers[name] = float(found[0])
            return name

        text = _TOKEN.sub(rewritten, self.text)
        return pl.sql_expr(text).cast(pl.Float64), [pl.Series(name, [number]) for name, number in numbers.items()]


def _is_known(word: str) -> bool:
    return word in OF_ROW or word.lower() in _KEYWORDS or _NAME.fullmatch(word) is not None


def _statistic(word: str, window_ms: int) -> Statistic | None:
    found = _NAME.fullmatch(word)
    if found is None:
        return None
    span_ms = window_ms if found["count"] is None else int(found["count"]) * _MS[found["unit"]]
    return Statistic(word, found["of_series"] or found["of_window"], Window(found["series"] or "price", span_ms))
