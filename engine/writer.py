"""One thread that hands findings to the sinks, and a short queue before it. Retrying a write lives here."""

import logging
import queue
import random
import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from engine import settings
from engine.batch import Cursor, Findings
from engine.errors import Unavailable
from engine.latency import committed
from engine.ports import Clock, Sink, Writing
from observability import metrics

log = logging.getLogger(__name__)

IDLE_S = 1.0
"""What sinks hold is flushed where nothing comes for so long."""
_LOOK_S = 0.1
_END_S = 1.0
"""A try that is under way when it is time to give up has so long to come back."""


class Writer:
    """Opens the sinks, writes to one after the other in its own thread, closes them.

    A sink that is unavailable is tried again with the same findings until it takes them; meanwhile the queue fills and
    `submit` waits. What ends the thread early is raised by the next `submit` and by `close`.
    """

    def __init__(
        self, sinks: Mapping[str, Sink], settings: settings.Writer, clock: Clock, *, batches_waiting_max: int
    ) -> None:
        self._sinks = sinks
        self._settings = settings
        self._clock = clock
        self._opened = ExitStack()
        self._writings: dict[str, Writing] = {}
        self._waiting: queue.Queue[Findings] = queue.Queue(batches_waiting_max)
        self._uncommitted: deque[Findings] = deque()
        self._finish = threading.Event()
        self._give_up = threading.Event()
        self._error: BaseException | None = None
        self._end_by: float | None = None
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)

    def __enter__(self) -> Self:
        """Open every sink. Raises Unavailable or Misconfigured where one cannot be."""
        with ExitStack() as opening:
            for name, sink in self._sinks.items():
                self._writings[name] = opening.enter_context(sink.open())
                metrics.sink_up.labels(name).set(1)
            self._opened = opening.pop_all()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._give_up.set()
        self._thread.join(_END_S)
        if self._thread.is_alive():  # In a write that does not return: its sink cannot be closed from here.
            log.error("a write did not end; what it holds is found again in the log")
        else:
            self._opened.close()

    def cursors(self) -> Mapping[str, Mapping[int, Cursor]]:
        """Each sink's own cursors. To be asked before anything is submitted."""
        return {name: writing.cursors() for name, writing in self._writings.items()}

    def submit(
        self, findings: Findings, stop: threading.Event | None = None, waiting: Callable[[], None] = lambda: None
    ) -> None:
        """Hand findings over; waits while the queue is full, calling `waiting` now and then.

        Raises Unavailable where `stop` is set and the sinks take nothing for `close_timeout_ms`.
        """
        while True:
            self.check()
            try:
                self._waiting.put(findings, timeout=_LOOK_S)
            except queue.Full:
                waiting()
                if stop is not None and stop.is_set() and self._remaining_s() <= 0:
                    raise Unavailable("sinks", "what was found last is not written; a restart finds it again") from None
            else:
                return

    def check(self) -> None:
        """Raise what has ended the thread."""
        if not self._thread.is_alive():
            raise self._error or Unavailable("writer", "it has been closed")

    def close(self) -> None:
        """Write and flush what was submitted; raises the error of a sink that does not take it in time."""
        self._finish.set()
        self._thread.join(self._remaining_s())
        self._give_up.set()
        self._thread.join(_END_S)
        if self._error is not None:
            raise self._error
        if self._thread.is_alive():
            raise Unavailable("sinks", "a write does not return; a restart finds what it holds in the log")

    def _remaining_s(self) -> float:
        """What is left of `close_timeout_ms`, from the first time it was asked for."""
        if self._end_by is None:
            self._end_by = self._clock.monotonic() + self._settings.close_timeout_ms / 1000
        return max(self._end_by - self._clock.monotonic(), 0.0)

    def _run(self) -> None:
        try:
            while (findings := self._next()) is not None:
                self._uncommitted.append(findings)
                for name, writing in self._writings.items():
                    self._write(name, writing, findings)
                self._count_committed()
            if not self._give_up.is_set():
                self._flush()
        except BaseException as error:  # noqa: BLE001 - whoever submits raises it.
            self._error = error

    def _next(self) -> Findings | None:
        """The next findings; None when it is time to end. Where none come for a while, what sinks hold is flushed."""
        idle_since = self._clock.monotonic()
        while not self._give_up.is_set():
            try:
                return self._waiting.get(timeout=_LOOK_S)
            except queue.Empty:
                if self._finish.is_set():
                    return None
            if self._uncommitted and self._clock.monotonic() - idle_since >= IDLE_S:
                self._flush()
        return None

    def _flush(self) -> None:
        for name, writing in self._writings.items():
            self._insist(name, writing.flush)
        self._count_committed()

    def _count_committed(self) -> None:
        """Count the findings that every sink's cursor has passed."""
        reached = [writing.cursors() for writing in self._writings.values()]
        while self._uncommitted and all(_covers(cursors, self._uncommitted[0]) for cursors in reached):
            committed(self._uncommitted.popleft(), self._clock.now_us())

    def _write(self, name: str, writing: Writing, findings: Findings) -> None:
        began = self._clock.monotonic()
        self._insist(name, lambda: writing.write(findings))
        metrics.sink_seconds.labels(name).observe(self._clock.monotonic() - began)
        metrics.sink_rows.labels(name).inc(len(findings.scores) + len(findings.anomalies))

    def _insist(self, name: str, action: Callable[[], None]) -> None:
        """Try until it is done, with full jitter and doubling waits. Raises Unavailable only when told to give up."""
        wait_ms = self._settings.backoff_base_ms
        while True:
            try:
                action()
            except Unavailable as error:
                metrics.sink_up.labels(name).set(0)
                metrics.sink_retries.labels(name).inc()
                log.warning("sink unavailable", extra={"sink": name, "reason": str(error)})
                if self._give_up.wait(random.uniform(0, wait_ms) / 1000):
                    raise
                wait_ms = min(2 * wait_ms, self._settings.backoff_max_ms)
            else:
                metrics.sink_up.labels(name).set(1)
                return


def _covers(cursors: Mapping[int, Cursor], findings: Findings) -> bool:
    reached = {partition: cursor.next_offset for partition, cursor in cursors.items()}
    return all(reached.get(partition, -1) >= cursor.next_offset for partition, cursor in findings.cursors.items())
