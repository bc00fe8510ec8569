"""The proof: which rows to hold against which log, and how the outcome is told."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import pyarrow as pa
from msgspec.structs import replace

from engine import schema
from engine.commands.database import dsn_of
from engine.errors import Misconfigured
from engine.settings import Bus, Settings
from storage import progress, recording, stored
from storage.bus.reading import read_topic
from storage.files import Span, holes, span_of
from storage.replay import Report
from storage.replay import replay as prove
from storage.stored import Stored


def replay(
    settings: Settings,
    ticks: Sequence[Path],
    *,
    data: Path | None,
    scores: Sequence[Path],
    dsn: str | None,
    topic: bool,
) -> Report:
    """Recompute and compare. Raises Misconfigured where there is nothing to compare, or more than one thing."""
    if [data is not None, bool(scores), dsn is not None, topic].count(True) != 1:
        raise Misconfigured("replay: give one of --data DIR, --scores FILE, --dsn DSN and --topic")
    if data is not None:
        own, kept = stored.in_dataset(data)
        return _held_against(_files(ticks), kept) if ticks else prove(own, kept)
    if not ticks:
        raise Misconfigured("replay: --ticks is missing; name the tick files, or the folder that `capture` wrote")
    log = _files(ticks)
    if scores:
        return prove(log, stored.in_files(scores))
    if topic:
        return _held_against(log, _in_topics(settings.bus))
    with stored.in_database(dsn_of(settings, dsn)) as kept:
        return _held_against(log, kept)


def _held_against(log: Sequence[Path], kept: Stored) -> Report:
    """Where the names of the files tell which messages they hold, those that should be there are."""
    spans = [span for span in map(span_of, log) if span is not None]
    if len(spans) == len(log):
        firsts = {span.partition: span.first for span in sorted(spans, reverse=True)}
        taken = (Span(at, firsts.get(at, 0), end) for at, end in (kept.next_offsets or {}).items())
        kept = replace(kept, lost=holes(spans, taken))
    return prove(log, kept)


def _files(paths: Sequence[Path]) -> list[Path]:
    files = [path for path, _ in recording.found(paths)]
    if not files:
        raise Misconfigured(f"replay: no tick files in {', '.join(map(str, paths))}")
    return files


def _in_topics(bus: Bus) -> Stored:
    """The topics of scores and anomalies as far as they are committed."""
    cursors, rules = progress.read(bus)
    next_offsets = {at: cursor.next_offset for at, cursor in cursors.items()}
    scores, anomalies = (
        _reader(bus, name, kind) for name, kind in (("scores", schema.SCORE), ("anomalies", schema.ANOMALY))
    )
    return Stored(scores, anomalies, rules, next_offsets)


def _reader(bus: Bus, name: str, kind: pa.Schema) -> pa.RecordBatchReader:
    return pa.RecordBatchReader.from_batches(kind, (rows.cast(kind) for _, _, rows in read_topic(bus, name)))


def as_json(report: Report) -> str:
    """One JSON object, its keys those of DESIGN 8."""
    return msgspec.json.encode(report).decode()


def as_text(report: Report) -> str:
    """A line for the totals and one for each row named."""
    differing = report.missing + report.extra + report.integers_differ + report.floats_differ
    total = (
        f"{report.rows:,} scores and {report.anomalies:,} anomaly states compared: {differing} differences "
        f"({report.missing} missing, {report.extra} extra, {report.integers_differ} integers, "
        f"{report.floats_differ} floats)"
    )
    return "\n".join([total, *_lines(report)])


def _lines(report: Report) -> Iterator[str]:
    for each in report.first:
        place = f"{each.table}: partition {each.partition} offset {each.offset}"
        if each.row is None:
            yield f"  {place}: {each.difference}"
            continue
        place += f" row {each.row}"
        name = f"{each.exchange} {each.symbol} {each.detector}" + (
            "" if each.revision is None else f" revision {each.revision}"
        )
        told = "; ".join(f"{column.column} is {column.stored}, should be {column.wanted}" for column in each.columns)
        yield f"  {place} ({name}): {each.difference}{': ' if told else ''}{told}"
    if not report.rows:
        yield "  there was nothing to compare"
