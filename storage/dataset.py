"""The embedded dataset: a folder of Parquet files, of which those count that the progress of their partition covers.

    ticks/ scores/ anomalies/   date=YYYY-MM-DD/p<partition>-<first>-<end>.parquet
    rejected/                   the same without a date
    rules/<digest>.json         the settings that rows were made by, to the byte
    progress/p<partition>.json  the cursor (`state` in Base64); putting it in place commits the files up to its offset

A reader that takes the cursors first and lists the files then meets only whole files, while an engine writes.
"""

import fcntl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec
import pyarrow as pa

from engine import schema
from engine.batch import Cursor
from engine.errors import Misconfigured
from storage.files import Span, holes, put_bytes, span_of
from storage.rejected import REJECTED

TICKS: Final = pa.schema([field.with_nullable(True) for field in schema.LOG])
"""Ticks as they lay in the log, also those that the engine set aside because a value was missing."""

TABLES: Final = {"ticks": TICKS, "scores": schema.SCORE, "anomalies": schema.ANOMALY, "rejected": REJECTED}


def dataset_files(folder: Path, table: str, cursors: Mapping[int, Cursor] | None = None) -> list[Path]:
    """The files of a table that are committed, or were by these cursors; by partition and offset."""
    cursors = read_cursors(folder) if cursors is None else cursors
    ends = {partition: cursor.next_offset for partition, cursor in cursors.items()}
    return [path for span, path in _files(folder, table) if span.end <= ends.get(span.partition, 0)]


def not_there(folder: Path, cursors: Mapping[int, Cursor]) -> list[Span]:
    """Messages that the cursors say were taken and that are in no file."""
    kept = [span for table in ("ticks", "rejected") for span, _ in _files(folder, table)]
    return holes(kept, (Span(partition, 0, cursor.next_offset) for partition, cursor in cursors.items()))


def beyond_cursors(folder: Path) -> list[tuple[Span, Path]]:
    """Files that no flush can have written after the cursors: one that has begun since starts where they end."""
    kept = [each for table in TABLES for each in _files(folder, table)]
    nexts = {partition: cursor.next_offset for partition, cursor in read_cursors(folder).items()}
    return [(span, path) for span, path in kept if span.first > nexts.get(span.partition, 0)]


def read_cursors(folder: Path) -> dict[int, Cursor]:
    """How far each partition is committed. Raises Misconfigured for a file that is none of ours."""
    return {int(path.stem[1:]): _read_cursor(path) for path in sorted((folder / "progress").glob("p*.json"))}


def put_cursor(folder: Path, partition: int, cursor: Cursor) -> None:
    """Commit what lies below the cursor."""
    put_bytes(msgspec.json.encode(cursor), folder / "progress" / f"p{partition:05d}.json")


def read_rules(folder: Path) -> dict[str, str]:
    """The settings that rows were made by, by digest."""
    return {path.stem: path.read_bytes().decode("utf-8") for path in sorted((folder / "rules").glob("*.json"))}


def put_rules(folder: Path, rules: Mapping[str, str]) -> None:
    """Keep settings that are not there yet."""
    for digest, settings in rules.items():
        path = folder / "rules" / f"{digest}.json"
        if not path.exists():
            put_bytes(settings.encode("utf-8"), path)


@contextmanager
def owned(folder: Path) -> Iterator[None]:
    """Keep every other engine out, and begin with nothing but what is committed.

    Raises Misconfigured where there can be no folder, another engine is at work or the files were written by no
    engine, OSError where the disk refuses.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, FileNotFoundError, NotADirectoryError) as error:
        raise Misconfigured(f"data.dir: {error.filename}: {error.strerror}; choose another folder") from error
    if not (folder / ".lock").exists() and _is_foreign(folder):
        raise Misconfigured(f"data.dir: {folder} holds tick files that no engine wrote; choose a folder of its own")
    with (folder / ".lock").open("wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Misconfigured(f"data.dir: {folder} is in use by another engine; stop it or choose another") from None
        _drop_leftovers(folder)
        yield


def _files(folder: Path, table: str) -> list[tuple[Span, Path]]:
    spans = ((span_of(path), path) for path in (folder / table).rglob("*.parquet"))
    return sorted((span, path) for span, path in spans if span is not None)


def _read_cursor(path: Path) -> Cursor:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Cursor)
    except msgspec.DecodeError as error:
        raise Misconfigured(
            f"{path}: is not a cursor of ours ({error}); restore it or choose another data.dir"
        ) from error


def _is_foreign(folder: Path) -> bool:
    return not (folder / "progress").exists() and any(_files(folder, table) for table in TABLES)


def _drop_leftovers(folder: Path) -> None:
    """Delete what an engine that was killed had not committed: the files of one flush, which begin at the cursor.

    Raises Misconfigured where files lie further on: then it is the cursor that is missing or was set back.
    """
    beyond = beyond_cursors(folder)
    if beyond:
        span, path = beyond[0]
        cursor = folder / "progress" / f"p{span.partition:05d}.json"
        raise Misconfigured(f"{path}: lies beyond what {cursor} covers; restore that file, or choose another data.dir")
    nexts = {partition: cursor.next_offset for partition, cursor in read_cursors(folder).items()}
    for table in TABLES:
        for span, path in _files(folder, table):
            if span.end > nexts.get(span.partition, 0):
                path.unlink()
    for name in (*TABLES, "progress", "rules"):
        for path in (folder / name).rglob("*.tmp"):
            path.unlink()
