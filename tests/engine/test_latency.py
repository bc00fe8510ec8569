"""How long ticks took from stage to stage."""

import pytest

from engine import latency
from engine.batch import Findings
from engine.step import State, step
from observability import metrics
from tests.engine.made import Row, batch, log, rules, tick
from tests.fakes import START_US

STAGES = ("received", "appended", "drained", "scored", "committed", "received_to_scored", "received_to_committed")


def seconds(stage: str) -> tuple[float, float]:
    """Sum and count of a stage so far."""
    names = (f"tickstream_latency_seconds_{part}" for part in ("sum", "count"))
    total, count = (metrics.ENGINE.get_sample_value(name, {"stage": stage}) or 0.0 for name in names)
    return total, count


def told(findings: Findings, now_us: int) -> dict[str, tuple[float, int]]:
    """What a commit adds to each stage: seconds, and how many ticks."""
    before = {stage: seconds(stage) for stage in STAGES}
    latency.committed(findings, now_us)
    now = {stage: seconds(stage) for stage in STAGES}
    return {
        stage: (round(now[stage][0] - before[stage][0], 6), int(now[stage][1] - before[stage][1])) for stage in STAGES
    }


def findings(*rows: Row, scored_ms: int) -> Findings:
    return step(State(rules(), snapshot_ms=0), batch(log(*rows)), at(scored_ms))[1]


def at(milliseconds: int) -> int:
    return START_US + milliseconds * 1_000


def stamped(received_ms: int, appended_ms: int, drained_ms: int) -> Row:
    stamps = {"ts_received": received_ms, "ts_appended": appended_ms, "ts_drained": drained_ms}
    return tick(0) | {name: at(ms) for name, ms in stamps.items()}


def test_each_stage_is_the_time_since_the_stamp_before_it() -> None:
    # ms   0       10          30        60       100      150
    #    event  received   appended  drained   scored  committed
    found = told(findings(stamped(10, 30, 60), stamped(10, 30, 60), scored_ms=100), at(150))
    wanted = {"received": 20, "appended": 40, "drained": 60, "scored": 80, "committed": 100}
    wanted |= {"received_to_scored": 180, "received_to_committed": 280}
    assert found == {stage: (wanted[stage] / 1_000, 2) for stage in STAGES}


def test_clocks_that_differ_do_not_make_a_stage_shorter_than_nothing() -> None:
    found = told(findings(stamped(-500, 30, 60), scored_ms=100), at(150))
    assert found["received"] == (0.0, 1)


@pytest.mark.parametrize("stage", ["received", "appended", "received_to_committed"])
def test_a_stamp_that_is_not_there_is_not_counted(stage: str) -> None:
    found = told(findings(stamped(0, 30, 60) | {"ts_received": None}, scored_ms=100), at(150))
    assert found[stage] == (0.0, 0)


def test_a_batch_of_which_nothing_was_scored_is_not_counted() -> None:
    found = told(findings(stamped(10, 30, 60) | {"price": None}, scored_ms=100), at(150))
    assert [count for _, count in found.values()] == [0] * len(STAGES)
