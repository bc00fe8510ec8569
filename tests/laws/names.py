"""Decision 4 in plain Python: what a name in a scoring expression stands for, from the list of rows in its window."""

import math
import re
from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any

import numpy as np

Row = Mapping[str, Any]
STATISTIC = re.compile(
    r"(n|mean|std|z|sum|min|max|range|first|last|vwap|rate|age)"
    r"(?:_(price|size|signed|notional|change))?(?:_(\d+)(ms|s|m|h|d))?"
)
UNIT_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


class Names(dict[str, Any]):
    """The names of an expression at one row, as numpy's numbers, whose division is IEEE's. Raises Null for a null."""

    def __init__(self, row: Row, before: Sequence[Row], rule: Mapping[str, Any]) -> None:
        super().__init__()
        self.row = row
        self.before = before  # all the rows of its key since that started anew, oldest first
        self.rule = rule

    def __missing__(self, name: str) -> Any:
        found = self.value(name)
        if found is None:
            raise Null
        return np.int64(found) if isinstance(found, int) else np.float64(found)

    def value(self, name: str) -> float | None:
        if name in {"price", "size", "n", "mean", "std", "z"}:
            told: float | None = self.row[name]
            return told
        if name in self.row["values"]:
            v: int | None = self.row["values"][name]
            return None if v is None else float(v) / self.of_unit(name)
        parsed = STATISTIC.fullmatch(name)
        if parsed is None:
            raise KeyError(name)
        statistic, series, count, unit = parsed.groups()
        span_ms = self.rule["window_ms"] if count is None else int(count) * UNIT_MS[unit]
        since = self.row["t"] - span_ms * 1000
        rows = list(takewhile(lambda each: each["t"] > since, reversed(self.before)))[::-1]
        if self.rule["baseline"] == "inclusive":
            rows.append(self.row)
        if statistic == "vwap":
            notional, size = (sum(known(rows, series)) for series in ("notional", "size"))
            return two_words(notional) / 100.0 / (two_words(size) / self.of_unit("size")) if size else None
        if statistic == "rate":
            return float(len(rows)) / (span_ms / 1000)
        if statistic == "age":
            return float(self.row["t"] - rows[0]["t"]) / 10**6 if rows else None
        return self.of_series(statistic, series or "price", rows)

    def of_unit(self, series: str) -> float:
        many: float = self.row["units"][series]
        return many

    def of_series(self, statistic: str, series: str, rows: Sequence[Row]) -> float | None:
        d, own, values = self.of_unit(series), self.row["values"][series], known(rows, series)
        match statistic:
            case "first" | "last":
                ends = [each["values"][series] for each in (rows[:1] if statistic == "first" else rows[-1:])]
                return None if ends in ([], [None]) else float(ends[0]) / d
            case "sum":
                return two_words(sum(values)) / d
            case "min":
                return float(min(values)) / d if values else None
            case "max":
                return float(max(values)) / d if values else None
            case "range":
                return float(max(values) - min(values)) / d if values else None
        x = 0 if own is None else own
        s, q = sum(v - x for v in values), sum((v - x) ** 2 for v in values)
        mean, std, z = measures(len(values), s, q, x, d)
        if own is None or len(values) < self.rule["count_min"]:
            z = None
        told: dict[str, float | None] = {"n": len(values), "mean": mean, "std": std, "z": z}
        return told[statistic]


class Null(Exception):
    """A name of the expression is null."""


def evaluated(sql: str, names: Names) -> float | None:
    """The value of an expression that is SQL and Python alike: names, numbers, + - * /, abs() and parentheses."""
    try:
        with np.errstate(all="ignore"):
            value = float(eval(sql, {"abs": abs}, names))
    except Null:
        return None
    return None if math.isnan(value) else value


def known(rows: Sequence[Row], series: str) -> list[int]:
    return [row["values"][series] for row in rows if row["values"][series] is not None]


def series_of(row: Row, x: int, x_before: int | None, decimals: int, size_decimals: int) -> dict[str, Any]:
    """The row's value of each series in whole units, and how many of these make one."""
    size = notional = signed = None
    if row["size"] is not None and math.isfinite(row["size"]):
        size = units(row["size"] * float(10**size_decimals))
        notional = units(row["price"] * row["size"] * 100.0)
    if size is not None and row["side"] in {"buy", "sell"}:
        signed = size if row["side"] == "buy" else -size
    change = None if x_before is None or abs(x - x_before) >= 2**50 else x - x_before
    values = {"price": x, "size": size, "signed": signed, "notional": notional, "change": change}
    of_price, of_size = float(10**decimals), float(10**size_decimals)
    return {
        "values": values,
        "units": {"price": of_price, "size": of_size, "signed": of_size, "notional": 100.0, "change": of_price},
    }


def units(product: float) -> int | None:
    """Whole units, half away from zero; none where that is no number below 2^50 in magnitude."""
    if not math.isfinite(product):
        return None
    down = math.floor(abs(product))
    whole = int(math.copysign(down + (abs(product) - down >= 0.5), product))
    return whole if abs(whole) < 2**50 else None


def measures(n: int, s: int, q: int, x: int, unit: float) -> tuple[float | None, float | None, float | None]:
    """Mean, std and z of DESIGN 4, in its order of operations."""
    if n == 0:
        return None, None, None
    m = two_words(s) / n
    if n == 1:
        return (x + m) / unit, None, None
    rest, q_ = two_words(q) - two_words(s) * m, two_words(q)
    root = 0.0 if rest <= q_ * 2.0**-48 else math.sqrt(rest / (n - 1))
    z = divided(-m, root)
    return (x + m) / unit, root / unit, None if math.isnan(z) else z


def two_words(value: int) -> float:
    high, low = divmod(abs(value), 2**64)
    return (1 if value > 0 else -1 if value else 0) * (float(high) * 2.0**64 + float(low))


def divided(a: float, b: float) -> float:
    """IEEE division: by zero gives an infinity, or NaN for 0 / 0."""
    if b:
        return a / b
    return math.copysign(math.inf, a) * math.copysign(1.0, b) if a else math.nan
