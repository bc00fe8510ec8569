"""Rows of SCORE from what windows held, and the flags among them."""

import math
from typing import Any

import msgspec
import polars as pl
import pytest

from engine import schema
from engine.scoring import Scored, flags, score
from tests.engine.made import Row, accepted, log, rules, tick
from tests.fakes import START_US


def scored(*rows: Row, **changes: Any) -> Scored:
    of = rules(**{"count_min": 2} | changes)
    return score(of.rules[0], *accepted(log(*rows), of), START_US)


def flagged(*rows: Row, **changes: Any) -> pl.DataFrame:
    """The flags as an episode gets them, one row each."""
    of = rules(**{"count_min": 2} | changes)
    measured, windows = accepted(log(*rows), of)
    raised = flags(of.rules[0], measured, score(of.rules[0], measured, windows, START_US), windows)
    return pl.DataFrame([{"at": each.at, **msgspec.structs.asdict(each.flag)} for each in raised])


def prices(*values: float) -> list[Row]:
    """A trade each second."""
    return [tick(second, value) for second, value in enumerate(values)]


def test_a_row_tells_what_the_window_before_it_held() -> None:
    # price   1  2  3  5      before 5: mean 2, deviation 1, z 3
    last = scored(*prices(1, 2, 3, 5)).rows.row(-1, named=True)
    told = {name: last[name] for name in ("n", "mean", "std", "z", "score", "flagged", "coverage")}
    assert told == {"n": 3, "mean": 2, "std": 1, "z": 3, "score": 3 / 2.5, "flagged": True, "coverage": 1}


def test_rows_have_the_columns_of_the_schema_and_their_tick_in_them() -> None:
    row = tick(0, 7.25, trade_id=11, size=0.5, exchange="kraken", symbol="ETH-USD", partition=3, offset=8, row=2)
    rows = scored(row).rows
    assert rows.schema == schema.empty(schema.SCORE).schema
    (rule,) = rules(count_min=2).rules
    found = rows.row(0, named=True)
    told = {name: row[name] for name in ("partition", "offset", "row", "exchange", "symbol", "trade_id")}
    told |= {"price": 7.25, "size": 0.5, "detector": "spike", "rules": rule.digest, "revision": 0}
    assert {name: found[name] for name in told} == told


def test_the_time_of_the_venue_stays_though_the_tick_is_scored_at_its_keys_time() -> None:
    rows = scored(tick(2), tick(1)).rows
    assert rows["ts_event"].to_physical().to_list() == [START_US + 2_000_000, START_US + 1_000_000]


@pytest.mark.parametrize(("count_min", "told"), [(3, [False, False, False, True]), (2, [False, False, True, True])])
def test_z_is_told_from_count_min_on(count_min: int, told: list[bool]) -> None:
    rows = scored(*prices(1, 2, 3, 5), count_min=count_min).rows
    assert rows["z"].is_not_null().to_list() == told
    assert rows["score"].is_not_null().to_list() == told
    assert rows["mean"].is_not_null().to_list() == [False, True, True, True]
    assert rows["std"].is_not_null().to_list() == [False, False, True, True]


def test_under_inclusive_the_tick_counts_towards_count_min() -> None:
    rows = scored(*prices(1, 2, 3, 5), count_min=3, baseline="inclusive").rows
    assert rows["n"].to_list() == [1, 2, 3, 4]
    assert rows["z"].is_not_null().to_list() == [False, False, True, True]
    assert rows["mean"].to_list() == [1.0, 1.5, 2.0, 2.75]


def test_a_spike_cannot_hide_itself_in_its_own_baseline() -> None:
    # Inclusive, |z| stays below (n - 1) / sqrt(n): of ten ticks none can be 2.85 deviations away.
    tape = prices(*[100, 101] * 5, 1e6)
    assert scored(*tape, threshold=100.0).flagged.tolist() == [10]
    inclusive = scored(*tape, threshold=3.1, baseline="inclusive")
    assert inclusive.flagged.tolist() == []
    assert abs(inclusive.rows["z"][-1]) <= 10 / math.sqrt(11)


