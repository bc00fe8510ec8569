"""Ticks on their way out: a batch goes at so many rows, or so long after its first tick."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import pyarrow as pa

from feeds.columns import TickColumns
from feeds.exchanges import Tick

_BATCHES_WAITING = 2


class Outbox:
    """Bounded: while batches are not fetched, `room` waits."""

    def __init__(self, exchange: str, rows_max: int, flush_ms: int) -> None:
        self._columns = TickColumns(exchange)
        self._rows_max = rows_max
        self._flush_s = flush_ms / 1_000
        self._first = 0.0
        self._closed = False
        self._some, self._full, self._room = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._room.set()

    async def room(self) -> None:
        """Wait until there is room for more."""
        await self._room.wait()

    def put(self, ticks: Sequence[Tick]) -> None:
        """Take ticks, in order."""
        if not len(self._columns):
            self._first = asyncio.get_running_loop().time()
        self._columns.take(ticks)
        self._signal()

    def close(self) -> None:
        """No more ticks will come: let go of what is left."""
        self._closed = True
        self._signal()

    async def next(self) -> pa.RecordBatch | None:
        """The next batch, as soon as it is due; None after the last one of a closed outbox."""
        await self._some.wait()
        with suppress(TimeoutError):
            async with asyncio.timeout_at(self._first + self._flush_s):
                await self._full.wait()
        batch = self._columns.batch(self._rows_max) if len(self._columns) else None
        self._signal()
        return batch

    def _signal(self) -> None:
        rows = len(self._columns)
        for event, on in (
            (self._some, rows or self._closed),
            (self._full, rows >= self._rows_max or self._closed),
            (self._room, rows < _BATCHES_WAITING * self._rows_max),
        ):
            if on:
                event.set()
            else:
                event.clear()
