"""Everything in one process: exchanges or simulated ones, the log in memory, the engine, a dataset on disk."""

import sys
import threading
from contextlib import ExitStack
from pathlib import Path

import msgspec

from engine import loop
from engine.clock import SystemClock
from engine.commands.feeding import Feeding
from engine.commands.status import Status
from engine.commands.stopping import on_signal
from engine.commands.wiring import health_of, state_from
from engine.errors import Misconfigured
from engine.settings import Settings
from engine.writer import Writer
from feeds.feed import live as feeds_live
from feeds.simulator.market import Market
from feeds.simulator.model import Model
from feeds.simulator.tape import Tape
from observability import metrics
from storage.bus.memory import MemoryBus
from storage.recipes import sinks
from storage.recording import Recording

_JOIN_S = 20.0


def market_of(settings: Settings, tape: Path | None) -> tuple[Settings, Market]:
    """The market that simulated exchanges play, and settings that listen to it."""
    if tape is None:
        return settings, Model(settings.simulator, settings.feeds.symbols)
    played = Tape(tape, settings.simulator.rate)
    feeds = msgspec.structs.replace(settings.feeds, exchanges=tuple(played.awaited), symbols=played.symbols)
    return msgspec.structs.replace(settings, feeds=feeds), played


def run(settings: Settings, *, live: bool, tape: Path | None, seconds: float | None) -> str:
    """Run until a signal, the end of a tape or `seconds` are over; the summary.

    Raises Misconfigured, Unavailable, and what ended the feeds.
    """
    if live and tape is not None:
        raise Misconfigured("--live and --tape: a tape is played by simulated exchanges; give one of the two")
    settings, market = (settings, None) if live else market_of(settings, tape)
    clock, state, status = SystemClock(), state_from(settings), Status(SystemClock())
    stop = threading.Event()
    with ExitStack() as stack:
        chosen = sinks(settings.run.sinks, settings)
        waiting = settings.loop.batches_waiting_max
        writer = stack.enter_context(Writer(chosen, settings.writer, clock, batches_waiting_max=waiting))
        bus = _bus(settings, writer, clock)
        stack.callback(bus.close)
        loop.start(bus, writer, state)
        feeding = Feeding(settings, market, bus.publish, clock)
        stack.callback(feeding.stop)
        up = {name: lambda name=name: feeds_live(settings)[name] for name in settings.feeds.exchanges}
        stack.enter_context(health_of(settings, "feeds_port", metrics.FEEDS, {}, up))
        stack.enter_context(health_of(settings, "engine_port", metrics.ENGINE, *loop.checks(settings, chosen, clock)))
        stack.enter_context(on_signal(feeding.stop))
        if seconds is not None:
            timer = threading.Timer(seconds, feeding.stop)
            timer.start()
            stack.callback(timer.cancel)
        feeding.start(stop.set)
        loop.run(bus, writer, state, clock, settings.loop, stop, to_the_end=True, watch=status)
        feeding.join(_JOIN_S)
        writer.close()
        if feeding.error is not None:
            raise feeding.error
    sys.stderr.write("\n")
    return status.summary()


def _bus(settings: Settings, writer: Writer, clock: SystemClock) -> MemoryBus:
    """The log in memory; it goes on where the dataset of an earlier run ends."""
    ends: dict[int, int] = {}
    for cursors in writer.cursors().values():
        for partition, cursor in cursors.items():
            ends[partition] = max(cursor.next_offset, ends.get(partition, 0))
    history = Recording(Path(settings.data.dir))
    return MemoryBus(settings.bus.partitions, settings.bus.memory, clock=clock, starts=ends, history=history)
