"""Frames received and not yet read."""

import asyncio
from collections import deque
from typing import Final, NamedTuple

from engine.errors import Disconnected

BYTES_MAX: Final = 67_108_864
"""Bytes of frames that wait in a connection's memory."""


class Frame(NamedTuple):
    """A frame's bytes and when it was received, in microseconds since 1970."""

    payload: bytes
    seen_us: int


class Frames:
    """A bounded queue that drops its oldest frames when it is full, so that the socket is read on whatever happens.

    What is dropped is missed by trade id later. A session ends here: the reader still gets every frame received, then
    the reason.
    """

    def __init__(self, waiting_max: int, bytes_max: int = BYTES_MAX) -> None:
        self._waiting_max, self._bytes_max = waiting_max, bytes_max
        self._waiting: deque[Frame] = deque()
        self._bytes = 0
        self._some = asyncio.Event()
        self._lost: Disconnected | None = None

    @property
    def waiting(self) -> int:
        """How many frames wait."""
        return len(self._waiting)

    def put(self, frame: Frame) -> int:
        """Add a frame; how many of the oldest that cost. The newest always stays."""
        self._waiting.append(frame)
        self._bytes += len(frame.payload)
        self._some.set()
        dropped = 0
        while self.waiting > self._waiting_max or (self._bytes > self._bytes_max and self.waiting > 1):
            self._take()
            dropped += 1
        return dropped

    def end(self, lost: Disconnected) -> None:
        """No more frames will come; the first reason stands."""
        self._lost = self._lost or lost
        self._some.set()

    async def get(self) -> Frame:
        """The oldest frame. Raises Disconnected after the last one."""
        while not self._waiting:
            if self._lost is not None:
                raise self._lost
            self._some.clear()
            await self._some.wait()
        return self._take()

    def _take(self) -> Frame:
        frame = self._waiting.popleft()
        self._bytes -= len(frame.payload)
        return frame
