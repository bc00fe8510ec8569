"""One client's connection to a venue: frames in and out, the second's beat, pings."""

import asyncio
from collections.abc import Awaitable, Sequence
from contextlib import suppress

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from engine.ports import Clock
from feeds.simulator.market import Trade
from feeds.simulator.venues import Hangup, Session, Timing


class Client:
    """Carries a session's frames over a socket, in the order in which the session gave them."""

    def __init__(self, connection: ServerConnection, session: Session, clock: Clock, timing: Timing) -> None:
        self.session = session
        self._connection = connection
        self._clock = clock
        self._timing = timing
        self._turn = asyncio.Lock()

    async def converse(self, *, pings: bool) -> None:
        """Talk until one side hangs up."""
        try:
            async with asyncio.TaskGroup() as jobs:
                jobs.create_task(self._read())
                jobs.create_task(self._beat())
                if pings:
                    jobs.create_task(self._ping())
        except* ConnectionClosed:
            pass
        except* Hangup as hung_up:
            await self._close(hung_up)

    def deliver(self, trades: Sequence[Trade]) -> Awaitable[None]:
        """What the client is told of these trades is settled now, and sent when awaited."""
        return self._deliver(self.session.traded(trades))

    async def _deliver(self, frames: Sequence[bytes]) -> None:
        """Wait for a slow client, but not for ever."""
        try:
            async with asyncio.timeout(self._timing.slow_ms / 1_000):
                await self._send(frames)
        except TimeoutError:
            await self._connection.close(1008, "Slow consumer")
        except ConnectionClosed:
            pass  # Its own conversation ends as well.

    async def caught_up(self) -> None:
        """Wait, but not for ever, until the client has received what was sent: it answers a ping that follows it."""
        with suppress(TimeoutError, ConnectionClosed):
            async with asyncio.timeout(self._timing.slow_ms / 1_000):
                await (await self._connection.ping())

    async def _read(self) -> None:
        await self._send(self.session.opened())
        while True:
            frame = await self._connection.recv()
            await self._send(self.session.received(frame, self._clock.now_us()))

    async def _beat(self) -> None:
        """On the wall clock's whole seconds."""
        beat_us = self._timing.beat_ms * 1_000
        while True:
            await asyncio.sleep((beat_us - self._clock.now_us() % beat_us) / 1_000_000)
            await self._send(self.session.beat(self._clock.now_us()))

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(self._timing.ping_ms / 1_000)
            pong = await self._connection.ping(str(self._clock.now_us() // 1_000))
            try:
                await asyncio.wait_for(pong, self._timing.pong_ms / 1_000)
            except TimeoutError as error:
                raise Hangup(1008, "Pong timeout") from error

    async def _send(self, frames: Sequence[bytes]) -> None:
        async with self._turn:
            for frame in frames:
                await self._connection.send(frame, text=True)

    async def _close(self, hung_up: ExceptionGroup[Hangup]) -> None:
        reason = hung_up.exceptions[0]
        assert isinstance(reason, Hangup)
        await self._connection.close(reason.code, reason.reason)
