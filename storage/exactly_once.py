"""What transactional sinks do alike, so that no row is lost and none doubled (DESIGN 7).

A session is one connection. One that failed is closed; the next write opens another, which reads the sink's cursors
again: whether the commit whose answer was lost took place is then known, and the same findings may come again.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np
import polars as pl
from msgspec.structs import replace

from engine.batch import Cursor, Findings
from engine.errors import Superseded


class Session(Protocol):
    """One connection to a destination."""

    def cursors(self) -> Mapping[int, Cursor]:
        """The cursors as the destination holds them."""
        ...

    def commit(self, findings: Findings, own: Mapping[int, Cursor]) -> None:
        """Write all of it and move the cursors from `own` to those of the findings, or do nothing.

        Raises Unavailable or Superseded; the session is not used again after an error.
        """
        ...

    def close(self) -> None:
        """Let go of the connection, whatever state it is in."""
        ...


class ExactlyOnce:
    """An open sink over sessions."""

    def __init__(self, connect: Callable[[], Session]) -> None:
        self._connect = connect
        self._tried: Mapping[int, Cursor] = {}
        session, found = _connected(connect)
        self._session: Session | None = session
        self._own = dict(found)

    def cursors(self) -> Mapping[int, Cursor]:
        """As the destination holds them."""
        return dict(self._own)

    def write(self, findings: Findings) -> None:
        """One transaction, of what the destination does not have yet."""
        session = self._session or self._reconnected()
        news = unwritten(findings, self._own)
        if not news.cursors:
            return
        self._tried = news.cursors
        try:
            session.commit(news, self._own)
        except BaseException:
            self.close()
            raise
        self._own |= news.cursors

    def flush(self) -> None:
        """Nothing waits: each write is durable when it returns."""

    def close(self) -> None:
        """End the session; a later write opens another."""
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def _reconnected(self) -> Session:
        session, found = _connected(self._connect)
        try:
            self._check_still_ours(found)
        except Superseded:
            session.close()
            raise
        self._session, self._own = session, dict(found)
        return session

    def _check_still_ours(self, found: Mapping[int, Cursor]) -> None:
        """The cursors must stand where the last write left them, or where it meant to."""
        for partition in found.keys() | self._own.keys():
            now = _next(found, partition)
            if now != _next(self._own, partition) and now != _next(self._tried, partition, otherwise=-1):
                raise Superseded(f"another engine has moved the cursor of partition {partition}")


def _connected(connect: Callable[[], Session]) -> tuple[Session, Mapping[int, Cursor]]:
    session = connect()
    try:
        return session, session.cursors()
    except BaseException:
        session.close()
        raise


def unwritten(findings: Findings, own: Mapping[int, Cursor]) -> Findings:
    """What a sink with these cursors does not have yet."""
    return replace(
        findings,
        ticks=_above(findings.ticks, "offset", own),
        scores=_above(findings.scores, "offset", own),
        anomalies=_above(findings.anomalies, "at_offset", own),
        parked=tuple(one for one in findings.parked if one.offset >= _next(own, one.partition)),
        cursors={
            partition: cursor
            for partition, cursor in findings.cursors.items()
            if partition not in own or cursor.next_offset > own[partition].next_offset
        },
    )


def _above(rows: pl.DataFrame, offset: str, own: Mapping[int, Cursor]) -> pl.DataFrame:
    if rows.is_empty() or not own:
        return rows
    partition = rows["partition"].to_numpy()
    edges = np.zeros(max(int(partition.max()), *own) + 1, np.int64)
    for each, cursor in own.items():
        edges[each] = cursor.next_offset
    kept = rows[offset].to_numpy() >= edges[partition]
    return rows if kept.all() else rows.filter(kept)


def _next(cursors: Mapping[int, Cursor], partition: int, *, otherwise: int = 0) -> int:
    return cursors[partition].next_offset if partition in cursors else otherwise
