"""What is measured of a tick beside its price, in whole units (decision 4)."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import polars as pl

from engine.columns import NEVER, Floats, Ints, floats
from engine.order import Judged
from engine.window import UNITS_MAX

NOTIONAL_SCALE = 100.0


def values(series: Sequence[str], ticks: pl.DataFrame, judged: Judged) -> Ints:
    """The units of these series, a column each; NEVER where a value is unknown."""
    taken = [units(name, ticks, judged) for name in series]
    return np.stack(taken, axis=1) if taken else np.zeros((len(judged.key), 0), np.int64)


def units(series: str, ticks: pl.DataFrame, judged: Judged) -> Ints:
    """The units of one series."""
    return _UNITS[series](ticks, judged)


def scale(series: str, judged: Judged) -> Floats:
    """10^decimals of a series, row by row."""
    if series == "notional":
        return np.full(len(judged.key), NOTIONAL_SCALE)
    return judged.size_scale if series in {"size", "signed"} else judged.scale


def _price(_: pl.DataFrame, judged: Judged) -> Ints:
    return judged.x


def _change(_: pl.DataFrame, judged: Judged) -> Ints:
    return np.where(np.abs(judged.change) < UNITS_MAX, judged.change, NEVER)


def _size(ticks: pl.DataFrame, judged: Judged) -> Ints:
    with np.errstate(over="ignore", invalid="ignore"):
        return _rounded(floats(ticks["size"]) * judged.size_scale)


def _signed(ticks: pl.DataFrame, judged: Judged) -> Ints:
    size, side = _size(ticks, judged), ticks["side"]
    bought, sold = ((side == name).fill_null(value=False).to_numpy() for name in ("buy", "sell"))
    return np.where(bought, size, np.where(sold & (size != NEVER), -size, NEVER))


def _notional(ticks: pl.DataFrame, _: Judged) -> Ints:
    with np.errstate(over="ignore", invalid="ignore"):
        return _rounded(floats(ticks["price"]) * floats(ticks["size"]) * NOTIONAL_SCALE)


def _rounded(values: Floats) -> Ints:
    """The nearest whole numbers, halves away from zero; NEVER for what is none or too large."""
    size = np.abs(values)
    is_known = size < UNITS_MAX
    down = np.floor(size, where=is_known, out=np.zeros(len(size)))
    nearest = np.copysign(down + (size - down >= 0.5), values)
    return np.where(is_known, nearest, float(NEVER)).astype(np.int64)


_UNITS: Mapping[str, Callable[[pl.DataFrame, Judged], Ints]] = {
    "price": _price,
    "size": _size,
    "signed": _signed,
    "notional": _notional,
    "change": _change,
}
