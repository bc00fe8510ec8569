"""One thread that hands findings to the sinks: in order, each to every sink, until they take them."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn, Self

import pytest

from engine import schema, settings
from engine.batch import Cursor, Findings
from engine.errors import Superseded, Unavailable
from engine.ports import Sink
from engine.writer import Writer
from observability import metrics
from tests.fakes import BrokenSink, FakeClock, MemorySink

AWAY = Unavailable("sink")
PATIENT_MS = 60_000


def findings(number: int) -> Findings:
    ticks, scores, anomalies = (schema.empty(kind) for kind in (schema.LOG, schema.SCORE, schema.ANOMALY))
    return Findings(ticks, scores, anomalies, {0: Cursor(number)}, {}, {})


def numbers(sink: MemorySink) -> list[int]:
    return [each.cursors[0].next_offset for each in sink.written]


def writer(*sinks: Sink, close_timeout_ms: int = PATIENT_MS, batches_waiting_max: int = 2) -> Writer:
    named = {f"sink_{at}": sink for at, sink in enumerate(sinks)}
    knobs = settings.Writer(backoff_base_ms=1, backoff_max_ms=2, close_timeout_ms=close_timeout_ms)
    return Writer(named, knobs, FakeClock(), batches_waiting_max=batches_waiting_max)


def metric(name: str, sink: str) -> float:
    return metrics.ENGINE.get_sample_value(name, {"sink": sink}) or 0.0


def submit_without_end(
    writing: Writer, stop: threading.Event | None = None, waiting: Callable[[], None] = lambda: None
) -> NoReturn:
    """Some submit is the first to learn that the thread has ended, or that it is time to stop."""
    while True:
        writing.submit(findings(2), stop, waiting)


class StuckSink(MemorySink):
    """Takes nothing until it is let go, at the latest when the test is over."""

    def __init__(self) -> None:
        super().__init__()
        self.reached, self.go = threading.Event(), threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.go.set()

    def write(self, findings: Findings) -> None:
        self.reached.set()
        self.go.wait()
        super().write(findings)


class ClosedDoor:
    """A recipe that cannot be opened."""

    @contextmanager
    def open(self) -> Iterator[MemorySink]:
        raise Unavailable("database", "refused")
        yield MemorySink()


def test_every_sink_gets_every_batch_in_order_and_is_flushed_at_the_end() -> None:
    one, two = MemorySink(), MemorySink()
    with writer(one, two) as writing:
        for number in range(20):
            writing.submit(findings(number))
        writing.close()
        assert (numbers(one), numbers(two)) == (list(range(20)), list(range(20)))
        assert (one.flushes, two.flushes) == (1, 1)
    assert not one.is_open


def test_each_sink_tells_its_own_cursors() -> None:
    with writer(MemorySink({0: Cursor(5)}), MemorySink()) as writing:
        assert writing.cursors() == {"sink_0": {0: Cursor(5)}, "sink_1": {}}


def test_the_same_batch_is_tried_until_the_sink_takes_it() -> None:
    broken, well = BrokenSink(*[AWAY] * 5), MemorySink()
    before = metric("tickstream_sink_retries_total", "sink_0")
    with writer(broken, well) as writing:
        writing.submit(findings(1))
        writing.submit(findings(2))
        writing.close()
    assert (broken.refused, numbers(broken), numbers(well)) == (5, [1, 2], [1, 2])
    assert metric("tickstream_sink_retries_total", "sink_0") - before == 5
    assert metric("tickstream_sink_up", "sink_0") == 1


def test_a_flush_is_tried_again_too() -> None:
    broken = BrokenSink(AWAY, AWAY)
    with writer(broken) as writing:
        writing.close()
    assert (broken.refused, broken.flushes) == (2, 1)


def test_a_sink_that_another_engine_has_taken_over_ends_the_writer() -> None:
    sink = BrokenSink(Superseded("partition 0"))
    with writer(sink) as writing:
        writing.submit(findings(1))
        with pytest.raises(Superseded, match="partition 0"):
            submit_without_end(writing)
        with pytest.raises(Superseded):
            writing.close()
    assert (numbers(sink), sink.flushes, sink.is_open) == ([], 0, False)


def test_a_bug_in_a_sink_comes_out_as_it_is() -> None:
    class Buggy(MemorySink):
        def write(self, findings: Findings) -> None:
            raise ZeroDivisionError(str(findings.cursors))

    with writer(Buggy()) as writing:
        writing.submit(findings(1))
        with pytest.raises(ZeroDivisionError):
            writing.close()


def test_a_close_that_takes_too_long_raises_the_sinks_error() -> None:
    sink = BrokenSink(*[AWAY] * 1_000_000)
    with writer(sink, close_timeout_ms=50) as writing:
        writing.submit(findings(1))
        with pytest.raises(Unavailable, match="sink"):
            writing.close()
    assert numbers(sink) == []
    assert metric("tickstream_sink_up", "sink_0") == 0


def test_a_full_queue_makes_submit_wait() -> None:
    with writer(stuck := StuckSink(), batches_waiting_max=2) as writing, stuck:
        writing.submit(findings(0))
        stuck.reached.wait()  # The first is being written; two more may wait.
        writing.submit(findings(1))
        writing.submit(findings(2))
        fourth = threading.Thread(target=writing.submit, args=(findings(3),))
        fourth.start()
        fourth.join(0.3)
        assert fourth.is_alive()
        stuck.go.set()
        fourth.join()
        writing.close()
    assert numbers(stuck) == [0, 1, 2, 3]


def test_told_to_stop_it_waits_no_longer_for_a_sink_that_is_away() -> None:
    clock, stop = FakeClock(), threading.Event()
    stop.set()
    sink = BrokenSink(*[AWAY] * 1_000_000)
    knobs = settings.Writer(backoff_base_ms=1, backoff_max_ms=2, close_timeout_ms=PATIENT_MS)
    with Writer({"away": sink}, knobs, clock, batches_waiting_max=1) as writing:
        with pytest.raises(Unavailable, match="not written"):
            submit_without_end(writing, stop, lambda: clock.sleep(PATIENT_MS / 3_000))
        assert numbers(sink) == []


def test_leaving_without_close_gives_up_what_cannot_be_written() -> None:
    sink = BrokenSink(*[AWAY] * 1_000_000)
    with writer(sink) as writing:
        writing.submit(findings(1))
    assert (numbers(sink), sink.is_open) == ([], False)


def test_nothing_can_be_submitted_after_the_end() -> None:
    with writer(MemorySink()) as writing:
        writing.close()
        with pytest.raises(Unavailable, match="it has been closed"):
            writing.submit(findings(1))


def test_sinks_already_open_are_closed_when_the_next_one_cannot_be_opened() -> None:
    first = MemorySink()
    with pytest.raises(Unavailable, match="refused"), writer(first, ClosedDoor()):
        raise AssertionError
    assert not first.is_open
