"""Frames received and not yet read."""

import asyncio
from collections import deque
from typing import NamedTuple

from engine.errors import Disconnected


class Frame(NamedTuple):
    """A frame's bytes and when it was received, in microseconds since 1970."""

    payload: bytes
    seen_us: int


class Frames:
    """A bounded queue that drops its oldest frame when it is full, so that the socket is read on whatever happens.

    What is dropped is missed by trade id later. A session ends here: the reader still gets every frame received, then
    the reason.
    """

    def __init__(self, waiting_max: int) -> None:
        self._waiting: deque[Frame] = deque(maxlen=waiting_max)
        self._some = asyncio.Event()
        self._lost: Disconnected | None = None

    @property
    def waiting(self) -> int:
        """How many frames wait."""
        return len(self._waiting)

    def put(self, frame: Frame) -> bool:
        """Add a frame; False where that cost the oldest."""
        room = len(self._waiting) != self._waiting.maxlen
        self._waiting.append(frame)
        self._some.set()
        return room

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
        return self._waiting.popleft()
