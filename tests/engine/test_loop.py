"""The loop: where it starts, what it turns over, and what it tells of itself."""

import itertools
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from engine import loop, settings
from engine.batch import Cursor, Findings, TickBatch
from engine.errors import Superseded
from engine.settings import Loop
from engine.step import State
from engine.writer import Writer
from observability import metrics
from tests.engine.made import batch, folded, log, rules, tick
from tests.fakes import START_US, BrokenSink, FakeClock, ListSource, MemorySink

LOOP = Loop(drain_ms=1, rows_max=10, batches_waiting_max=2, snapshot_ms=1_000)


class Stop(threading.Event):
    """A stop whose waits move the clock instead of taking time; set after so many turns."""

    def __init__(self, clock: FakeClock, turns: int) -> None:
        super().__init__()
        self._clock, self._turns = clock, turns
        self.waited: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.waited.append(round(timeout, 6))
        self._clock.sleep(timeout)
        if len(self.waited) >= self._turns:
            self.set()
        return self.is_set()


@contextmanager
def writing(*sinks: MemorySink) -> Iterator[Writer]:
    knobs = settings.Writer(backoff_base_ms=1, backoff_max_ms=2, close_timeout_ms=60_000)
    named = {f"sink_{at}": sink for at, sink in enumerate(sinks)}
    with Writer(named, knobs, FakeClock(), batches_waiting_max=2) as writer:
        yield writer


def state() -> State:
    return State(rules(window_ms=5_000), snapshot_ms=0)


def batches(count: int, rows: int = 3) -> list[TickBatch]:
    return [batch(log(*(tick(at * rows + row) for row in range(rows)), first_offset=at * rows)) for at in range(count)]


def cursor_at(next_offset: int) -> Cursor:
    fold, cursor = state(), Cursor(0)
    for at in range(next_offset):
        cursor = folded(fold, log(tick(at), first_offset=at)).cursors[0]
    return cursor


def turned(source: ListSource, sink: MemorySink, *, turns: int = 1, to_the_end: bool = False) -> list[float]:
    """Run so many turns and write out; the waits between them."""
    clock = FakeClock()
    stop = Stop(clock, turns)
    with writing(sink) as writer:
        loop.run(source, writer, state(), clock, LOOP, stop, to_the_end=to_the_end)
        writer.close()
    return stop.waited


def offsets(sink: MemorySink) -> list[int]:
    return list(itertools.chain(*(each.scores["offset"].to_list() for each in sink.written)))


@pytest.mark.parametrize(
    ("of_sinks", "next_offset"),
    [((20, 30), 20), ((30, 20), 20), ((30, None), None), ((None,), None)],
)
def test_a_partition_goes_on_where_the_sink_furthest_behind_left_it(
    of_sinks: Sequence[int | None], next_offset: int | None
) -> None:
    sinks = [MemorySink({} if each is None else {0: cursor_at(each)}) for each in of_sinks]
    source, fold = ListSource([]), state()
    with writing(*sinks) as writer:
        loop.start(source, writer, fold)
    if next_offset is None:
        assert (source.sought, fold.partitions) == ({}, {})
    else:
        assert source.sought is not None
        assert next_offset - 7 <= source.sought[0] <= next_offset - 5  # A window of 5 s, a tick each second.
        assert fold.partitions[0].scored_from == next_offset


def test_only_the_partitions_of_this_engine_are_taken_up() -> None:
    cursor = cursor_at(20)
    source, fold = ListSource([], partitions=(1, 2)), state()
    with writing(MemorySink({0: cursor, 1: cursor})) as writer:
        loop.start(source, writer, fold)
    assert fold.partitions.keys() == {1}
    assert source.sought is not None
    assert source.sought.keys() == {1}


def test_each_turn_takes_one_batch_to_the_sinks() -> None:
    sink = MemorySink()
    waited = turned(ListSource(batches(3)), sink, turns=2)
    assert offsets(sink) == list(range(9))  # Two turns, and the last after the stop.
    assert len(waited) == 2


