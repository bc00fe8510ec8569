"""A series through the step."""

import numpy as np
import polars as pl

from engine.evaluation import scored as module
from engine.evaluation.report import Extent, extent
from engine.evaluation.scored import scored
from tests.engine.made import log, tick
from tests.evaluation.made import fresh, rules


def test_a_series_is_judged_in_time_order_and_by_event_time_alone() -> None:
    late = [tick(second, 100 + second % 2, ts_received=0) for second in (5, 3, 1, 4, 2)]
    told = scored(fresh(rules(count_min=2, threshold=0.5)), log(*late))
    [marks] = told.marks["spike"]
    assert told.counts["late"] == told.counts["ahead"] == 0
    assert np.diff(marks.clock).tolist() == [1_000_000] * 2
    assert marks.row.tolist() == [2, 3, 4]


def test_rows_without_a_score_or_a_large_enough_move_cannot_be_flagged() -> None:
    prices = [100.0, 100.1, 100.0, 100.1, 100.0, 103.0, 100.1, 103.0]
    ticks = log(*(tick(second, price) for second, price in enumerate(prices)))
    every = scored(fresh(rules(count_min=2)), ticks)
    moved = scored(fresh(rules(count_min=2, move_bps_min=100)), ticks)
    assert [marks.row.tolist() for marks in every.marks["spike"]] == [[2, 3, 4, 5, 6, 7]]
    assert [marks.row.tolist() for marks in moved.marks["spike"]] == [[5, 7]]
    assert every.counts["told"] == 6


def test_each_exchange_has_marks_of_its_own() -> None:
    ticks = log(*(tick(second, 100 + second % 3, exchange=f"at_{second % 2}") for second in range(10)))
    marks = scored(fresh(rules(count_min=2)), ticks).marks["spike"]
    assert [each.row.tolist() for each in marks] == [[4, 6, 8], [5, 7, 9]]


def test_a_row_that_two_detectors_score_is_told_once() -> None:
    spike = {"use": "zscore", "window_ms": 600_000, "threshold": 2.5, "count_min": 2}
    ticks = log(*(tick(second, 100 + second % 3) for second in range(10)))
    told = scored(fresh(rules({"spike": spike, "late": spike | {"count_min": 8}})), ticks)
    assert [len(told.marks[name][0].row) for name in ("spike", "late")] == [8, 2]
    assert extent(told.counts) == Extent(series=1, rows=10, rows_scored=8, rows_out_of_range=0)


def test_the_cut_into_steps_changes_nothing() -> None:
    count = module.STEP_ROWS + 10
    at = pl.int_range(pl.len())
    ticks = pl.concat([log(tick(0))] * count).with_columns(
        pl.col("ts_event") + pl.duration(seconds=at), price=100.0 + (at % 7) / 100
    )
    told = scored(fresh(rules()), ticks)
    [marks] = told.marks["spike"]
    assert marks.row.tolist() == list(range(30, count))
    assert told.counts["read"] == count
