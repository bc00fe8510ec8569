"""The log of a single process: a bounded queue of messages, with the dataset on disk as its past."""

import logging
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Protocol

import polars as pl
import pyarrow as pa

from engine import settings
from engine.batch import TickBatch
from engine.errors import Misconfigured, Unavailable
from engine.ports import Clock
from storage.bus.messages import Message, log_of, next_offsets, stamped
from storage.bus.partitioning import split

log = logging.getLogger(__name__)


class History(Protocol):
    """What was drained before and lies on disk by now: storage.recording.Recording."""

    def bounds(self) -> Mapping[int, tuple[int, int]]:
        """For each partition the offset of its first message and the one after its last."""
        ...

    def read(self, starts: Mapping[int, int], ends: Mapping[int, int], *, rows_max: int) -> Iterator[pl.DataFrame]:
        """The messages [start, end) of the partitions named, whole, about `rows_max` rows at a time."""
        ...


class MemoryBus:
    """Publishers append in their threads, the engine drains in its own.

    A publisher waits while `rows_max` rows or `bytes_max` bytes lie undrained. What has been drained is dropped;
    `seek` finds it again in `history`. Offsets count the messages of a partition and begin at `starts`.
    """

    def __init__(
        self,
        partitions: int,
        bounds: settings.MemoryBus,
        *,
        clock: Clock,
        starts: Mapping[int, int] | None = None,
        history: History | None = None,
    ) -> None:
        self._bounds, self._clock, self._history = bounds, clock, history
        self._starts = dict.fromkeys(range(partitions), 0) | dict(starts or {})
        if len(self._starts) > partitions:
            raise Misconfigured(
                f"bus.partitions: the data directory holds partition {max(self._starts)}; set bus.partitions to what "
                "it was, or choose another data.dir"
            )
        self._ends = dict(self._starts)
        self._next = dict(self._ends)
        self._waiting: deque[Message] = deque()
        self._rows = self._bytes = 0
        self._rereads: dict[int, int] = {}
        self._past: Iterator[pl.DataFrame] = iter(())
        self._changed = threading.Condition()
        self._closed = False

    def publish(self, rows: pa.RecordBatch) -> None:
        """Append a message for each partition; waits while the log is full. Raises Unavailable once it is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._has_room(rows))
            if self._closed:
                raise Unavailable("memory bus", "it is closed")
            for partition, part in split(rows, len(self._ends)):
                self._waiting.append(Message(partition, self._ends[partition], self._clock.now_us(), part))
                self._ends[partition] += 1
                self._count(part, 1)
            self._changed.notify_all()

    def _has_room(self, rows: pa.RecordBatch) -> bool:
        """What is larger than the log itself fits while the log is empty."""
        fits = self._rows + rows.num_rows <= self._bounds.rows_max
        return not self._waiting or (fits and self._bytes + rows.nbytes <= self._bounds.bytes_max)

    def _count(self, rows: pa.RecordBatch, sign: int) -> None:
        self._rows += sign * rows.num_rows
        self._bytes += sign * rows.nbytes

    def partitions(self) -> tuple[int, ...]:
        """All of them: a single process owns the whole log."""
        return tuple(self._ends)

    def ends(self) -> Mapping[int, int]:
        """For each partition the offset of its next message."""
        with self._changed:
            return dict(self._ends)

    def lag_messages(self) -> Mapping[int, int]:
        """Messages not yet drained, by partition."""
        with self._changed:
            return {partition: end - self._next[partition] for partition, end in self._ends.items()}

    def seek(self, offsets: Mapping[int, int]) -> None:
        """Go on from these offsets; a partition not named starts at its first message, in memory or on disk."""
        kept = self._history.bounds() if self._history else {}
        with self._changed:
            here = self._kept_here()
            first = {partition: min(kept.get(partition, (at, at))[0], at) for partition, at in here.items()}
            self._next = {partition: offsets.get(partition, at) for partition, at in first.items()}
            self._check(kept, here)
            self._rereads = {partition: at for partition, at in self._next.items() if at < here[partition]}
            self._past = iter(())
            self._drop_below(self._next)

    def _kept_here(self) -> dict[int, int]:
        """The first offset of each partition that is still in memory."""
        first = dict(self._ends)
        for message in reversed(self._waiting):
            first[message.partition] = message.offset
        return first

    def _check(self, kept: Mapping[int, tuple[int, int]], here: Mapping[int, int]) -> None:
        for partition, at in self._next.items():
            first, end = kept.get(partition, (here[partition],) * 2)
            if at > self._ends[partition] or at < min(first, here[partition]):
                raise self._gone(partition, at, first)
            if at < here[partition] and end < here[partition]:
                if here[partition] > self._starts[partition]:
                    raise self._gone(partition, at, first)
                log.warning(
                    "ticks lost with an earlier run", extra={"partition": partition, "from": end, "to": here[partition]}
                )

    def _gone(self, partition: int, offset: int, first: int) -> Misconfigured:
        return Misconfigured(
            f"bus: the log of partition {partition} does not hold offset {offset}; it goes from {first} to "
            f"{self._ends[partition]}: restore the ticks in data.dir or begin with another one"
        )

    def _drop_below(self, offsets: Mapping[int, int]) -> None:
        dropped = [message for message in self._waiting if message.offset < offsets[message.partition]]
        self._waiting = deque(message for message in self._waiting if message.offset >= offsets[message.partition])
        for message in dropped:
            self._count(message.rows, -1)
        self._changed.notify_all()

    def drain(self, *, rows_max: int, wait_ms: int) -> TickBatch:
        """What lies on disk from the last seek on, then what lies in memory; waits for the first of it."""
        ticks = self._drain_past(rows_max)
        if ticks is None:
            ticks = log_of(self._take(rows_max, wait_ms), self._clock.now_us())
        moved = next_offsets(ticks)
        with self._changed:
            self._next |= moved
        return TickBatch(ticks, moved)

    def _drain_past(self, rows_max: int) -> pl.DataFrame | None:
        if self._rereads and self._history:
            with self._changed:
                ends = self._kept_here()
            self._past = self._history.read(self._rereads, ends, rows_max=rows_max)
            self._rereads = {}
        ticks = next(self._past, None)
        return None if ticks is None else stamped(ticks, self._clock.now_us())

    def _take(self, rows_max: int, wait_ms: int) -> list[Message]:
        taken: list[Message] = []
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._waiting, timeout=wait_ms / 1000)
            rows = 0
            while self._waiting and (not taken or rows + self._waiting[0].rows.num_rows <= rows_max):
                taken.append(self._waiting.popleft())
                rows += taken[-1].rows.num_rows
                self._count(taken[-1].rows, -1)
            self._changed.notify_all()
        return taken

    def close(self) -> None:
        """Let go of everybody who waits; what lies in the log can still be drained."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
