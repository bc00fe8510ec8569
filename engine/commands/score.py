"""The engine's own step over tick files, in log order."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from engine import schema
from engine.batch import TickBatch
from engine.clock import SystemClock
from engine.commands.wiring import state_from
from engine.errors import Misconfigured
from engine.settings import Settings
from engine.step import step
from storage import recording
from storage.files import placed

SCORED = pa.schema([*schema.SCORE, pa.field("seq", pa.int64(), nullable=False)])
"""A row of `score`'s output: SCORE, and the row's place over all files."""


class Done(msgspec.Struct, frozen=True):
    """Rows read, and how long it took with reading and writing."""

    rows: int
    seconds: float
    ticks_per_second: float


def score(settings: Settings, files: Sequence[Path], out: Path, batch_rows: int) -> Done:
    """Score files as one log into `out`, the anomalies into a file beside it. Raises Misconfigured for a bad file."""
    if not files:
        raise Misconfigured("score: name at least one tick file")
    _check_target(files, out)
    began = time.monotonic()
    state, rows = state_from(settings), 0
    notes = {"rules": msgspec.json.encode(dict(state.rules.documents)).decode()}
    anomalies_out = out.with_name(f"{out.stem}.anomalies.parquet")
    with _table(out, SCORED, notes) as scores, _table(anomalies_out, schema.ANOMALY, notes) as anomalies:
        for ticks in _batches(recording.read(files), batch_rows):
            batch = TickBatch(ticks, dict.fromkeys(ticks["partition"].unique(), 0))
            state, findings = step(state, batch, SystemClock().now_us())
            seq = ticks.select("partition", "offset", "row", seq=pl.int_range(rows, rows + len(ticks)))
            with_seq = findings.scores.join(seq, on=["partition", "offset", "row"], how="left", maintain_order="left")
            scores.write_table(with_seq.to_arrow().cast(SCORED))
            anomalies.write_table(findings.anomalies.to_arrow().cast(schema.ANOMALY))
            rows += len(ticks)
    seconds = time.monotonic() - began
    return Done(rows, round(seconds, 6), round(rows / seconds, 1))


def _check_target(files: Sequence[Path], out: Path) -> None:
    """Nothing but a regular file of its own is replaced."""
    if out.is_dir() or not out.name or (out.exists() and not out.is_file()):
        raise Misconfigured(f"--out {out}: is not a file; name one, such as scores.parquet")
    if any(out.resolve() == file.resolve() for file in files):
        raise Misconfigured(f"--out {out}: is one of the tick files; name another")
    if out.parent.exists() and not out.parent.is_dir():
        raise Misconfigured(f"--out {out}: {out.parent} is no folder")


def _batches(frames: Iterator[pl.DataFrame], rows: int) -> Iterator[pl.DataFrame]:
    """The same rows, `rows` at a time but for the last."""
    held = schema.empty(schema.LOG)
    for frame in frames:
        held = pl.concat([held, frame])
        whole = len(held) - len(held) % rows
        for at in range(0, whole, rows):
            yield held[at : at + rows]
        held = held[whole:]
    if len(held):
        yield held


@contextmanager
def _table(path: Path, columns: pa.Schema, notes: Mapping[str, str]) -> Iterator[pq.ParquetWriter]:
    """A Parquet file that is there once it is whole."""
    with placed(path) as file, pq.ParquetWriter(file, columns.with_metadata(dict(notes)), compression="zstd") as writer:
        yield writer
