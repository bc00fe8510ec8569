"""Every `drain_ms`: drain the log, take a step, hand over. The promise of DESIGN 7 begins with `start`."""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial

from engine import schema
from engine.batch import Cursor, Findings, TickBatch
from engine.errors import Unavailable
from engine.ports import Clock, Source
from engine.settings import Loop, Settings
from engine.step import State, step
from engine.writer import Writer
from observability import metrics

log = logging.getLogger(__name__)

NOTHING = TickBatch(schema.empty(schema.LOG), {})
LIVE_S = 5.0
"""A loop that has not turned for so long is not live."""

Checks = Mapping[str, Callable[[], bool]]


def start(source: Source, writer: Writer, state: State) -> None:
    """Take every partition up where the sink that is furthest behind left it."""
    cursors = writer.cursors()
    seek = {}
    for partition in source.partitions():
        cursor = _furthest_behind(partition, cursors)
        offset = state.resume(partition, cursor) if cursor is not None else None
        if offset is not None:
            seek[partition] = offset
        if cursor is not None:
            log.info(
                "partition resumed",
                extra={"partition": partition, "next": cursor.next_offset, "read_from": offset},
            )
    source.seek(seek)


def _furthest_behind(partition: int, cursors: Mapping[str, Mapping[int, Cursor]]) -> Cursor | None:
    """The oldest cursor of the sinks; None where one of them has nothing yet."""
    of_sinks = [each.get(partition) for each in cursors.values()]
    known = [cursor for cursor in of_sinks if cursor is not None]
    return min(known, key=lambda cursor: cursor.next_offset) if known and len(known) == len(of_sinks) else None


def run(
    source: Source,
    writer: Writer,
    state: State,
    clock: Clock,
    settings: Loop,
    stop: threading.Event,
    *,
    to_the_end: bool,
    watch: Callable[[Findings | None], None] = lambda _: None,
) -> None:
    """Turn until `stop` is set, then once more; with `to_the_end` until nothing lies ready in the log.

    `watch` sees the findings of each turn, None where there were none. Raises what has ended the writer: Superseded
    where another engine has taken over a sink's cursor, Unavailable where at the end the sinks take nothing.
    """
    imprecise: set[str] = set()
    due = clock.monotonic()
    while True:
        stopping = stop.is_set()
        _beat(clock)
        writer.check()
        with _timed(clock, "drain"):
            batch = _drain(source, settings.rows_max)
        if batch.next_offsets:
            with _timed(clock, "step"):
                state, findings = step(state, batch, clock.now_us())
            with _timed(clock, "submit"):
                writer.submit(findings, stop, waiting=partial(_beat, clock))
            _tell(state, source, findings, clock)
            imprecise = _name_imprecise(state, imprecise)
            watch(findings)
        else:
            metrics.loop_backlog_seconds.set(0)
            watch(None)
        if stopping and not (to_the_end and batch.next_offsets):
            return
        if len(batch.ticks) < settings.rows_max and not stopping:
            due = max(due + settings.drain_ms / 1000, clock.monotonic())
            stop.wait(due - clock.monotonic())


def _beat(clock: Clock) -> None:
    metrics.loop_turned.set(clock.now_us() / 1e6)


def _drain(source: Source, rows_max: int) -> TickBatch:
    """What lies ready; nothing where the log is out of reach: the next turn asks again."""
    try:
        batch = source.drain(rows_max=rows_max, wait_ms=0)
    except Unavailable as error:
        if _gauge("tickstream_source_up"):
            log.warning("log unavailable", extra={"reason": str(error)})
        metrics.source_up.set(0)
        return NOTHING
    metrics.source_up.set(1)
    return batch


def checks(settings: Settings, sinks: Iterable[str], clock: Clock) -> tuple[Checks, Checks]:
    """What makes an engine live and what makes it ready, for the health endpoints."""
    turned, backlog = "tickstream_loop_turned_timestamp_seconds", "tickstream_loop_backlog_seconds"
    live = {"loop": lambda: clock.now_us() / 1e6 - _gauge(turned) < LIVE_S}
    ready: dict[str, Callable[[], bool]] = {
        "source": lambda: _gauge("tickstream_source_up") == 1,
        "lag": lambda: _gauge(backlog) < settings.metrics.lag_seconds_max,
        **{f"sink {name}": partial(_is_up, name) for name in sinks},
    }
    return live, live | ready


def _is_up(sink: str) -> bool:
    return _gauge("tickstream_sink_up", sink=sink) == 1


def _gauge(name: str, **labels: str) -> float:
    return metrics.ENGINE.get_sample_value(name, labels) or 0.0


@contextmanager
def _timed(clock: Clock, stage: str) -> Iterator[None]:
    began = clock.monotonic()
    yield
    metrics.loop_stage_seconds.labels(stage).observe(clock.monotonic() - began)


def _tell(state: State, source: Source, findings: Findings, clock: Clock) -> None:
    """Count what the step found, once per batch."""
    for name, count in findings.counts.items():
        metrics.engine_ticks.labels(name).inc(count)
    if findings.scores["flagged"].any():
        for (detector,), rows in findings.scores.filter("flagged").group_by("detector"):
            metrics.flags.labels(detector).inc(len(rows))
    for (detector, state_), rows in findings.anomalies.group_by("detector", "state"):
        metrics.anomalies.labels(detector, state_).inc(len(rows))
    metrics.messages_rejected.inc(len(findings.parked))
    metrics.keys_live.set(len(state.order.keys))
    metrics.window_ticks.set(state.windows.ticks_held)
    for partition, messages in source.lag_messages().items():
        metrics.lag_messages.labels(str(partition)).set(messages)
    appended, drained = (findings.ticks[name].to_physical() for name in ("ts_appended", "ts_drained"))
    waited = (drained - appended).max()
    if isinstance(waited, int):
        metrics.loop_backlog_seconds.set(waited / 1e6)
    newest = findings.scores["ts_event"].to_physical().max()
    if isinstance(newest, int):
        metrics.loop_lag_seconds.set(clock.now_us() / 1e6 - newest / 1e6)


def _name_imprecise(state: State, named: set[str]) -> set[str]:
    """Name each symbol once whose prices have more decimals than its windows keep."""
    for symbol in sorted(state.order.imprecise - named):
        log.warning(
            "prices have more decimals than windows keep", extra={"symbol": symbol, "set": "windows.price_decimals_of"}
        )
    return named | state.order.imprecise
