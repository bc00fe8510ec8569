"""A topic into tick files."""

import threading
from contextlib import closing
from pathlib import Path

import msgspec

from engine import settings
from engine.clock import SystemClock
from engine.commands.stopping import on_signal
from engine.errors import Misconfigured
from storage import capture as storage_capture
from storage.bus.kafka_source import KafkaSource
from storage.recipes import sinks

_WAIT_MS = 200


def capture(settings: settings.Settings, out: Path, *, to_end: bool) -> int:
    """Write the tick topic into `out` until a signal, or `to_end`; the rows taken.

    Raises Misconfigured where an engine keeps its dataset there: its cursors are of another log.
    """
    if (out / "scores").exists():
        raise Misconfigured(f"{out}: holds an engine's dataset; name another folder with --out")
    stop = threading.Event()
    into = msgspec.structs.replace(settings, data=msgspec.structs.replace(settings.data, dir=str(out)))
    files = sinks(("parquet",), into)["parquet"]
    with (
        files.open() as writing,
        closing(KafkaSource(settings.bus, clock=SystemClock())) as source,
        on_signal(stop.set),
    ):
        return storage_capture.capture(
            source,
            writing,
            rows_max=settings.loop.rows_max,
            wait_ms=_WAIT_MS,
            is_stopped=stop.is_set,
            to_end=to_end,
        )
