"""A log of ticks into the files of a dataset that holds nothing else: what `tickstream capture` does."""

from collections.abc import Callable, Mapping

from engine import schema
from engine.batch import Cursor, Findings, TickBatch
from engine.ports import Source, Writing


def capture(
    source: Source,
    files: Writing,
    *,
    rows_max: int,
    wait_ms: int,
    is_stopped: Callable[[], bool],
    to_end: bool = False,
) -> int:
    """Go on from where the files end, until stopped or, `to_end`, to the end that the log has now; gives rows taken.

    `files` is an open parquet sink: what it committed before is not taken again, what cannot be read lies in its
    table `rejected`. Raises Unavailable, and Misconfigured where the log no longer holds what comes next.
    """
    reached = {partition: cursor.next_offset for partition, cursor in files.cursors().items()}
    source.seek(reached)
    ends = source.ends()
    rows = 0
    while not (is_stopped() or (to_end and _has_reached(reached, ends))):
        batch = source.drain(rows_max=rows_max, wait_ms=wait_ms)
        files.write(unscored(batch))
        reached |= batch.next_offsets
        rows += batch.ticks.height
    files.flush()
    return rows


def unscored(batch: TickBatch) -> Findings:
    """A batch as findings of its ticks alone."""
    return Findings(
        ticks=batch.ticks,
        scores=schema.empty(schema.SCORE),
        anomalies=schema.empty(schema.ANOMALY),
        cursors={partition: Cursor(at) for partition, at in batch.next_offsets.items()},
        rules={},
        counts={},
        parked=batch.parked,
    )


def _has_reached(reached: Mapping[int, int], ends: Mapping[int, int]) -> bool:
    return all(reached.get(partition, 0) >= end for partition, end in ends.items())
