"""Plays a market to the venues: each trade when it is due."""

import asyncio
import logging
from collections.abc import Mapping

from engine.ports import Clock
from feeds.simulator.market import Market, Trade
from feeds.simulator.venue import Venue

_TRADES_AT_ONCE = 500
_HEARD_POLL_SECONDS = 0.01

log = logging.getLogger(__name__)


async def play(
    market: Market, venues: Mapping[str, Venue], clock: Clock, finished: asyncio.Event, heard_ms: int
) -> None:
    """Send every trade; `finished` is set when all clients have received them, or when the playing has failed."""
    try:
        await _heard(market.awaited, venues, clock, heard_ms)
        await _play(market, venues, clock)
        await asyncio.gather(*(each for venue in venues.values() for each in venue.caught_up()))
    finally:
        finished.set()
    log.info("tape played")


async def _play(market: Market, venues: Mapping[str, Venue], clock: Clock) -> None:
    start_us, started = clock.now_us(), clock.monotonic()
    waiting: list[Trade] = []
    for due_us, trade in market.trades(start_us):
        ahead_seconds = (due_us - start_us) / 1_000_000 - (clock.monotonic() - started)
        if ahead_seconds > 0 or len(waiting) >= _TRADES_AT_ONCE:
            await _tell(waiting, venues)
            waiting = []
            await asyncio.sleep(max(ahead_seconds, 0.0))
        waiting.append(trade)
    await _tell(waiting, venues)


async def _tell(trades: list[Trade], venues: Mapping[str, Venue]) -> None:
    """All clients at once; the slowest of them holds up what comes next."""
    deliveries = [
        delivery
        for name, venue in venues.items()
        for delivery in venue.tell([trade for trade in trades if trade.venue == name])
    ]
    await asyncio.gather(*deliveries)


async def _heard(
    awaited: Mapping[str, frozenset[str]], venues: Mapping[str, Venue], clock: Clock, heard_ms: int
) -> None:
    """Wait until somebody listens to everything a tape holds: ids sent to nobody would be lost."""
    give_up = clock.monotonic() + heard_ms / 1_000
    while unheard := [
        f"{name} {symbol}" for name, symbols in awaited.items() for symbol in symbols - venues[name].listening
    ]:
        if clock.monotonic() > give_up:
            log.warning("tape starts unheard", extra={"symbols": sorted(unheard)})
            return
        await asyncio.sleep(_HEARD_POLL_SECONDS)
    if awaited:
        log.info("tape starts")
