"""Tick files as a log: read in order, or from an offset on."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Final

import polars as pl

from engine.errors import Misconfigured, Rejected
from storage import dataset
from storage.files import Span, span_of
from storage.log_order import checked, interleave, overlapping, whole_messages
from storage.tick_files import ticks_of

log = logging.getLogger(__name__)

SUFFIXES: Final = (".parquet", ".arrow", ".arrows", ".feather", ".ipc")


def read(paths: Sequence[Path]) -> Iterator[pl.DataFrame]:
    """The rows of files, and of folders of them, with the columns of LOG, in the order of the log.

    Files named after what they hold are put in order; others follow in the order given. A bad file that was named
    raises Misconfigured; one in a folder is logged and the rest is read.
    """
    files = list(found(paths))
    streams = [
        _stream(path, number, _set_aside if in_folder else _refuse) for number, (path, in_folder) in enumerate(files)
    ]
    spans = {at: span for at, (path, _) in enumerate(files) if (span := span_of(path))}
    ours, places = list(spans.values()), list(spans)
    merged = (interleave([streams[places[at]] for at in together]) for together in overlapping(ours))
    others = (stream for at, stream in enumerate(streams) if at not in spans)
    yield from _in_order(chain.from_iterable((*merged, *others)))


class Recording:
    """The ticks of a capture or of the embedded dataset, under `folder`/ticks."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def bounds(self) -> Mapping[int, tuple[int, int]]:
        """For each partition the offset of its first message and the one after its last."""
        bounds: dict[int, tuple[int, int]] = {}
        for span, _ in self._files():
            first, end = bounds.get(span.partition, (span.first, span.end))
            bounds[span.partition] = (min(first, span.first), max(end, span.end))
        for partition, cursor in dataset.read_cursors(self._folder).items():
            first, _ = bounds.get(partition, (cursor.next_offset, 0))
            bounds[partition] = (first, cursor.next_offset)
        return bounds

    def read(
        self, starts: Mapping[int, int], ends: Mapping[int, int] | None = None, *, rows_max: int
    ) -> Iterator[pl.DataFrame]:
        """The messages [start, end) of the partitions in `starts`, whole, about `rows_max` rows at a time.

        Raises Misconfigured where a file cannot be read: what it held is part of the log.
        """
        return whole_messages(self._within(starts, ends or {}), rows_max)

    def _within(self, starts: Mapping[int, int], ends: Mapping[int, int]) -> Iterator[pl.DataFrame]:
        wanted = [
            (span, path)
            for span, path in self._files()
            if span.partition in starts
            and span.end > starts[span.partition]
            and span.first < ends.get(span.partition, span.end)
        ]
        for together in overlapping([span for span, _ in wanted]):
            partition = wanted[together[0]][0].partition
            inside = pl.col("offset") >= starts[partition]
            if partition in ends:
                inside &= pl.col("offset") < ends[partition]
            for rows in _in_order(interleave([_stream(wanted[at][1], 0, _refuse) for at in together])):
                yield rows.filter(inside)

    def _files(self) -> list[tuple[Span, Path]]:
        return [(span, path) for path in _committed(self._folder) if (span := span_of(path))]


def found(paths: Sequence[Path]) -> Iterator[tuple[Path, bool]]:
    """The tick files that are meant, each once, with whether it was found in a folder."""
    seen: set[Path] = set()
    for given in paths:
        in_folder = given.is_dir()
        for path in _committed(given) if in_folder else [given]:
            if path.resolve() not in seen:
                seen.add(path.resolve())
                yield path, in_folder


def _committed(folder: Path) -> list[Path]:
    """The tick files of a dataset as far as it is committed; of any other folder all that look like tick files."""
    if (folder / "progress").is_dir():
        return dataset.dataset_files(folder, "ticks")
    ticks = folder / "ticks"
    within = ticks if ticks.is_dir() else folder
    return sorted(path for path in within.rglob("*") if path.suffix in SUFFIXES and path.is_file())


def _stream(path: Path, number: int, bad: Callable[[Path, str], None]) -> Iterator[pl.DataFrame]:
    try:
        yield from ticks_of(path, number)
    except Rejected as error:
        bad(path, str(error))
    except OSError as error:
        bad(path, error.strerror or str(error))


def _in_order(frames: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    try:
        yield from checked(frames)
    except Rejected as error:
        raise Misconfigured(f"tick files: {error}; give each file once, in the order of the log") from error


def _refuse(path: Path, reason: str) -> None:
    raise Misconfigured(f"{path}: cannot be read as ticks ({reason}); restore the file or leave it out")


def _set_aside(path: Path, reason: str) -> None:
    log.warning("tick file set aside", extra={"path": str(path), "reason": reason})
