"""The doors of the engine, as small Protocols: where ticks come from, where findings go, what time it is."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Protocol

from engine.batch import Cursor, Findings, TickBatch


class Source(Protocol):
    """The log, as the engine reads it."""

    def partitions(self) -> tuple[int, ...]:
        """The partitions that this engine owns."""
        ...

    def seek(self, offsets: Mapping[int, int]) -> None:
        """Go on from these offsets; a partition not named starts at its first message.

        Raises Unavailable when the log cannot be reached, Misconfigured when an offset is no longer in it.
        """
        ...

    def ends(self) -> Mapping[int, int]:
        """For each partition the offset that the next message will get: where reading back ends."""
        ...

    def drain(self, *, rows_max: int, wait_ms: int) -> TickBatch:
        """What lies ready, at most about `rows_max` rows; waits up to `wait_ms` for the first of them."""
        ...

    def lag_messages(self) -> Mapping[int, int]:
        """Messages in the log not yet drained, by partition, as last known."""
        ...


class Writing(Protocol):
    """An open sink."""

    def cursors(self) -> Mapping[int, Cursor]:
        """The cursor of every partition this sink has rows of, as the sink itself holds it."""
        ...

    def write(self, findings: Findings) -> None:
        """Write rows and cursors in one transaction; rows below the sink's own cursor are left out.

        Raises Unavailable when it could not be done and may be tried again, Superseded when another engine has
        moved the cursor.
        """
        ...

    def flush(self) -> None:
        """Make everything handed over so far durable."""
        ...


class Sink(Protocol):
    """A destination's recipe: frozen settings that open a connection."""

    def open(self) -> AbstractContextManager[Writing]:
        """Connect, check that rows will fit, and give the open sink."""
        ...


class Clock(Protocol):
    """Wall clock and monotonic clock; only the shell has one."""

    def now_us(self) -> int:
        """Microseconds since 1970, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...
