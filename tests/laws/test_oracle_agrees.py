"""DuckDB finds what the rules say, to the bit."""

import random
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
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


@settings(deadline=None, max_examples=150)
@given(log=strategies.logs(), documents=strategies.rules(expressions=strategies.expressions()))
def test_the_oracle_follows_every_expression(log: pl.DataFrame, documents: list[dict[str, Any]]) -> None:
    assert_agrees(log, documents)


@pytest.mark.parametrize("baseline", ["prior", "inclusive"])
def test_the_oracle_follows_every_name(baseline: str) -> None:
    told: dict[str, Any] = {
        "baseline": baseline,
        "window_ms": 3_000,
        "horizon_ms": 60_000,
        "count_min": 3,
        "late_ms": 2_000,
    }
    documents = [strategies.document(name, sql=name, **told) for name in strategies.NAMES]
    scores, _ = assert_agrees(strategies.dense_log(250), documents)
    known = scores.group_by("detector").agg(told=pl.col("score").count(), different=pl.col("score").n_unique())
    assert known.filter((pl.col("told") < 20) | (pl.col("different") < 5)).is_empty()


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


def test_the_oracle_follows_the_rules_where_times_meet_their_limits() -> None:
    """Every time is whole seconds or 1 us more, and so is every limit: each is met, and just passed, often."""
    order = {"horizon_ms": 5_000, "late_ms": 2_000, "future_ms": 3_000}
    spans = {"window_ms": 4_000, "quiet_ms": 3_000, "episode_ms_max": 6_000, "count_min": 2}
    documents = [
        strategies.document("spike", 1.0, **order, **spans, cooldown_ms=5_000),
        strategies.document("slow", 0.5, **order, **spans | {"quiet_ms": 1_000, "window_ms": 10_000}),
    ]
    assert_agrees(limit_log(15_000), documents)


def test_the_oracle_follows_the_rules_where_sums_pass_64_bits() -> None:
    draw = random.Random(3)
    prices = [sign * (1.1e7 + draw.random()) for sign in (1, -1, 1) for _ in range(9_000)]
    log = keyed_log([(at // 50, "binance", price) for at, price in enumerate(prices)])
    _, anomalies = assert_agrees(log, [strategies.document("spike", 2.5, window_ms=180, quiet_ms=20)])
    beyond = [int(s) for s in anomalies["s"] if abs(int(s)) > 2**64]
    assert min(beyond) < 0 < max(beyond)


def test_the_oracle_sets_aside_what_the_rules_do() -> None:
    log = keyed_log([(at, "binance", 100.0) for at in range(len(strategies.SPOILT))])
    rows = log.with_columns(pl.selectors.datetime().cast(pl.Int64)).iter_rows(named=True)
    spoilt = [row | dict([change]) for row, change in zip(rows, strategies.SPOILT, strict=True)]
    scores, _ = assert_agrees(strategies.frame_of(spoilt), [strategies.document()])
    assert 0 < len(scores) < len(log)


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


def limit_log(rows: int) -> pl.DataFrame:
    draw = random.Random(17)
    made, now_us = [], 0
    price = 100.0
    for _ in range(rows):
        now_us += draw.choice((0, 0, 0, 1, 1)) * strategies.SECOND + draw.choice((0, 0, 0, 1))
        now_us += draw.choice([0] * 60 + [3, 5, 24]) * strategies.SECOND
        now_us -= now_us % strategies.SECOND > 1 and now_us % strategies.SECOND - draw.choice((0, 1))
        price = draw.choice((price, price, 100.0, price * 1.01, price * 0.99))
        made.append((now_us / 1_000, draw.choice(("binance", "coinbase", "kraken")), round(price, 4)))
    return keyed_log(made, off_us=[draw.choice([0] * 6 + [-2 * strategies.SECOND, -2_000_001]) for _ in made])


def keyed_log(ticks: Sequence[tuple[float, str, float]], off_us: Sequence[int] = ()) -> pl.DataFrame:
    """A log of one symbol, from milliseconds, exchanges and prices; `off_us` sets event times off."""
    times = [strategies.START_US - strategies.START_US % strategies.SECOND + round(ms * 1_000) for ms, _, _ in ticks]
    rows = [
        {
            "partition": 0,
            "offset": at,
            "row": 0,
            "exchange": exchange,
            "symbol": "BTC-USDT",
            "price": price,
            "size": 1.0,
        }
        | {"ts_event": time + off, "ts_received": time, "trade_id": at, "missing": 0, "side": None}
        | {"ts_appended": time, "ts_drained": time}
        for at, ((_, exchange, price), time, off) in enumerate(
            zip(ticks, times, off_us or [0] * len(times), strict=True)
        )
    ]
    return strategies.frame_of(rows)
