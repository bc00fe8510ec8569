"""The connection to one exchange, opened again whenever it is lost. All retrying towards exchanges is here."""

import asyncio
import logging
from typing import Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from engine.errors import Disconnected
from engine.ports import Clock
from engine.settings import Connection as Limits
from feeds.backoff import Backoff
from feeds.exchanges import Exchange
from feeds.frames import Frames
from feeds.losses import not_opened
from feeds.session import Reader, Session
from observability import metrics

log = logging.getLogger(__name__)

_CLOSE_TIMEOUT_S: Final = 1.0
_SHOWN: Final = 200  # What an exchange says has no bound.


class Connection:
    """An exchange's part, made to stay connected."""

    def __init__(self, name: str, exchange: Exchange, limits: Limits, frames_waiting_max: int, clock: Clock) -> None:
        self._name = name
        self._exchange = exchange
        self._limits = limits
        self._frames_waiting_max = frames_waiting_max
        self._clock = clock
        self.in_session = False
        self._backoff = Backoff(limits.backoff_base_ms / 1_000, limits.backoff_max_ms / 1_000)

    async def run(self, reader: Reader, stop: asyncio.Event) -> None:
        """Hand every frame to the reader, in order; ends by itself only when the exchange will never have us.

        While `in_session`, `stop` ends it after the last frame received; at any other time it may be cancelled.
        """
        while True:
            lost = await self._session(reader, stop)
            if stop.is_set():
                return
            metrics.reconnects.labels(self._name, lost.reason).inc()
            about = {"exchange": self._name, "reason": lost.reason, "detail": str(lost)[:_SHOWN]}
            if lost.permanent:
                log.error("feed given up", extra=about)
                return
            wait_s = self._backoff.wait_s(lost)
            log.warning("feed lost", extra=about | {"wait_s": round(wait_s, 3)})
            await asyncio.sleep(wait_s)

    async def _session(self, reader: Reader, stop: asyncio.Event) -> Disconnected:
        """Open a socket and use it to its end; gives the reason of the end."""
        try:
            opened = await self._open()
        except Disconnected as lost:
            return lost
        async with opened as socket:
            frames = Frames(self._frames_waiting_max)
            session = Session(self._name, socket, self._exchange, self._limits, frames, self._clock)
            self.in_session = True
            try:
                return await session.run(reader, self._backoff.reset, stop)
            finally:
                self.in_session = False

    async def _open(self) -> ClientConnection:
        endpoint = self._exchange.endpoint()
        try:
            return await connect(
                endpoint,
                compression="deflate" if self._exchange.deflate else None,
                # What is not encrypted lies on this machine or beside it.
                proxy=True if endpoint.startswith("wss:") else None,
                open_timeout=self._limits.open_timeout_ms / 1_000,
                # A late answer to a ping of the library's own would close a healthy connection.
                ping_interval=None,
                close_timeout=_CLOSE_TIMEOUT_S,
                max_size=self._limits.frame_bytes_max,
            )
        # An ImportError is that of a SOCKS proxy's client, which is not installed.
        except (OSError, WebSocketException, ValueError, ImportError) as error:
            raise not_opened(error) from error
