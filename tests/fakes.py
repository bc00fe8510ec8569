"""Small real things that tests use in place of clocks and faults."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Self

from engine import schema
from engine.batch import Cursor, Findings, TickBatch
from engine.errors import TickStreamError, Unavailable

START_US = 1_723_161_255_000_000


class FakeClock:
    """A clock that stands still until it is moved; sleeping moves it."""

    def __init__(self, now_us: int = START_US) -> None:
        self._now_us = now_us

    def now_us(self) -> int:
        return self._now_us

    def monotonic(self) -> float:
        return self._now_us / 1e6

    def sleep(self, seconds: float) -> None:
        self._now_us += round(seconds * 1e6)


class ListSource:
    """A log made of batches, one a drain; unreachable as often as told before the first of them."""

    def __init__(self, batches: Sequence[TickBatch], *, partitions: Sequence[int] = (0,), unavailable: int = 0) -> None:
        self._batches, self._partitions, self._unavailable = deque(batches), tuple(partitions), unavailable
        self.sought: dict[int, int] | None = None

    def partitions(self) -> tuple[int, ...]:
        return self._partitions

    def seek(self, offsets: Mapping[int, int]) -> None:
        self.sought = dict(offsets)

    def ends(self) -> Mapping[int, int]:
        return {}

    def drain(self, *, rows_max: int, wait_ms: int) -> TickBatch:  # noqa: ARG002 - batches are as they were made.
        if self._unavailable:
            self._unavailable -= 1
            raise Unavailable("log")
        return self._batches.popleft() if self._batches else TickBatch(schema.empty(schema.LOG), {})

    def lag_messages(self) -> Mapping[int, int]:
        return dict.fromkeys(self._partitions, len(self._batches))


class MemorySink:
    """A sink that keeps what it is given, and the cursors with it; its own recipe."""

    def __init__(self, cursors: Mapping[int, Cursor] | None = None) -> None:
        self._cursors = dict(cursors or {})
        self.written: list[Findings] = []
        self.flushes = 0
        self.is_open = False

    @contextmanager
    def open(self) -> Iterator[Self]:
        self.is_open = True
        try:
            yield self
        finally:
            self.is_open = False

    def cursors(self) -> Mapping[int, Cursor]:
        return self._cursors

    def write(self, findings: Findings) -> None:
        self.written.append(findings)
        self._cursors |= findings.cursors

    def flush(self) -> None:
        self.flushes += 1


class BrokenSink(MemorySink):
    """Raises each of `errors` in turn, one at a write or flush, before it takes anything."""

    def __init__(self, *errors: TickStreamError) -> None:
        super().__init__()
        self._errors = deque(errors)
        self.refused = 0

    def write(self, findings: Findings) -> None:
        self._refuse()
        super().write(findings)

    def flush(self) -> None:
        self._refuse()
        super().flush()

    def _refuse(self) -> None:
        if self._errors:
            self.refused += 1
            raise self._errors.popleft()
