"""The fold: what a step hands on, what its cursors hold, and how it goes on from them."""

import polars as pl
import pytest

from engine import parts, schema
from engine.batch import Cursor, Parked, TickBatch
from engine.errors import Misconfigured
from engine.rules import Rules, rules_of
from engine.step import State, step
from tests.engine.made import Row, batch, folded, log, rules, tick
from tests.fakes import START_US
from tests.laws.same import assert_same


def state(of: Rules | None = None) -> State:
    return State(of or rules(count_min=2, window_ms=10_000), snapshot_ms=0)


def ramp(count: int, *, start: int = 0) -> list[Row]:
    """A trade each second, and each twentieth far off."""
    return [tick(at, 100 + at % 3 + 50 * (at % 20 == 19), trade_id=at) for at in range(start, start + count)]


def resumed(cursor: Cursor, of: Rules | None = None) -> tuple[State, int | None]:
    again = state(of)
    return again, again.resume(0, cursor)


def test_findings_hold_the_ticks_their_scores_and_anomalies_and_the_new_cursor() -> None:
    findings = folded(state(), log(*ramp(20)))
    assert len(findings.ticks) == len(findings.scores) == 20
    assert findings.anomalies.select("state", "offset", "partition").rows() == [("open", 19, 0)]
    assert findings.cursors[0].next_offset == 20
    assert findings.counts["scored"] == findings.counts["read"] == 20
    assert set(findings.scores["rules"]) == findings.rules.keys()


def test_ticks_that_are_not_scored_are_handed_on_all_the_same() -> None:
    findings = folded(state(), log(tick(0, trade_id=1), tick(0, trade_id=1), tick(1, None), tick(2, trade_id=2)))
    assert (len(findings.ticks), findings.scores["offset"].to_list()) == (4, [0, 3])
    assert (findings.counts["duplicate"], findings.counts["unreadable"], findings.counts["scored"]) == (1, 1, 2)


def test_results_have_the_columns_of_the_schema_even_when_there_are_none() -> None:
    for ticks in (log(tick(0)), log(tick(0, None)), log(*ramp(20))):
        findings = folded(state(), ticks)
        for found, columns in zip(
            (findings.ticks, findings.scores, findings.anomalies),
            (schema.LOG, schema.SCORE, schema.ANOMALY),
            strict=True,
        ):
            assert found.schema == schema.empty(columns).schema


def test_now_shows_in_ts_scored_alone() -> None:
    ticks = log(*ramp(20))
    at, later = (step(state(), batch(ticks), now_us)[1] for now_us in (START_US, START_US + 1))
    assert set(later.scores["ts_scored"].to_physical()) == {START_US + 1}
    assert_same(at.scores, later.scores, leave_out=["ts_scored"])
    assert_same(at.anomalies, later.anomalies, leave_out=["ts_scored"])


def test_a_parked_message_moves_the_cursor_and_is_handed_on() -> None:
    parked = Parked(0, 4, "not_arrow", b"\x00")
    _, findings = step(state(), TickBatch(schema.empty(schema.LOG), {0: 5}, (parked,)), START_US)
    assert findings.parked == (parked,)
    assert findings.cursors[0].next_offset == 5
    assert len(findings.scores) == 0


def test_a_parked_message_is_handed_on_once() -> None:
    _, first = step(state(), TickBatch(log(*ramp(3)), {0: 4}, (Parked(0, 3, "not_arrow", b"\x00"),)), START_US)
    again, offset = resumed(first.cursors[0])
    assert offset == 0
    parked = Parked(0, 3, "not_arrow", b"\x00"), Parked(0, 4, "not_arrow", b"\x01")
    _, findings = step(again, TickBatch(log(*ramp(3)), {0: 5}, parked), START_US)
    assert [each.offset for each in findings.parked] == [4]


def test_partitions_have_cursors_of_their_own() -> None:
    fold = state()
    both = log(tick(0), tick(0, partition=3))
    assert {at: cursor.next_offset for at, cursor in folded(fold, both).cursors.items()} == {0: 1, 3: 2}
    assert folded(fold, log(tick(1, partition=3), first_offset=2)).cursors.keys() == {3}


