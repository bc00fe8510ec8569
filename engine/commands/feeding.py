"""Feeds, and the simulated exchanges if wanted, on an event loop in a thread of their own."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress

from engine.errors import TickStreamError
from engine.ports import Clock
from engine.settings import Settings
from feeds import feed
from feeds.simulator.market import Market
from feeds.simulator.server import serving


class Feeding:
    """Runs until `stop` is called, a tape has been played, or it fails; then `ended` is set and `error` tells why."""

    def __init__(self, settings: Settings, market: Market | None, publish: feed.Publish, clock: Clock) -> None:
        self._settings, self._market, self._publish, self._clock = settings, market, publish, clock
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="feeds", daemon=True)
        self.error: BaseException | None = None

    def start(self, ended: Callable[[], None]) -> None:
        """Begin; `ended` is called when it is over."""
        self._ended = ended
        self._thread.start()

    def stop(self) -> None:
        """Close the connections, publish what is left. Returns at once."""
        with suppress(RuntimeError):  # The loop is closed: it is over by itself.
            self._loop.call_soon_threadsafe(self._stop.set)

    def join(self, timeout: float) -> None:
        """Wait for the end."""
        self._thread.join(timeout)

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._feed())
        except BaseException as error:  # noqa: BLE001 - the main thread raises it.
            self.error = _cause(error)
        finally:
            self._ended()

    async def _feed(self) -> None:
        async with AsyncExitStack() as market:
            urls = None
            if self._market is not None:
                simulated = await market.enter_async_context(
                    serving(self._settings.simulator, self._market, self._clock)
                )
                urls = simulated.urls
                ending = asyncio.create_task(self._end_with(simulated.finished))
                market.callback(ending.cancel)
            await feed.run(self._settings, self._publish, self._stop, urls=urls, clock=self._clock)

    async def _end_with(self, finished: asyncio.Event) -> None:
        await finished.wait()
        self._stop.set()


def _cause(error: BaseException) -> BaseException:
    """The first error of a group that holds nothing but what a person can mend; any other as it is."""
    while isinstance(error, BaseExceptionGroup) and error.split(TickStreamError)[1] is None:
        error = error.exceptions[0]
    return error
