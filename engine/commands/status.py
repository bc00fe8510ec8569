"""The status line of a running engine, an anomaly as a line, and the summary at the end."""

import sys
from typing import TextIO

from engine.batch import Findings
from engine.ports import Clock
from observability import metrics
from observability.logs import printable

_CLEAR = "\r\x1b[K"


class Status:
    """Sees each batch's findings and writes to a terminal, or line by line to a file."""

    def __init__(self, clock: Clock, stream: TextIO = sys.stderr) -> None:
        self._clock, self._stream = clock, stream
        self._began = self._told = clock.monotonic()
        self._ticks = self._ticks_told = 0
        self._flagged = self._opened = 0

    def __call__(self, findings: Findings | None) -> None:
        """Take a turn's findings in; write a line for each anomaly that opens, and the status once a second."""
        if findings is not None:
            self._take(findings)
        now = self._clock.monotonic()
        if now - self._told >= 1.0:
            rate = (self._ticks - self._ticks_told) / (now - self._told)
            self._told, self._ticks_told = now, self._ticks
            self._write(self._line(rate), passing=True)

    def _take(self, findings: Findings) -> None:
        self._ticks += findings.counts["scored"]
        self._flagged += int(findings.scores["flagged"].sum())
        for row in findings.anomalies.filter(state="open").iter_rows(named=True):
            self._opened += 1
            self._write(_anomaly(row) + "\n")

    def _line(self, rate: float) -> str:
        keys, lag = (_gauge(name) for name in ("tickstream_engine_keys", "tickstream_loop_lag_seconds"))
        return (
            f"{rate:,.0f} ticks/s · {keys:.0f} keys · lag {lag:.2f} s · {self._opened} anomalies · "
            f"received → scored p99 {_milliseconds('scored', 0.99)}, committed {_milliseconds('committed', 0.99)}"
        )

    def summary(self) -> str:
        """What was done since the start."""
        seconds = self._clock.monotonic() - self._began
        return (
            f"{self._ticks:,} ticks scored in {seconds:.1f} s, {self._flagged:,} flagged, {self._opened:,} anomalies; "
            f"received → scored p50 {_milliseconds('scored', 0.5)}, p99 {_milliseconds('scored', 0.99)}; "
            f"received → committed p50 {_milliseconds('committed', 0.5)}, p99 {_milliseconds('committed', 0.99)}"
        )

    def _write(self, text: str, *, passing: bool = False) -> None:
        """A passing line is written over by the next one on a terminal."""
        terminal = self._stream.isatty()
        line_end = "\n" if passing and not terminal else ""
        self._stream.write(f"{_CLEAR if terminal else ''}{text}{line_end}")
        self._stream.flush()


def _anomaly(row: dict[str, object]) -> str:
    arrow = "▲" if row["direction"] == "up" else "▼"
    symbol, exchange = (printable(str(row[name])) for name in ("symbol", "exchange"))
    return (
        f"{arrow} {row['severity']:8} {symbol} on {exchange}: {row['price']:g} is "
        f"{row['move_bps']:+.1f} bp from the mean, z {row['z']:+.2f} ({row['detector']})"
    )


def _gauge(name: str) -> float:
    return metrics.ENGINE.get_sample_value(name) or 0.0


def _milliseconds(stage: str, share: float) -> str:
    seconds = metrics.latency.quantile(f"received_to_{stage}", share)
    return "–" if seconds is None else f"{seconds * 1e3:.0f} ms"
