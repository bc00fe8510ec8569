"""What one feed counts, on its row of labels; every row starts at 0."""

import logging
from collections.abc import Sequence
from typing import get_args

import pyarrow as pa

from engine.errors import MalformedFrame
from feeds import fields, losses
from feeds.exchanges import Kind, Reading, Tick
from feeds.frames import Frame
from feeds.rarely import Rarely
from observability import metrics

log = logging.getLogger(__name__)

_SAMPLE = 200


class Facts:
    """The metrics of one exchange, and a sample of what was set aside."""

    def __init__(self, exchange: str) -> None:
        self._exchange = exchange
        self._rarely = Rarely()
        self._frames = metrics.frames_received.labels(exchange)
        self._bytes = metrics.frame_bytes.labels(exchange)
        self._control = {kind: metrics.frames_control.labels(exchange, kind) for kind in get_args(Kind)}
        self._malformed = {reason: metrics.frames_malformed.labels(exchange, reason) for reason in fields.REASONS}
        self._ticks = metrics.ticks_received.labels(exchange)
        self._missing = metrics.ticks_missing.labels(exchange)
        self._repeated = metrics.ticks_repeated.labels(exchange)
        self._unseen = metrics.ticks_unseen.labels(exchange)
        self._lag = metrics.receipt_lag_seconds.labels(exchange)
        self._last = metrics.last_tick_timestamp.labels(exchange)
        self._batches = metrics.batches_published.labels(exchange)
        self._publish = metrics.publish_seconds.labels(exchange)
        metrics.connections_live.labels(exchange).set(0)
        metrics.frames_dropped.labels(exchange)
        for reason in losses.REASONS:
            metrics.reconnects.labels(exchange, reason)

    def read(self, frame: Frame, reading: Reading) -> None:
        """A frame, and what it says."""
        self._frames.inc()
        self._bytes.inc(len(frame.payload))
        if not reading.ticks and not reading.malformed:
            self._control[reading.kind].inc()
        if reading.kind == "error" and self._rarely.again("error"):
            log.warning("exchange error", extra={"exchange": self._exchange, "detail": repr(reading.detail)[:_SAMPLE]})
        for error in reading.malformed:
            self._set_aside(error, frame)

    def _set_aside(self, error: MalformedFrame, frame: Frame) -> None:
        self._malformed[error.reason].inc()
        if self._rarely.again(error.reason):
            about = {"exchange": self._exchange, "reason": error.reason, "detail": str(error)[:_SAMPLE]}
            log.warning("frame set aside", extra=about | {"sample": repr(frame.payload[:_SAMPLE])})

    def took(self, reading: Reading, fresh: Sequence[Tick], unseen: int) -> None:
        """The ticks of a frame, those of them not seen before, and how many others must be on their way."""
        self._ticks.inc(len(fresh))
        self._repeated.inc(len(reading.ticks) - len(fresh))
        self._missing.inc(sum(tick.missing for tick in fresh))
        self._unseen.set(unseen)
        if fresh and reading.kind == "trades":
            newest = fresh[-1]
            self._last.set(newest.ts_received / 1e6)
            self._lag.observe(max(0.0, (newest.ts_received - newest.ts_event) / 1e6))

    def published(self, batch: pa.RecordBatch, now_us: int) -> None:
        """A batch that is on the bus."""
        self._batches.inc()
        self._publish.observe(max(0.0, (now_us - batch.column("ts_received")[0].value) / 1e6))