def test_a_resumed_fold_fills_its_windows_and_scores_from_the_cursor_on() -> None:
    rows, fold = ramp(60), state()
    first = folded(fold, log(*rows[:30]))
    then = folded(fold, log(*rows[30:], first_offset=30))

    again, offset = resumed(first.cursors[0])
    assert offset is not None
    assert offset <= 20  # Ten seconds back from 30 there are rows in the window.
    findings = folded(again, log(*rows[offset:], first_offset=offset))
    assert findings.ticks["offset"].to_list() == list(range(30, 60))
    assert_same(findings.scores, then.scores)
    assert_same(findings.anomalies, then.anomalies)
    assert findings.counts["scored"] == 30


def test_no_cursor_is_handed_on_before_the_old_one_is_reached() -> None:
    rows = ramp(40)
    again, offset = resumed(folded(state(), log(*rows[:30])).cursors[0])
    assert offset is not None
    before = folded(again, log(*rows[offset:25], first_offset=offset))
    assert (dict(before.cursors), len(before.ticks), len(before.scores)) == ({}, 0, 0)
    assert folded(again, log(*rows[25:40], first_offset=25)).cursors[0].next_offset == 40


def test_where_windows_have_grown_the_log_is_read_from_the_start() -> None:
    rows, longer = ramp(60), rules(count_min=2, window_ms=40_000)
    cursor = folded(state(), log(*rows[:50])).cursors[0]
    again, offset = resumed(cursor, longer)
    assert offset is None
    findings = folded(again, log(*rows))
    wanted = folded(state(longer), log(*rows)).scores
    assert_same(findings.scores, wanted.filter(pl.col("offset") >= 50))


def test_shorter_windows_go_on_from_the_cursor() -> None:
    cursor = folded(state(), log(*ramp(50))).cursors[0]
    assert resumed(cursor, rules(count_min=2, window_ms=5_000))[1] is not None


def test_a_cursor_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(Misconfigured):
        state().resume(0, Cursor(7, b"of another program"))


def test_keys_that_vanish_are_let_go_with_their_windows() -> None:
    fold = State(rules(window_ms=1_000, quiet_ms=0, episode_ms_max=1_000), snapshot_ms=0)
    of_hour = []
    for hour in range(30):
        names = [f"S{hour}-{at}" for at in range(50)]
        rows = [tick(3_600 * hour + at / 100, symbol=names[at % 50]) for at in range(500)]
        folded(fold, log(*rows, first_offset=500 * hour))
        of_hour.append((len(fold.order.keys), fold.windows.ticks_held, fold.windows.bytes_held))
    assert max(keys for keys, _, _ in of_hour) <= 100
    assert max(ticks_held for _, ticks_held, _ in of_hour) <= 1_000
    assert of_hour[-1][2] == of_hour[2][2]


def test_a_key_in_the_place_of_one_that_vanished_has_nothing_before_it() -> None:
    fold = State(rules(count_min=2), snapshot_ms=0)
    hours = fold.rules.order.horizon_ms / 1_000
    folded(fold, log(tick(0), tick(1)))
    folded(fold, log(tick(hours + 5, symbol="ETH-USDT"), first_offset=2))
    found = folded(fold, log(tick(2, symbol="SOL-USDT"), first_offset=3)).scores
    assert (len(fold.order.keys), found["n"].to_list()) == (2, [0])


def test_a_change_is_told_in_the_decimals_of_today() -> None:
    section = {"use": "expression", "window_ms": 10_000, "z": "change", "threshold": 1.0, "count_min": 1}
    detectors = {"it": parts.load("engine.detectors", section, "detectors.it")}
    before, after = (
        rules_of(detectors, future_ms=5_000, late_ms=5_000, price_decimals=decimals, price_decimals_of={})
        for decimals in (8, 2)
    )
    cursor = folded(State(before, 0), log(tick(0, 10.25), tick(60, 11.5))).cursors[0]
    again = State(after, 0)
    again.resume(0, cursor)
    found = folded(again, log(tick(60, 11.5), tick(61, 13.0), first_offset=1)).scores
    assert found["score"].to_list() == [1.5]


def test_cursors_stay_small_however_long_the_log() -> None:
    fold = state()
    for start in range(0, 2_000, 20):
        cursor = folded(fold, log(*ramp(20, start=start), first_offset=start)).cursors[0]
        assert len(cursor.state) < 500
