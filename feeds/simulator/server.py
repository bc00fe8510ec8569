"""Three venues on local ports, and the market played to whoever listens."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from msgspec import Struct
from websockets.asyncio.server import Server, serve

from engine.errors import Misconfigured
from engine.ports import Clock
from engine.settings import Simulator
from feeds.simulator.market import Market
from feeds.simulator.player import play
from feeds.simulator.venue import Venue
from feeds.simulator.venues import Timing

_PATHS = {"binance": "", "coinbase": "", "kraken": "/v2"}
_UNSENT_BYTES_MAX = 1_048_576  # to one client; beyond it the market waits
_CLOSE_SECONDS = 1.0
_TIMING = Timing()


class Simulated(Struct, frozen=True):
    """The running venues: their addresses by name, and whether the playing has come to its end."""

    urls: Mapping[str, str]
    finished: asyncio.Event


@asynccontextmanager
async def serving(
    settings: Simulator, market: Market, clock: Clock, timing: Timing = _TIMING
) -> AsyncIterator[Simulated]:
    """Open the three venues and play the market to their clients. Raises Misconfigured where a port is taken.

    `finished` is set once a tape has been received to its end; a model has none. A failure of the market ends it too,
    and is raised at the exit.
    """
    venues = {name: Venue(name, market.symbols, clock, timing) for name in _PATHS}
    ports = {"binance": settings.port_binance, "coinbase": settings.port_coinbase, "kraken": settings.port_kraken}
    async with AsyncExitStack() as open_sockets:
        urls = {}
        for name, venue in venues.items():
            server = await open_sockets.enter_async_context(_listening(venue, settings.host, ports[name]))
            urls[name] = f"ws://{settings.host}:{server.sockets[0].getsockname()[1]}{_PATHS[name]}"
        finished = asyncio.Event()
        playing = asyncio.create_task(play(market, venues, clock, finished, timing.heard_ms))
        try:
            yield Simulated(urls, finished)
        finally:
            playing.cancel()
            with suppress(asyncio.CancelledError):
                await playing


@asynccontextmanager
async def _listening(venue: Venue, host: str, port: int) -> AsyncIterator[Server]:
    listener = serve(
        venue.attend,
        host,
        port,
        process_request=venue.refuse,
        ping_interval=None,  # Venues ping in their own way, or not at all.
        close_timeout=_CLOSE_SECONDS,
        write_limit=_UNSENT_BYTES_MAX,
    )
    try:
        server = await listener
    except OSError as error:
        raise Misconfigured(
            f"simulator.port_{venue.name}: cannot listen on {host}:{port} ({error.strerror}); "
            "set another port (0 for any free one) or simulator.host"
        ) from error
    async with server:
        yield server
