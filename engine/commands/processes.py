"""The two processes of a cluster: `feed` publishes to Kafka, `engine` reads from it and writes to the sinks."""

import threading
from contextlib import ExitStack, closing

from engine import loop
from engine.clock import SystemClock
from engine.commands.feeding import Feeding
from engine.commands.status import Status
from engine.commands.stopping import on_signal
from engine.commands.wiring import health_of, state_from
from engine.settings import Settings
from engine.writer import Writer
from feeds.feed import live as feeds_live
from observability import metrics
from storage.bus.kafka_publisher import KafkaPublisher
from storage.bus.kafka_source import KafkaSource
from storage.bus.topics import check_retention, make_topics
from storage.recipes import sinks


def feed(settings: Settings) -> None:
    """Publish the trades of the exchanges until a signal."""
    stop = threading.Event()
    make_topics(settings.bus)
    with closing(KafkaPublisher(settings.bus)) as publisher, ExitStack() as stack:
        feeding = Feeding(settings, None, publisher.publish, SystemClock())
        up = {name: lambda name=name: feeds_live(settings)[name] for name in settings.feeds.exchanges}
        stack.enter_context(health_of(settings, "feeds_port", metrics.FEEDS, {}, up))
        stack.enter_context(on_signal(feeding.stop))
        feeding.start(stop.set)
        while not stop.wait(1.0):
            pass  # A wait without end would not see signals on every platform.
        if feeding.error is not None:
            raise feeding.error


def engine(settings: Settings) -> str:
    """Score what lies in the log and what comes, until a signal; the summary."""
    clock, state, status, stop = SystemClock(), state_from(settings), Status(SystemClock()), threading.Event()
    make_topics(settings.bus)
    check_retention(settings.bus, state.rules.log_needed_ms)
    chosen = sinks(settings.engine.sinks, settings)
    waiting = settings.loop.batches_waiting_max
    with (
        Writer(chosen, settings.writer, clock, batches_waiting_max=waiting) as writer,
        closing(KafkaSource(settings.bus, clock=clock)) as source,
        health_of(settings, "engine_port", metrics.ENGINE, *loop.checks(settings, chosen, clock)),
        on_signal(stop.set),
    ):
        loop.start(source, writer, state)
        loop.run(source, writer, state, clock, settings.loop, stop, to_the_end=False, watch=status)
        writer.close()
    return status.summary()
