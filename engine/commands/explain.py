"""Why an anomaly was raised, for a person or as one JSON object."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import msgspec

from storage import explained
from storage.explained import Explained

_FORMULAS = {
    "x": "price × unit",
    "unit": "units to a price of 1",
    "n": "ticks in the window",
    "s": "Σ(xᵢ − x)",
    "q": "Σ(xᵢ − x)²",
    "m": "s / n",
    "var": "(q − s·m) / (n − 1), 0 where flat",
    "mean": "(x + m) / unit",
    "std": "√var / unit",
    "z": "−m / √var",
}

Cells = Sequence[object]


def explain(folder: Path, anomaly_id: str, ticks_max: int) -> Explained:
    """Explain an anomaly of a dataset."""
    return explained.explain(folder, anomaly_id, ticks_max)


def exit_code(told: Explained) -> int:
    """0 where all that is stored is what it should be, else 1."""
    return 1 if told.differences else 0


def as_json(told: Explained) -> str:
    """One object; what is not known or not finite is null."""
    return msgspec.json.encode(told).decode()


def as_text(told: Explained) -> str:
    """A card for a person."""
    parts = (_anomaly, _rule, _arithmetic, _ticks, _without, _venues)
    return "\n\n".join("\n".join(part(told)) for part in parts)


def _anomaly(told: Explained) -> Iterator[str]:
    of = told.anomaly
    yield f"{of['id']}"
    yield from _table(
        ("what", f"{of['symbol']} on {of['exchange']}: {of['price']} is {_bps(of['move_bps'])} bp from the mean"),
        ("how", f"{of['severity']}, {of['scope']}, {of['state']}, ticks flagged: {of['ticks_flagged']}"),
        *((name, of[f"ts_{name}"]) for name in ("onset", "peak", "end")),
    )


def _rule(told: Explained) -> Iterator[str]:
    yield f"rule {told.anomaly['detector']} ({told.anomaly['rules']})"
    own = told.rule.get("settings")  # Of no use to a replay, so that it may be anything in a document that was altered.
    settings = own if isinstance(own, dict) else {}
    derived = {name: value for name, value in told.rule.items() if name not in {"name", "settings"}}
    yield from _table(*(settings | derived).items())


def _arithmetic(told: Explained) -> Iterator[str]:
    yield "arithmetic at the peak"
    yield from _table(
        *((name, told.steps[name], formula) for name, formula in _FORMULAS.items()),
        *((name, value, "as the rule names it") for name, value in told.statistics.items()),
        ("score", told.steps["score"], told.rule["sql"]),
    )
    for each in told.differences:
        yield f"  DIFFERS: {each.column} is stored as {each.stored}, should be {each.wanted}"
    if not told.differences:
        yield "  equal to what is stored, to the bit"


def _ticks(told: Explained) -> Iterator[str]:
    yield "ticks of the window"
    rows = [
        (each.number, f"{each.offset}/{each.row}", each.ts_event, each.price, each.size, each.side, *each.marks)
        for each in told.ticks
    ]
    lines = list(_table(("", "offset/row", "time", "price", "size", "side"), *rows))
    yield lines[0]
    for line, (tick, after) in zip(lines[1:], pairwise((*told.ticks, None)), strict=True):
        yield line
        if after is not None and tick is not None and after.number > tick.number + 1:
            yield f"  ⋮ {after.number - tick.number - 1} more"


def _without(told: Explained) -> Iterator[str]:
    if told.without is None:
        yield "there was no earlier tick in the window"
        return
    yield f"without tick {told.without.number}, the earlier one furthest from the mean"
    names = ("n", "mean", "std", "z", "score")
    yield from _table(*((name, getattr(told.without, name), f"not {_cell(told.steps[name])}") for name in names))


def _venues(told: Explained) -> Iterator[str]:
    if not told.venues:
        yield "no other exchange had traded the symbol"
        return
    yield "other exchanges, by their last trade before the peak"
    rows = ((each.exchange, each.price, each.age_s, _bps(each.difference_bps)) for each in told.venues)
    yield from _table(("", "price", "age s", "difference bp"), *rows)


def _table(*rows: Cells) -> Iterator[str]:
    """Lines with their cells aligned."""
    told = [[_cell(cell) for cell in row] for row in rows]
    widths = [max(len(row[at]) for row in told if at < len(row)) for at in range(max(map(len, told), default=0))]
    for row in told:
        yield ("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False))).rstrip()


def _bps(value: float | None) -> str:
    return _cell(value) if value is None else f"{value:+.1f}"


def _cell(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S.%f")
    return f"{value}"
