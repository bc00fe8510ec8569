"""Ticks in, one record batch out."""

from collections.abc import Sequence

import pyarrow as pa

from engine.schema import TICK
from feeds.exchanges import Tick


class TickColumns:
    """The ticks of one exchange that wait to become columns."""

    def __init__(self, exchange: str) -> None:
        self._exchange = exchange
        self._ticks: list[Tick] = []

    def __len__(self) -> int:
        return len(self._ticks)

    def take(self, ticks: Sequence[Tick]) -> None:
        """Keep ticks, in order."""
        self._ticks.extend(ticks)

    def batch(self, rows_max: int) -> pa.RecordBatch:
        """The oldest rows, with the columns of TICK."""
        taken, self._ticks = self._ticks[:rows_max], self._ticks[rows_max:]
        columns = zip(*taken, strict=True) if taken else ((),) * len(Tick._fields)
        values = [(self._exchange,) * len(taken), *columns]
        arrays = [pa.array(column, field.type) for column, field in zip(values, TICK, strict=True)]
        return pa.RecordBatch.from_arrays(arrays, schema=TICK)
