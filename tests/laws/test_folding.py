"""The core does what the rules say, however the log is cut and wherever it is interrupted."""

import random
from collections.abc import Sequence
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import schema
from tests.laws import reference, strategies
from tests.laws.folding import fold, rules_from
from tests.laws.same import assert_same

CUTS = st.lists(st.integers(1, 30), min_size=1, max_size=6)
RESTARTS = st.lists(st.integers(1, 12), max_size=4)


@settings(deadline=None, max_examples=200)
@given(log=strategies.logs(), documents=strategies.rules(expressions=strategies.expressions()), cuts=CUTS)
def test_fold_follows_the_rules(log: pl.DataFrame, documents: list[dict[str, Any]], cuts: Sequence[int]) -> None:
    rules = rules_from(documents)
    told = [{**each, "digest": rule.digest} for each, rule in zip(documents, rules.rules, strict=True)]
    for found, wanted in zip(fold(log, rules, cuts), reference.score(log, told), strict=True):
        assert_same(found, wanted, leave_out=schema.UNPROVEN)


@settings(deadline=None, max_examples=100)
@given(log=strategies.logs(), documents=strategies.rules(expressions=strategies.expressions()), cuts=CUTS)
def test_cutting_changes_nothing(log: pl.DataFrame, documents: list[dict[str, Any]], cuts: Sequence[int]) -> None:
    rules = rules_from(documents)
    for found, wanted in zip(fold(log, rules, cuts), fold(log, rules), strict=True):
        assert_same(found, wanted)


@settings(deadline=None, max_examples=200)
@given(
    log=strategies.logs(),
    documents=strategies.rules(expressions=strategies.expressions()),
    cuts=CUTS,
    restarts=RESTARTS,
)
def test_a_restart_changes_nothing(
    log: pl.DataFrame, documents: list[dict[str, Any]], cuts: Sequence[int], restarts: Sequence[int]
) -> None:
    rules = rules_from(documents)
    for found, wanted in zip(fold(log, rules, cuts, restarts), fold(log, rules), strict=True):
        assert_same(found, wanted)


def test_fold_follows_the_rules_where_boundaries_hang_on_one_another() -> None:
    """Ids that fall by steps below the width of an epoch, and a clock that jumps by less than the horizon."""
    document = strategies.document(window_ms=2_000, episode_ms_max=4_000, horizon_ms=6_000, late_ms=2_000, count_min=2)
    rules, log = rules_from([document]), hanging_log(20_000)
    found, wanted = fold(log, rules), reference.score(log, [document | {"digest": rules.rules[0].digest}])
    for each, other in zip(found, wanted, strict=True):
        assert_same(each, other, leave_out=schema.UNPROVEN)
    assert 5_000 < len(found[0]) < 15_000


def hanging_log(rows: int) -> pl.DataFrame:
    draw = random.Random(5)
    clock_us, ids, made = strategies.START_US, dict.fromkeys(strategies.EXCHANGES, 0), []
    for at in range(rows):
        exchange = draw.choice(strategies.EXCHANGES)
        ids[exchange] += draw.choice((-600_000, -600_000, -400_000, -1, 1))
        clock_us += draw.choice((0, 0, 0, 1, 3_600_000))
        behind_us = 0 if exchange == "binance" else 2 * (clock_us - strategies.START_US)
        row = {"partition": at % 2, "offset": at, "row": 0, "exchange": exchange, "symbol": "BTC-USDT"}
        row |= {"ts_event": clock_us - behind_us, "ts_received": None, "trade_id": draw.choice((None, ids[exchange]))}
        row |= {"price": round(draw.gauss(100, 1), 2), "size": 1.0, "side": "buy", "missing": 0}
        made.append(row | {"ts_appended": clock_us, "ts_drained": clock_us})
    return strategies.frame_of(made)
