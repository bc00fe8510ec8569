"""Frames received and not yet read."""

import pytest

from engine.errors import Disconnected
from feeds.frames import Frame, Frames
from tests.feeds.exchange_server import asynchronous

FRAMES = [Frame(bytes([number]), number) for number in range(5)]


@asynchronous
async def test_frames_come_out_in_order() -> None:
    frames = Frames(5)
    assert [frames.put(frame) for frame in FRAMES] == [0] * 5
    assert [await frames.get() for _ in FRAMES] == FRAMES
    assert frames.waiting == 0


@asynchronous
async def test_full_queue_gives_up_its_oldest() -> None:
    frames = Frames(3)
    assert [frames.put(frame) for frame in FRAMES] == [0, 0, 0, 1, 1]
    assert [await frames.get() for _ in range(3)] == FRAMES[2:]


@asynchronous
async def test_many_bytes_cost_the_oldest_as_well_but_never_the_newest() -> None:
    frames = Frames(5, bytes_max=10)
    sizes = [4, 4, 2, 7, 11, 3]
    dropped = [frames.put(Frame(bytes(size), number)) for number, size in enumerate(sizes)]
    assert dropped == [0, 0, 0, 2, 2, 1]
    assert [(await frames.get()).seen_us for _ in range(frames.waiting)] == [5]
    assert frames.put(Frame(bytes(10), 6)) == 0


@asynchronous
async def test_every_frame_is_read_before_the_first_reason_of_the_end() -> None:
    frames = Frames(5)
    frames.put(FRAMES[0])
    frames.end(Disconnected("silent"))
    frames.end(Disconnected("closed"))
    assert await frames.get() == FRAMES[0]
    with pytest.raises(Disconnected, match="silent"):
        await frames.get()
