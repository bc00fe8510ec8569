"""Frames received and not yet read."""

import pytest

from engine.errors import Disconnected
from feeds.frames import Frame, Frames
from tests.feeds.exchange_server import asynchronous

FRAMES = [Frame(bytes([number]), number) for number in range(5)]


@asynchronous
async def test_frames_come_out_in_order() -> None:
    frames = Frames(5)
    assert all(frames.put(frame) for frame in FRAMES)
    assert [await frames.get() for _ in FRAMES] == FRAMES
    assert frames.waiting == 0


@asynchronous
async def test_full_queue_gives_up_its_oldest() -> None:
    frames = Frames(3)
    assert [frames.put(frame) for frame in FRAMES] == [True, True, True, False, False]
    assert [await frames.get() for _ in range(3)] == FRAMES[2:]


@asynchronous
async def test_every_frame_is_read_before_the_first_reason_of_the_end() -> None:
    frames = Frames(5)
    frames.put(FRAMES[0])
    frames.end(Disconnected("silent"))
    frames.end(Disconnected("closed"))
    assert await frames.get() == FRAMES[0]
    with pytest.raises(Disconnected, match="silent"):
        await frames.get()
