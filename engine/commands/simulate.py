"""The three simulated exchanges alone, on local ports."""

import asyncio
import signal
import sys
from pathlib import Path

from engine.clock import SystemClock
from engine.commands.run import market_of
from engine.settings import Settings
from feeds.simulator.server import serving


def simulate(settings: Settings, tape: Path | None) -> None:
    """Serve until a signal or the end of a tape; standard output tells the addresses as settings."""
    asyncio.run(_serve(settings, tape))


async def _serve(settings: Settings, tape: Path | None) -> None:
    _, market = market_of(settings, tape)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with serving(settings.simulator, market, SystemClock()) as simulated:
        for name, url in simulated.urls.items():
            sys.stdout.write(f"exchanges.{name}.url={url}\n")
        sys.stdout.flush()
        ends = [asyncio.create_task(event.wait()) for event in (stop, simulated.finished)]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for each in ends:
            each.cancel()
