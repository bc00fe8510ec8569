"""Rows put back into the order of the log, and cut where messages end, however they come."""

from collections.abc import Iterator, Sequence

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import schema
from engine.errors import Rejected
from storage.files import Span
from storage.log_order import checked, interleave, overlapping, whole_messages

EMPTY = schema.empty(schema.LOG)
SIZES = st.lists(st.integers(1, 4), min_size=1, max_size=15)


def log_of(sizes: Sequence[int], partitions: int = 1) -> pl.DataFrame:
    """Messages of so many rows, the same in each partition."""
    places = [
        (partition, offset, row)
        for partition in range(partitions)
        for offset, rows in enumerate(sizes)
        for row in range(rows)
    ]
    told = pl.DataFrame(places, schema=schema.PLACE.names, orient="row")
    return pl.concat([EMPTY, told.cast({name: EMPTY.schema[name] for name in told.columns})], how="diagonal")


def pieces(rows: pl.DataFrame, cuts: Sequence[int]) -> Iterator[pl.DataFrame]:
    """The rows in frames of these sizes, over and over; some may be empty."""
    at, turn = 0, 0
    while at < rows.height:
        size = cuts[turn % len(cuts)]
        yield rows[at : at + size]
        at, turn = at + size, turn + 1


CUTS = st.lists(st.integers(0, 5), min_size=1, max_size=4).filter(any)


@given(sizes=SIZES, data=st.data())
def test_streams_that_share_messages_are_interleaved_whatever_their_frames(
    sizes: list[int], data: st.DataObject
) -> None:
    log = log_of(sizes)
    homes = pl.Series(data.draw(st.lists(st.integers(0, 2), min_size=log.height, max_size=log.height)))
    streams = [pieces(log.filter(homes == home), data.draw(CUTS)) for home in range(3)]
    assert pl.concat([EMPTY, *interleave(streams)]).equals(log)


@given(sizes=SIZES, cuts=CUTS, rows_max=st.integers(1, 9), partitions=st.integers(1, 3))
def test_frames_end_where_messages_do(sizes: list[int], cuts: list[int], rows_max: int, partitions: int) -> None:
    log = log_of(sizes, partitions)
    frames = list(whole_messages(pieces(log, cuts), rows_max))
    assert pl.concat(frames).equals(log)
    messages = [frame.select("partition", "offset").unique().height for frame in frames]
    assert sum(messages) == partitions * len(sizes)
    assert all(frame.height <= rows_max or count == 1 for frame, count in zip(frames, messages, strict=True))


@given(sizes=SIZES, cuts=CUTS, partitions=st.integers(1, 3))
def test_a_log_in_order_passes_and_any_other_does_not(sizes: list[int], cuts: list[int], partitions: int) -> None:
    log = log_of(sizes, partitions)
    assert pl.concat(list(checked(pieces(log, cuts)))).equals(log)
    with pytest.raises(Rejected, match="order"):
        list(checked(pieces(pl.concat([log, log.tail(1)]), cuts)))
    if sum(sizes) > 1:
        with pytest.raises(Rejected, match="order"):
            list(checked(pieces(log.reverse(), cuts)))


def test_spans_that_share_messages_stand_together() -> None:
    spans = [Span(0, 5, 9), Span(1, 0, 9), Span(0, 0, 5), Span(0, 4, 5), Span(0, 0, 5), Span(0, 9, 12), Span(0, 8, 9)]
    assert list(overlapping(spans)) == [[2, 4, 3], [0, 6], [5], [1]]
    assert list(overlapping([])) == []
