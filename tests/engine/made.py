"""Small logs told tick by tick, and what the core makes of them step by step."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from engine import parts
from engine.batch import Findings, TickBatch
from engine.columns import ints
from engine.kernel import Ticks
from engine.order import Order
from engine.rules import Rules, rules_of
from engine.series import values
from engine.statistics import Measured, windows_of
from engine.step import State, step
from engine.window import Window, Windows
from tests.fakes import START_US
from tests.laws.strategies import frame_of

Row = dict[str, Any]


def tick(second: float, price: float | None = 100.0, **changes: Any) -> Row:
    """A trade `second` after the start, without an id, received when it happened."""
    at_us = START_US + round(second * 1e6)
    return {
        "partition": 0,
        "exchange": "binance",
        "symbol": "BTC-USDT",
        "ts_event": at_us,
        "ts_received": at_us,
        "trade_id": None,
        "price": price,
        "size": 1.0,
        "side": "buy",
        "missing": 0,
        "ts_appended": at_us,
        "ts_drained": at_us,
    } | changes


def log(*rows: Row, first_offset: int = 0) -> pl.DataFrame:
    """Rows as a log: each a message of its own where it does not say otherwise."""
    return frame_of([{"offset": at, "row": 0} | row for at, row in enumerate(rows, first_offset)])


def batch(ticks: pl.DataFrame) -> TickBatch:
    """The log as one drain."""
    ends = ticks.group_by("partition").agg(pl.col("offset").max() + 1)
    return TickBatch(ticks, dict(ends.iter_rows()))


def rules(sections: Mapping[str, Mapping[str, Any]] | None = None, **changes: Any) -> Rules:
    """The built-in detector with changes, or other detectors; the order as built in."""
    spike = {"use": "zscore", "window_ms": 60_000, "threshold": 2.5} | changes
    detectors = {
        name: parts.load("engine.detectors", section, f"detectors.{name}")
        for name, section in (sections or {"spike": spike}).items()
    }
    return rules_of(detectors, future_ms=5_000, late_ms=5_000, price_decimals=8, price_decimals_of={})


def accepted(ticks: pl.DataFrame, of: Rules) -> tuple[Measured, Windows]:
    """A log up to where it can be scored by the first rule."""
    judged, _ = Order(of.order).judge(ticks)
    rows, asked = ticks[judged.place], of.rules[0].statistics
    needed, extremes = windows_of(asked)
    windows = Windows({Window("price", of.rules[0].window_ms)} | needed, extremes)
    of_key = (judged.key, judged.t, judged.x, ints(rows["missing"]))
    measurable = Ticks(*of_key, judged.offset, judged.row, judged.anew, values(windows.series, rows, judged))
    return Measured(rows, judged, windows.measure(measurable)), windows


def folded(state: State, ticks: pl.DataFrame) -> Findings:
    """What one step over these rows finds."""
    return step(state, batch(ticks), START_US)[1]
