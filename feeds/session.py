"""One open connection: subscribed at once, read on whatever happens, asked when it falls silent."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, Protocol

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from engine.errors import Disconnected
from engine.ports import Clock
from engine.settings import Connection as Limits
from feeds.exchanges import Exchange, Reading
from feeds.frames import Frame, Frames
from feeds.losses import closed
from feeds.rarely import Rarely
from observability import metrics

log = logging.getLogger(__name__)

_SPACING_S: Final = 0.3  # Binance hangs up on more than five frames a second.
_KEEPALIVE_SILENCES: Final = 3
_SHOWN: Final = 200  # What an exchange says has no bound.


class Reader(Protocol):
    """Who the frames are for."""

    async def room(self) -> None:
        """Wait until another frame can be taken."""
        ...

    def read(self, frame: Frame) -> Reading:
        """Take a frame and say what it means."""
        ...


class Session:
    """The tasks around one socket. Each may end the session; it is over when the last frame has been read."""

    def __init__(
        self, name: str, socket: ClientConnection, exchange: Exchange, limits: Limits, frames: Frames, clock: Clock
    ) -> None:
        self._name = name
        self._socket = socket
        self._exchange = exchange
        self._open_timeout_s = limits.open_timeout_ms / 1_000
        self._silence_s = limits.silence_ms / 1_000
        self._stable_s = limits.stable_ms / 1_000
        self._frames = frames
        self._clock = clock
        self._pending = set(exchange.symbols)
        self._accepted: set[str] = set()
        self._settled = asyncio.Event()
        self._now = asyncio.get_running_loop().time
        self._heard = self._now()

    async def run(self, reader: Reader, calm: Callable[[], None], stop: asyncio.Event) -> Disconnected:
        """Serve the reader to the end of the session, which `stop` brings about as well, and give its reason.

        `calm` is called after a stable while.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                parts = (self._receive(), self._live(calm), self._watch(), self._keep_alive(), self._leave(stop))
                running = [tasks.create_task(part) for part in parts]
                reason = await self._serve(reader)
                for task in running:
                    task.cancel()
            return reason
        finally:
            metrics.connections_live.labels(self._name).set(0)

    async def _receive(self) -> None:
        """Stamp what comes and put it by: nothing else may keep the socket waiting."""
        rarely = Rarely()
        try:
            while True:
                payload = await self._socket.recv(decode=False)
                self._heard = self._now()
                if dropped := self._frames.put(Frame(payload, self._clock.now_us())):
                    metrics.frames_dropped.labels(self._name).inc(dropped)
                    if rarely.again("dropped"):
                        log.warning("frames dropped", extra={"exchange": self._name})
        except ConnectionClosed as error:
            self._frames.end(closed(error))

    async def _serve(self, reader: Reader) -> Disconnected:
        """Hand frames over. Waiting for room comes first: a frame once taken out of the queue is always read."""
        try:
            while True:
                await reader.room()
                frame = await self._frames.get()
                await self._heed(reader.read(frame))
        except Disconnected as lost:
            return lost

    async def _heed(self, reading: Reading) -> None:
        """Do what a frame asks of the connection."""
        if reading.kind == "closing":
            self._frames.end(Disconnected("closing", "announced by the exchange"))
        if not self._pending:
            return
        if reading.kind == "error":
            self._frames.end(Disconnected("refused", reading.detail))
        for symbol in self._pending & reading.refused.keys():
            words = reading.refused[symbol][:_SHOWN]
            log.warning("symbol refused", extra={"exchange": self._name, "symbol": symbol, "detail": words})
        self._accepted.update(reading.acknowledged)
        self._pending.difference_update(reading.acknowledged, reading.refused)
        if not self._pending:
            self._settled.set()
        elif reading.subscribe_again:
            await self._subscribe(sorted(self._pending))

    async def _live(self, calm: Callable[[], None]) -> None:
        """Subscribe, see it acknowledged in time, and grow calm when that has held for a while."""
        await self._subscribe(self._exchange.symbols)
        if not await self._acknowledged():
            self._frames.end(Disconnected("not_acknowledged", ", ".join(sorted(self._pending))))
        elif not self._accepted:
            self._frames.end(Disconnected("refused", "no symbol is left", permanent=True))
        else:
            metrics.connections_live.labels(self._name).set(1)
            log.info("feed connected", extra={"exchange": self._name, "symbols": len(self._accepted)})
            await asyncio.sleep(self._stable_s)
            calm()

    async def _acknowledged(self) -> bool:
        while not self._settled.is_set():
            try:
                async with asyncio.timeout(self._open_timeout_s):
                    await self._settled.wait()
            except TimeoutError:
                if not self._frames.waiting:  # Frames not yet read may hold the answer.
                    return False
        return True

    async def _watch(self) -> None:
        """Ask into a silence, and end the session when no answer comes."""
        while True:
            left_s = self._heard + self._silence_s - self._now()
            if left_s > 0:
                await asyncio.sleep(left_s)
                continue
            heard = self._heard
            with suppress(TimeoutError):
                async with asyncio.timeout(self._silence_s):
                    await self._ask()
                    await asyncio.sleep(self._silence_s)
            if self._heard == heard:
                self._frames.end(Disconnected("silent", f"no answer within {self._silence_s:g} s"))
                return

    async def _keep_alive(self) -> None:
        """An exchange with a ping of its own may leave a client that never says anything."""
        while self._exchange.ping() is not None:
            await asyncio.sleep(_KEEPALIVE_SILENCES * self._silence_s)
            await self._ask()

    async def _leave(self, stop: asyncio.Event) -> None:
        """Hang up when told to. What the exchange has sent until it hangs up as well is still read."""
        await stop.wait()
        await self._socket.close()

    async def _subscribe(self, symbols: Sequence[str]) -> None:
        for number, frame in enumerate(self._exchange.subscribe(symbols)):
            if number:
                await asyncio.sleep(_SPACING_S)
            await self._send(frame)

    async def _ask(self) -> None:
        """Ask for a sign of life, in the exchange's way; any frame is an answer."""
        ping = self._exchange.ping()
        if ping is not None:
            await self._send(ping)
            return
        with suppress(ConnectionClosed):  # The receiving side says why.
            await (await self._socket.ping())
            self._heard = self._now()

    async def _send(self, frame: bytes) -> None:
        with suppress(ConnectionClosed):  # The receiving side says why.
            await self._socket.send(frame, text=True)
