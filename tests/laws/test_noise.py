"""The detectors that alert as shipped call nobody where nothing happens."""

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from engine import schema, settings
from engine.commands.wiring import state_from
from engine.evaluation.scored import scored
from tests.fakes import START_US

DAY_S = 86_400
BUDGET_PER_DAY = 2
TRADES = 40_000


def steps(kind: str, draw: np.random.Generator, trades: int) -> NDArray[np.float64]:
    """Relative changes of the price from trade to trade."""
    match kind:
        case "random walk":
            return draw.normal(0, 1e-4, trades)
        case "heavy tails":
            return draw.standard_t(3, trades) * 1e-4
        case "bounce":  # A quiet market: the price goes to and fro between two ticks.
            return draw.choice([-1e-5, 0.0, 1e-5], trades)
        case _:  # Volatility that comes in clusters.
            return draw.normal(0, 1e-4, trades) * np.repeat(draw.lognormal(0, 1, trades // 500 + 1), 500)[:trades]


def day(kind: str, seed: int, trades: int) -> pl.DataFrame:
    """Two days of trades of one key: at random times, in bursts of several at once as orders are filled."""
    draw = np.random.default_rng(seed)
    seconds = np.sort(draw.uniform(0, 2 * DAY_S, trades // 2))
    at_us = START_US + (np.repeat(seconds, 2) * 1e6).astype(np.int64)
    price = 100 * np.exp(np.cumsum(steps(kind, draw, trades))).round(6)
    told = {"exchange": "binance", "symbol": "X-USDT", "ts_event": at_us, "price": price, "size": 1.0, "missing": 0}
    types = schema.empty(schema.LOG).schema
    rows = pl.DataFrame(told).select(pl.col(name) if name in told else pl.lit(None).alias(name) for name in types)
    return rows.cast(types)


@pytest.mark.parametrize("trades", [400, 4_000, TRADES])
@pytest.mark.parametrize("kind", ["random walk", "heavy tails", "bounce", "clusters"])
def test_noise_stays_inside_the_budget(kind: str, trades: int) -> None:
    built_in = settings.load(environ={}).settings
    alerts = 0
    for seed in range(3):
        state = state_from(built_in)
        found = scored(state, day(kind, seed, trades))
        alerts += sum(len(found.alerts[rule.name]) for rule in state.rules.rules if rule.detector.alert)
    assert alerts <= BUDGET_PER_DAY * 2 * 3


def test_a_pump_in_the_noise_is_an_alert() -> None:
    ticks = day("random walk", 1, TRADES)
    start = DAY_S * 1_500_000 + START_US
    burst = ticks.head(400).with_columns(
        ts_event=pl.Series(start + 20_000 * np.arange(400)).cast(pl.Datetime("us", "UTC")),
        price=ticks.filter(pl.col("ts_event").cast(pl.Int64) < start)["price"][-1] * np.linspace(1.0, 1.05, 400),
    )
    state = state_from(settings.load(environ={}).settings)
    found = scored(state, pl.concat([ticks, burst]).sort("ts_event", maintain_order=True))
    assert len(found.alerts["rush"]) == 1