def test_the_end_is_reached_after_a_stop_where_that_is_wanted() -> None:
    for to_the_end, rows in ((False, 6), (True, 30)):
        sink = MemorySink()
        turned(ListSource(batches(10)), sink, turns=1, to_the_end=to_the_end)
        assert offsets(sink) == list(range(rows))


def test_turns_keep_their_beat_and_a_full_batch_does_not_wait() -> None:
    # rows    10   10   10    1         only after the one is there time to wait
    sink, last = MemorySink(), batch(log(tick(30), first_offset=30))
    assert turned(ListSource([*batches(3, rows=LOOP.rows_max), last]), sink) == [0.001]
    assert offsets(sink) == list(range(31))


def test_a_log_out_of_reach_is_asked_again_at_the_next_turn(caplog: pytest.LogCaptureFixture) -> None:
    metrics.source_up.set(1)
    sink = MemorySink()
    turned(ListSource(batches(2), unavailable=3), sink, turns=6)
    assert offsets(sink) == list(range(6))
    assert [record.message for record in caplog.records] == ["log unavailable"]
    assert metrics.ENGINE.get_sample_value("tickstream_source_up") == 1


def test_nothing_is_handed_over_when_nothing_lies_ready() -> None:
    sink = MemorySink()
    turned(ListSource([]), sink, turns=5)
    assert sink.written == []


def test_the_loop_ends_when_another_engine_has_taken_over() -> None:
    with pytest.raises(Superseded):
        turned(ListSource(batches(1_000)), BrokenSink(Superseded("partition 0")), turns=1_000)


def test_whoever_watches_sees_the_findings_of_each_turn() -> None:
    seen: list[Findings | None] = []
    clock, sink = FakeClock(), MemorySink()
    with writing(sink) as writer:
        stop = Stop(clock, 3)
        loop.run(ListSource(batches(2)), writer, state(), clock, LOOP, stop, to_the_end=False, watch=seen.append)
        writer.close()
    assert [each for each in seen if each is not None] == sink.written
    assert None in seen


def test_what_the_step_found_is_counted_once_a_batch() -> None:
    def told() -> list[float]:
        names = {"tickstream_engine_ticks_total": {"reason": "scored"}, "tickstream_engine_rejected_total": {}}
        return [metrics.ENGINE.get_sample_value(name, labels) or 0.0 for name, labels in names.items()]

    before = told()
    turned(ListSource(batches(4)), MemorySink(), turns=4)
    assert [now - then for now, then in zip(told(), before, strict=True)] == [12, 0]
    assert metrics.ENGINE.get_sample_value("tickstream_engine_keys") == 1
    assert metrics.ENGINE.get_sample_value("tickstream_engine_lag_messages", {"partition": "0"}) == 0


def test_a_symbol_whose_prices_are_too_fine_is_named_once(caplog: pytest.LogCaptureFixture) -> None:
    fine = [batch(log(tick(at, 1e-9), first_offset=at)) for at in range(3)]
    turned(ListSource(fine), MemorySink(), turns=3)
    named = [vars(record)["symbol"] for record in caplog.records if "decimals" in record.message]
    assert named == ["BTC-USDT"]


def test_an_engine_is_live_while_its_loop_turns_and_ready_while_its_sinks_take() -> None:
    clock = FakeClock()
    loaded = settings.load(environ={}).settings
    live, ready = loop.checks(loaded, ["checked"], clock)
    metrics.loop_turned.set(START_US / 1e6)
    metrics.loop_backlog_seconds.set(1)
    metrics.sink_up.labels("checked").set(1)
    metrics.source_up.set(1)
    assert [check() for check in (*live.values(), *ready.values())] == [True] * 5
    metrics.sink_up.labels("checked").set(0)
    metrics.loop_backlog_seconds.set(loaded.metrics.lag_seconds_max)
    metrics.source_up.set(0)
    told = {name: check() for name, check in ready.items()}
    assert told == {"loop": True, "source": False, "lag": False, "sink checked": False}
    clock.sleep(loop.LIVE_S)
    assert [check() for check in live.values()] == [False]
