"""Snapshots of the order state, and the text of a cursor."""

import msgspec
import pytest

from engine.columns import NEVER
from engine.errors import Misconfigured
from engine.order import KeyOrder, PartitionOrder
from engine.progress import SNAPSHOTS_MAX, Saved, Snapshots, decode, encode, snapshot

ORDER = PartitionOrder(77, (KeyOrder("kraken", "BTC-USDT", NEVER, 5, 6, 7.5, 8),))
TEXT = encode(60_000, snapshot(12, ORDER), [])
OF_ANOTHER_FORMAT = msgspec.msgpack.encode(Saved(1, 60_000, snapshot(12, ORDER), []))


def kept(*windows: tuple[int, int | None]) -> Snapshots:
    """Snapshots at offsets, each with the oldest offset then in a window."""
    snapshots = Snapshots(snapshot(0))
    for offset, oldest_offset in windows:
        snapshots.keep(offset, ORDER, oldest_offset)
    return snapshots


def test_the_oldest_snapshot_lies_before_every_row_in_a_window() -> None:
    # offset     0    10    20    30
    # in windows from            18           20 is too new, 10 will do
    assert kept((10, 0), (20, 5), (30, 18)).oldest.offset == 10


def test_a_snapshot_at_the_oldest_row_itself_is_old_enough() -> None:
    assert kept((10, 0), (20, 10)).oldest.offset == 10


def test_with_empty_windows_the_newest_is_enough() -> None:
    assert kept((10, 0), (20, 0), (30, None)).oldest.offset == 30


def test_however_long_a_window_lasts_few_are_kept_and_the_oldest_lies_close_before_it() -> None:
    snapshots, window = kept(), 2_000
    for offset in range(1, 5 * window):
        snapshots.keep(offset, ORDER, max(0, offset - window))
        assert max(0, offset - window - window // 8) <= snapshots.oldest.offset <= max(0, offset - window)
        assert len(snapshots) <= SNAPSHOTS_MAX


def test_a_cursors_text_is_read_as_it_was_written() -> None:
    saved, order = decode(TEXT)
    assert (saved.window_ms_max, saved.snapshot.offset, saved.trails, order) == (60_000, 12, [], ORDER)


@pytest.mark.parametrize("state", [b"", b"{}", b"\xc1", TEXT[:-3], OF_ANOTHER_FORMAT])
def test_a_text_that_is_no_cursor_of_ours_is_refused_with_the_way_out(state: bytes) -> None:
    with pytest.raises(Misconfigured, match=r"start with a new prefix or data\.dir"):
        decode(state)
