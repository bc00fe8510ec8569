"""Rows of several files put back into the order of the log, and cut where messages end."""

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from engine import schema
from engine.errors import Rejected
from storage.files import Span


def overlapping(spans: Sequence[Span]) -> Iterator[list[int]]:
    """The places of spans that share messages, partition by partition in the order of the log."""
    together: list[int] = []
    partition = end = -1
    for at in sorted(range(len(spans)), key=spans.__getitem__):
        if together and (spans[at].partition != partition or spans[at].first >= end):
            yield together
            together, end = [], -1
        together.append(at)
        partition, end = spans[at].partition, max(end, spans[at].end)
    if together:
        yield together


def interleave(streams: Sequence[Iterator[pl.DataFrame]]) -> Iterator[pl.DataFrame]:
    """The rows of streams that are each in the order of the log, in that order; holds one frame of each."""
    if len(streams) == 1:
        yield from streams[0]
        return
    heads = [head for stream in streams if (head := _head(schema.empty(schema.LOG), stream))]
    while heads:
        # Up to the nearest last row nothing that is still to come can stand in between.
        limit = min(_place(rows, -1) for rows, _ in heads)
        counts = [_rows_up_to(rows, limit) for rows, _ in heads]
        ready = [rows.head(count) for (rows, _), count in zip(heads, counts, strict=True)]
        yield pl.concat(ready).sort(schema.PLACE.names)
        rests = [(rows.slice(count), stream) for (rows, stream), count in zip(heads, counts, strict=True)]
        heads = [head for rest in rests if (head := _head(*rest))]


def _head(rows: pl.DataFrame, stream: Iterator[pl.DataFrame]) -> tuple[pl.DataFrame, Iterator[pl.DataFrame]] | None:
    """The rows, or the stream's next ones where there are none left."""
    found = rows if rows.height else next((frame for frame in stream if frame.height), None)
    return None if found is None else (found, stream)


def _place(rows: pl.DataFrame, at: int) -> tuple[int, int, int]:
    partition, offset, row = rows.select(schema.PLACE.names).row(at)
    return int(partition), int(offset), int(row)


def _rows_up_to(rows: pl.DataFrame, limit: tuple[int, int, int]) -> int:
    partition, offset, row = (pl.lit(part) for part in limit)
    below = (
        (pl.col("partition") < partition)
        | (pl.col("partition").eq(partition) & (pl.col("offset") < offset))
        | (pl.col("partition").eq(partition) & pl.col("offset").eq(offset) & (pl.col("row") <= row))
    )
    return int(rows.select(below.sum()).item())


def checked(frames: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """The same frames. Raises Rejected where a row does not come after those of its partition before it."""
    last: dict[int, tuple[int, int, int]] = {}
    for frame in frames:
        for (partition,), rows in frame.partition_by("partition", as_dict=True, maintain_order=True).items():
            before = pl.col("offset").shift(), pl.col("row").shift()
            after = (pl.col("offset") > before[0]) | (pl.col("offset").eq(before[0]) & (pl.col("row") > before[1]))
            if not rows.select(after.all()).item() or _place(rows, 0) <= last.get(partition, (-1, -1, -1)):
                raise Rejected("order", f"the rows of partition {partition} are not in the order of the log")
            last[partition] = _place(rows, -1)
        yield frame


def whole_messages(frames: Iterator[pl.DataFrame], rows_max: int) -> Iterator[pl.DataFrame]:
    """The same rows in frames of at most `rows_max` rows that end where a message does; more only for a larger one."""
    held = schema.empty(schema.LOG)
    for frame in frames:
        held = pl.concat([held, frame])
        while (end := _end_of_messages(held, rows_max)) is not None:
            yield held.head(end)
            held = held.slice(end)
    if held.height:
        yield held


def _end_of_messages(rows: pl.DataFrame, rows_max: int) -> int | None:
    """The last end of a message within `rows_max` rows, or the first one after; None while that is not certain."""
    if rows.height <= rows_max:
        return None
    new = rows.select((pl.col("partition").diff().ne(0) | pl.col("offset").diff().ne(0)).fill_null(False)).to_series()
    ends = np.flatnonzero(new.to_numpy())
    if not len(ends):
        return None
    within = int(np.searchsorted(ends, rows_max, side="right"))
    return int(ends[max(within - 1, 0)])
