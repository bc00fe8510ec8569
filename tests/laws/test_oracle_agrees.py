"""DuckDB finds what the rules say, to the bit."""

import random
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
import pyarrow as pa
from hypothesis import given, settings

from engine import schema
from storage import oracle
from tests.laws import reference, strategies
from tests.laws.same import assert_same

BY = ["partition", "offset", "row", "exchange", "symbol", "detector"]


@settings(deadline=None, max_examples=150)
@given(log=strategies.logs(), documents=strategies.rules())
def test_the_oracle_follows_the_rules(log: pl.DataFrame, documents: list[dict[str, Any]]) -> None:
    assert_agrees(log, documents)


def test_the_oracle_follows_the_rules_through_a_long_log() -> None:
    documents = [
        strategies.document("spike", window_ms=10_000, quiet_ms=20_000, episode_ms_max=120_000, horizon_ms=150_000),
        strategies.document(
            "slow",
            1.5,
            baseline="inclusive",
            cooldown_ms=5_000,
            quiet_ms=500,
            episode_ms_max=90_000,
            horizon_ms=150_000,
        ),
    ]
    scores, anomalies = assert_agrees(long_log(100_000), documents)
    assert scores["flagged"].sum() > 10_000
    assert {"open", "peak", "closed"} == set(anomalies["state"])


def assert_agrees(log: pl.DataFrame, documents: Sequence[Mapping[str, Any]]) -> tuple[pl.DataFrame, pl.DataFrame]:
    wanted = reference.score(log, documents)
    with oracle.opened() as opened:
        opened.take_ticks(log.to_arrow().to_reader())
        opened.take_rules({each["digest"]: strategies.text_of(each) for each in documents})
        opened.recompute()
        found = (
            answer(opened, "scores", schema.SCORE).sort(BY),
            answer(opened, "anomalies", schema.ANOMALY).sort(*BY, "revision"),
        )
    for each, other in zip(found, wanted, strict=True):
        assert_same(each, other, leave_out=schema.UNPROVEN)
    return found


def answer(opened: oracle.Oracle, table: str, kind: pa.Schema) -> pl.DataFrame:
    proven = [field for field in kind if field.name not in schema.UNPROVEN]
    rows = opened.connection.table(table).to_arrow_table().select([field.name for field in proven])
    return schema.frame(rows.cast(pa.schema(proven)))


def long_log(rows: int) -> pl.DataFrame:
    """Ties, skewed clocks, prices from 1e-8 to 1e6, flat stretches, a drift of half the price, silences, new epochs."""
    draw = random.Random(11)
    prices = {"DUST-USDT": 1e-8, "PEPE-USDT": 1.234e-5, "ETH-USDT": 2_600.0, "WBTC-IDR": 1e6}
    names = sorted(prices)
    ids = dict.fromkeys([(exchange, symbol) for exchange in strategies.EXCHANGES for symbol in names], 10**9)
    made, now = [], strategies.START_US
    for at in range(rows):
        symbol, exchange = draw.choice(names), draw.choice(strategies.EXCHANGES)
        now += draw.choice((0, 0, 0, 1_000, 3_000, 20_000)) + (200_000_000 if draw.random() < 5e-5 else 0)
        is_flat = (at // 5_000) % 3 == 1
        if not is_flat:
            prices[symbol] *= 1 + draw.gauss(2.4 / rows, 1e-4) + (draw.choice((-0.02, 0.02)) if at % 997 == 0 else 0)
        ids[exchange, symbol] += draw.choice((1, 1, 1, 1, 2, 0)) - (10**7 if draw.random() < 1e-4 else 0)
        late_us = draw.choice((0, 0, 0, 0, 900_000, 6_000_000))
        made.append(
            {
                "partition": names.index(symbol) % 2,
                "offset": at // 7,
                "row": at % 7,
                "exchange": exchange,
                "symbol": symbol,
                "ts_event": now + strategies.SKEW_US[exchange] - late_us,
                "ts_received": now + 20_000,
                "trade_id": ids[exchange, symbol],
                "price": round(prices[symbol], 8),
                "size": draw.random(),
                "side": "sell",
                "missing": draw.choice((0, 0, 0, 2)),
                "ts_appended": now,
                "ts_drained": now,
            }
        )
    return strategies.frame_of(made)
