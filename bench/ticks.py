"""The workload: a seeded log of trades over 60 keys, as a drain would bring it."""

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from engine import schema
from engine.batch import TickBatch
from engine.columns import Floats, ints
from engine.kernel import Ticks
from engine.order import Judged, Order
from engine.rules import Rules

SEED = 7
EXCHANGES = ("binance", "coinbase", "kraken")
SYMBOLS = 20
KEYS = len(EXCHANGES) * SYMBOLS
WINDOW_MS = 60_000
TICKS_PER_SECOND = 10_000
MESSAGE_ROWS = 1_000

_START_US = 1_767_225_600_000_000  # 2026-01-01
_STEP = 2e-5
_DIGITS = 6


def log(rows: int, ticks_per_second: int = TICKS_PER_SECOND) -> pl.DataFrame:
    """`rows` trades of one partition (columns of schema.LOG) in the order of their times.

    Some keys trade far more than others; times are whole milliseconds, as venues give them, so many are shared.
    Prices walk at random in ticks of a millionth of their level, which lies between 0.01 and 100,000.
    """
    rng = np.random.default_rng(SEED)
    share = 1 / np.arange(3, KEYS + 3)
    key = rng.choice(KEYS, rows, p=share / share.sum())
    ms = np.sort(rng.integers(0, rows * 1_000 // ticks_per_second, rows))
    place = np.arange(rows)
    time = pl.Series(_START_US + ms * 1_000).cast(pl.Datetime("us", "UTC"))
    columns = {
        "partition": pl.zeros(rows, pl.Int32, eager=True),
        "offset": pl.Series(place // MESSAGE_ROWS),
        "row": pl.Series(place % MESSAGE_ROWS, dtype=pl.Int32),
        "exchange": pl.Series(EXCHANGES).gather(key % len(EXCHANGES)),
        "symbol": pl.Series([f"C{number:02}-USDT" for number in range(SYMBOLS)]).gather(key // len(EXCHANGES)),
        "ts_event": time,
        "ts_received": time + timedelta(milliseconds=40),
        "trade_id": pl.Series(place),
        "price": pl.Series(_prices(rng, key)),
        "size": pl.Series(np.round(rng.lognormal(-2, 1, rows), 4)),
        "side": pl.Series(["buy", "sell"]).gather(rng.integers(0, 2, rows)),
        "missing": pl.zeros(rows, pl.Int32, eager=True),
        "ts_appended": time + timedelta(milliseconds=45),
        "ts_drained": time + timedelta(milliseconds=90),
    }
    return pl.DataFrame(columns).select(schema.LOG.names)


def batches(ticks: pl.DataFrame, rows: int) -> Iterator[TickBatch]:
    """The log as drains of `rows` ticks."""
    for batch in ticks.iter_slices(rows):
        yield TickBatch(batch, {0: int(batch["offset"][-1]) + 1})


def accepted(ticks: pl.DataFrame, rules: Rules) -> tuple[Ticks, Floats]:
    """The log as windows get it, and the scale of each price."""
    judged: Judged = Order(rules.order).judge(ticks)[0]
    assert len(judged.place) == len(ticks)
    of_key = (judged.key, judged.t, judged.x, ints(ticks["missing"]))
    no_values = np.zeros((len(ticks), 0), np.int64)
    return Ticks(*of_key, judged.offset, judged.row, judged.anew, no_values), judged.scale


def _prices(rng: np.random.Generator, key: NDArray[np.int64]) -> Floats:
    level = 10.0 ** rng.uniform(-2, 5, KEYS)
    steps = rng.normal(0, _STEP, len(key))
    price = np.empty(len(key))
    for number in range(KEYS):
        rows = np.flatnonzero(key == number)
        walk = level[number] * np.exp(np.cumsum(steps[rows]))
        price[rows] = np.round(walk, _DIGITS - int(np.ceil(np.log10(level[number]))))
    return price
