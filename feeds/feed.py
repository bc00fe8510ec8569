"""Every exchange of the settings, end to end: frames to ticks to record batches."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import TypeAlias, cast

import pyarrow as pa

from engine import parts
from engine.errors import MalformedFrame, Misconfigured, Unavailable
from engine.ports import Clock
from engine.settings import Settings, did_you_mean
from feeds.connection import Connection
from feeds.exchanges import Exchange, Reading
from feeds.facts import Facts
from feeds.frames import Frame
from feeds.gaps import Gaps
from feeds.outbox import Outbox
from feeds.rarely import Rarely
from observability import metrics

Publish: TypeAlias = Callable[[pa.RecordBatch], None]

log = logging.getLogger(__name__)

_AGAIN_S = 0.5


async def run(
    settings: Settings,
    publish: Publish,
    stop: asyncio.Event,
    *,
    urls: Mapping[str, str] | None = None,
    clock: Clock,
) -> None:
    """Connect to every exchange and publish its ticks until `stop` is set, then publish what is left.

    `publish` may block; each exchange calls it in a thread, one batch at a time, in order. `urls` stand above those of
    the settings, by exchange. Raises Misconfigured before anything connects.
    """
    feeds = [Feed(name, part, settings, publish, clock) for name, part in exchanges(settings, urls or {}).items()]
    async with asyncio.TaskGroup() as tasks:
        for feed in feeds:
            tasks.create_task(feed.run(stop))


def live(settings: Settings) -> Mapping[str, bool]:
    """For each exchange of the settings: whether its connection is up and what was asked for acknowledged."""
    gauge = "tickstream_feeds_connections_live"
    names = settings.feeds.exchanges
    return {name: bool(metrics.FEEDS.get_sample_value(gauge, {"exchange": name})) for name in names}


def exchanges(settings: Settings, urls: Mapping[str, str]) -> Mapping[str, Exchange]:
    """The parts that the settings choose, by name. Raises Misconfigured with every problem found."""
    found: dict[str, Exchange] = {}
    problems: list[str] = []
    for name in settings.feeds.exchanges:
        try:
            found[name] = _exchange(settings, name, urls)
        except Misconfigured as error:
            problems.extend(error.problems)
    if not settings.feeds.exchanges:
        problems.append("feeds.exchanges: names no exchange; name one of the [exchanges.*] sections")
    if problems:
        raise Misconfigured(*problems)
    return found


def _exchange(settings: Settings, name: str, urls: Mapping[str, str]) -> Exchange:
    section = settings.exchanges.get(name)
    if section is None:
        hint = did_you_mean(name, settings.exchanges)
        raise Misconfigured(f"feeds.exchanges: there is no section [exchanges.{name}]{hint}")
    symbols = section.get("symbols") or settings.feeds.symbols
    if isinstance(symbols, list | tuple):
        symbols = [symbol for at, symbol in enumerate(symbols) if symbol not in symbols[:at]]
    changed = {"symbols": symbols} | ({"url": urls[name]} if name in urls else {})
    return cast("Exchange", parts.load("feeds.exchanges", section | changed, f"exchanges.{name}"))


class Feed:
    """One exchange."""

    def __init__(self, name: str, exchange: Exchange, settings: Settings, publish: Publish, clock: Clock) -> None:
        knobs = settings.feeds
        self._name = name
        self._publish = publish
        self._clock = clock
        self._gaps = Gaps()
        self._outbox = Outbox(name, knobs.rows_max, knobs.flush_ms)
        self._exchange = exchange
        self._connection = Connection(name, exchange, settings.connection, knobs.frames_waiting_max, clock)
        self._facts = Facts(name)

    async def run(self, stop: asyncio.Event) -> None:
        """Connect and publish until `stop` is set, then read and publish what is left."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._publish_all(stop))
            connecting = tasks.create_task(self._connection.run(self, stop))
            await stop.wait()
            if not self._connection.in_session:
                connecting.cancel()
            await asyncio.wait([connecting])
            self._outbox.close()

    async def room(self) -> None:
        """Wait until another frame can be taken."""
        await self._outbox.room()

    def read(self, frame: Frame) -> Reading:
        """Take the ticks that a frame holds; what cannot be read is counted and set aside."""
        try:
            reading = self._exchange.parse(frame.payload, frame.seen_us)
        except MalformedFrame as error:
            reading = Reading("other", malformed=(error,))
        self._facts.read(frame, reading)
        if reading.latest_id is not None:
            self._gaps.announce(*reading.latest_id)
        if reading.ticks or reading.latest_id is not None:
            fresh = self._gaps.check(reading.ticks)
            self._outbox.put(fresh)
            self._facts.took(reading, fresh, self._gaps.unseen())
        return reading

    async def _publish_all(self, stop: asyncio.Event) -> None:
        while (batch := await self._outbox.next()) is not None:
            await self._deliver(batch, stop)

    async def _deliver(self, batch: pa.RecordBatch, stop: asyncio.Event) -> None:
        """Publish one batch, again and again while the bus is away; after the stop only once."""
        rarely = Rarely()
        while True:
            try:
                await asyncio.to_thread(self._publish, batch)
            except Unavailable as error:
                about = {"exchange": self._name, "rows": batch.num_rows, "detail": str(error)}
                if stop.is_set():
                    log.error("ticks lost at the stop", extra=about)  # noqa: TRY400 - the detail says it all
                    return
                if rarely.again("unavailable"):
                    log.warning("bus unavailable", extra=about)
                await asyncio.sleep(_AGAIN_S)
            else:
                self._facts.published(batch, self._clock.now_us())
                return
