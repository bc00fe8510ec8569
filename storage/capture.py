"""A log of ticks into files: what `tickstream capture` does."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from engine.batch import Cursor, TickBatch
from engine.errors import Unavailable
from engine.ports import Source
from storage import dataset
from storage.files import Span, by_date, put


def capture(
    source: Source,
    folder: Path,
    *,
    rows_max: int,
    flush_ms: int,
    drain_ms: int,
    is_stopped: Callable[[], bool],
    to_end: bool = False,
) -> int:
    """A log into tick files until stopped, or to the end that it had at the start; gives the rows written.

    Raises Misconfigured where another process writes there or the log no longer holds what comes next.
    """
    with _disk(folder), dataset.owned(folder):
        files = Capture(folder, rows_max=rows_max, flush_ms=flush_ms)
        reached = dict.fromkeys(source.partitions(), 0) | files.next_offsets()
        source.seek(files.next_offsets())
        ends = source.ends()
        rows = 0
        while not (is_stopped() or (to_end and all(reached[each] >= end for each, end in ends.items()))):
            batch = source.drain(rows_max=rows_max, wait_ms=drain_ms)
            files.write(batch)
            reached |= batch.next_offsets
            rows += batch.ticks.height
        files.flush()
    return rows


class Capture:
    """Ticks into files under `folder`/ticks, closed at `rows_max` rows or `flush_ms` after their first.

    Goes on from what lies there; whatever was not committed when a capture was killed is taken from the source again.
    """

    def __init__(
        self, folder: Path, *, rows_max: int, flush_ms: int, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._folder, self._rows_max, self._flush_seconds = folder, rows_max, flush_ms / 1_000
        self._monotonic = monotonic
        self._own = self.next_offsets()
        self._ahead: dict[int, int] = {}
        self._waiting: list[pl.DataFrame] = []
        self._since = monotonic()

    def next_offsets(self) -> dict[int, int]:
        """For each partition the offset to go on from, as committed."""
        return {partition: cursor.next_offset for partition, cursor in dataset.read_cursors(self._folder).items()}

    def write(self, batch: TickBatch) -> None:
        """Take a batch; flush when it is time. Raises Unavailable where the disk refuses."""
        if batch.next_offsets and not self._ahead:
            self._since = self._monotonic()
        self._waiting.append(batch.ticks)
        self._ahead |= batch.next_offsets
        rows = sum(ticks.height for ticks in self._waiting)
        if rows >= self._rows_max or self._monotonic() - self._since >= self._flush_seconds:
            self.flush()

    def flush(self) -> None:
        """Put the files in place, then the cursors that commit them."""
        if not self._ahead:
            return
        spans = {partition: Span(partition, self._own.get(partition, 0), end) for partition, end in self._ahead.items()}
        with _disk(self._folder):
            for path, rows in by_date(pl.concat(self._waiting), self._folder / "ticks", spans):
                put(rows.cast(dataset.TICKS), path)
            for partition, end in self._ahead.items():
                dataset.put_cursor(self._folder, partition, Cursor(end))
        self._own |= self._ahead
        self._ahead.clear()
        self._waiting.clear()


@contextmanager
def _disk(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable("disk", f"{error.filename or folder}: {error.strerror or error}") from error
