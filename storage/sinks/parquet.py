"""The embedded dataset: findings wait for a moment, then become Parquet files and the cursors that commit them."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import polars as pl
import pyarrow as pa
from msgspec import Struct

from engine import settings
from engine.batch import Cursor, Findings
from engine.errors import Unavailable
from engine.ports import Sink, Writing
from engine.settings import Count, Milliseconds
from storage import dataset
from storage.exactly_once import unwritten
from storage.files import NO_DAY, Span, by_date, put
from storage.rejected import REJECTED, rows_of


class Parquet(Struct, frozen=True, forbid_unknown_fields=True):
    """Files under `data.dir`, closed at `rows_max` scores or `flush_ms` after the first of them."""

    data: settings.Data
    rows_max: Count
    flush_ms: Milliseconds
    compression: Literal["zstd", "snappy", "lz4", "gzip", "none"]

    @contextmanager
    def open(self) -> Iterator[Writing]:
        """Take the folder. Raises Misconfigured where another engine has it, OSError where the disk refuses."""
        folder = Path(self.data.dir)
        with dataset.owned(folder):
            yield Dataset(folder, rows_max=self.rows_max, flush_ms=self.flush_ms, compression=self.compression)


class Dataset:
    """The open dataset. `monotonic` tells seconds."""

    def __init__(
        self,
        folder: Path,
        *,
        rows_max: int,
        flush_ms: int,
        compression: str,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._rows_max = rows_max
        self._flush_seconds = flush_ms / 1_000
        self._compression = compression
        self._monotonic = monotonic
        self._own = dataset.read_cursors(folder)
        self._ahead: dict[int, Cursor] = {}
        self._waiting: list[Findings] = []
        self._since = 0.0

    def cursors(self) -> Mapping[int, Cursor]:
        """As committed."""
        return dict(self._own)

    def write(self, findings: Findings) -> None:
        """Take what is new, and flush when it is time. After Unavailable the same findings try the flush again."""
        news = unwritten(findings, self._own | self._ahead)
        if news.cursors:
            self._since = self._since if self._waiting else self._monotonic()
            self._waiting.append(news)
            self._ahead |= news.cursors
        if self._is_due():
            self.flush()

    def flush(self) -> None:
        """Put the files in place, then the cursors that commit them. Trying again writes the same files."""
        if not self._waiting:
            return
        try:
            self._put()
        except OSError as error:
            raise Unavailable("parquet", f"{error.filename or self._folder}: {error.strerror or error}") from error
        self._own |= self._ahead
        self._ahead.clear()
        self._waiting.clear()

    def _put(self) -> None:
        for path, rows in self._files():
            put(rows, path, compression=self._compression)
        for findings in self._waiting:
            dataset.put_rules(self._folder, findings.rules)
        for partition, cursor in self._ahead.items():
            dataset.put_cursor(self._folder, partition, cursor)

    def _is_due(self) -> bool:
        if not self._waiting:
            return False
        rows = sum(max(findings.scores.height, findings.ticks.height) for findings in self._waiting)
        return rows >= self._rows_max or self._monotonic() - self._since >= self._flush_seconds

    def _files(self) -> Iterator[tuple[Path, pa.Table]]:
        """The files of all tables. An anomaly lies under the date of its onset, in the span of its `at_offset`."""
        spans = self._spans()
        waiting = self._waiting
        parts = (
            ("ticks", "ts_event", [findings.ticks for findings in waiting]),
            ("scores", "ts_event", [findings.scores for findings in waiting]),
            ("anomalies", "ts_onset", [findings.anomalies for findings in waiting]),
        )
        for table, time_column, frames in parts:
            for path, rows in by_date(pl.concat(frames), self._folder / table, spans, time=time_column):
                yield path, rows.cast(dataset.TABLES[table])
        rejected = rows_of([one for findings in waiting for one in findings.parked])
        for (partition,), rows in rejected.partition_by("partition", as_dict=True).items():
            yield self._folder / "rejected" / spans[partition].file_name(), rows.to_arrow().cast(REJECTED)
        told = {*rejected["partition"], *(number for each in waiting for number in each.ticks["partition"].unique())}
        for partition in spans.keys() - told:  # Messages without rows: a file says that they were there.
            yield self._folder / "ticks" / NO_DAY / spans[partition].file_name(), dataset.TABLES["ticks"].empty_table()

    def _spans(self) -> dict[int, Span]:
        """The messages that these files cover: from the committed cursor on; at the very first, from offset 0."""
        return {
            partition: Span(
                partition, self._own[partition].next_offset if partition in self._own else 0, end.next_offset
            )
            for partition, end in self._ahead.items()
        }


part: type[Sink] = Parquet