def test_a_move_off_a_flat_stretch_is_infinite_and_flagged() -> None:
    found = scored(*prices(100, 100, 100, 100.5, 100))
    assert found.rows["z"].to_list()[:4] == [None, None, None, math.inf]
    assert found.flagged.tolist() == [3]


def test_on_a_flat_stretch_a_repeated_price_has_no_score() -> None:
    rows = scored(*prices(100, 100, 100)).rows
    assert rows.select("mean", "std", "z", "score", "flagged").row(2) == (100.0, 0.0, None, None, False)


def test_the_edge_itself_is_flagged() -> None:
    tape = prices(1, 2, 3, 5)
    assert scored(*tape, threshold=3.0).flagged.tolist() == [3]
    assert scored(*tape, threshold=math.nextafter(3.0, 4)).flagged.tolist() == []


def test_a_flag_needs_the_move_that_is_asked_for() -> None:
    # 5 is 15,000 basis points above a mean of 2.
    tape = prices(1, 2, 3, 5)
    assert scored(*tape, move_bps_min=15_000.0).flagged.tolist() == [3]
    found = scored(*tape, move_bps_min=15_000.1)
    assert (found.flagged.tolist(), found.rows["flagged"].any(), found.rows["score"][3]) == ([], False, 1.2)


def test_coverage_is_the_share_of_trades_that_are_there() -> None:
    # missing   0   3   0   1        before c: two of five; before d: three of seven
    holes = zip(prices(1, 2, 3, 5), (0, 3, 0, 1), strict=True)
    rows = scored(*(row | {"missing": missing} for row, missing in holes)).rows
    assert rows["coverage"].to_list() == [None, 1 / 4, 2 / 5, 3 / 7]


def test_a_first_tick_after_a_hole_has_no_coverage_at_all() -> None:
    assert scored(tick(0, missing=4)).rows["coverage"].to_list() == [0.0]


def test_a_flag_tells_its_exact_sums_and_the_bounds_of_its_baseline() -> None:
    # offset   0   1   2   3         about 5: -4, -3, -2
    (flag,) = flagged(*prices(1, 2, 3, 5)).to_dicts()
    told = {name: flag[name] for name in ("at", "offset", "s", "q", "up", "move_bps", "first_offset", "last_offset")}
    s, q = -9 * 10**8, 29 * 10**16
    wanted = {"at": 3, "offset": 3, "s": str(s), "q": str(q), "up": True, "move_bps": 15_000.0}
    assert told == wanted | {"first_offset": 0, "last_offset": 2}
    assert (flag["clock"], flag["t"]) == (START_US + 3_000_000, START_US + 3_000_000)


def test_under_inclusive_the_tick_itself_is_the_last_of_its_baseline() -> None:
    (flag,) = flagged(*prices(1, 2, 3, 50), baseline="inclusive", threshold=1.4).to_dicts()
    assert (flag["first_offset"], flag["last_offset"], flag["last_row"]) == (0, 3, 0)


def test_a_fall_is_down() -> None:
    (flag,) = flagged(*prices(5, 4, 3, 1)).to_dicts()
    assert (flag["up"], flag["move_bps"]) == (False, -7_500.0)


def test_of_a_detector_that_keeps_flags_alone_the_other_rows_are_left_out() -> None:
    rows = prices(1, 2, 3, 5, 3)
    assert scored(*rows, keep="flagged").rows["price"].to_list() == [5]
    assert flagged(*rows, keep="flagged").equals(flagged(*rows))


def test_nothing_is_scored_before_a_key_has_been_there_for_its_warm_up() -> None:
    rows = prices(1, 2, 3, 4, 5)
    assert [each is None for each in scored(*rows, warm_up_ms=4_000).rows["score"]] == [True] * 4 + [False]
