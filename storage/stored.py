"""What was stored, as the replay takes it: from a dataset, from score files, from PostgreSQL, from a topic."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pyarrow.parquet as pq
from adbc_driver_postgresql import dbapi
from msgspec import Struct

from engine.errors import Misconfigured
from storage import postgres
from storage.dataset import beyond_cursors, dataset_files, not_there, read_cursors, read_rules
from storage.files import Span
from storage.scans import Rows, readable


class Stored(Struct, frozen=True):
    """Scores and anomalies with the rules, by digest, that made them; a topic's are handed in as Arrow streams.

    Without `anomalies` those are not looked at. `next_offsets` tells how far each partition was taken; without it, all
    of the log was. `lost` are messages that were taken and are in no file, `uncovered` those of files that no cursor
    covers.
    """

    scores: Rows
    anomalies: Rows | None
    rules: Mapping[str, str]
    next_offsets: Mapping[int, int] | None = None
    lost: Sequence[Span] = ()
    uncovered: Sequence[Span] = ()


def in_dataset(folder: Path) -> tuple[Sequence[Path], Stored]:
    """The tick files of an embedded dataset and what was stored beside them; an engine may be writing on."""
    cursors = read_cursors(folder)
    ticks, scores, anomalies = (dataset_files(folder, table, cursors) for table in ("ticks", "scores", "anomalies"))
    if not cursors:
        raise Misconfigured(f"{folder}: holds no dataset: there is no progress/; name the folder given to --data")
    next_offsets = {partition: cursor.next_offset for partition, cursor in cursors.items()}
    lost, uncovered = not_there(folder, cursors), sorted({span for span, _ in beyond_cursors(folder)})
    try:
        return ticks, Stored(scores, anomalies, read_rules(folder), next_offsets, lost, uncovered)
    except UnicodeDecodeError as error:
        raise Misconfigured(f"{folder / 'rules'}: is not UTF-8 text: {error.reason}") from error


def in_files(scores: Sequence[Path]) -> Stored:
    """Score files, which carry their rules; anomalies only where each has them beside it."""
    rules: dict[str, str] = {}
    for path in scores:
        rules |= _rules_inside(path)
    anomalies = [anomalies_beside(path) for path in scores]
    return Stored(scores, anomalies if all(path.exists() for path in anomalies) else None, rules)


def anomalies_beside(scores: Path) -> Path:
    """Where the anomalies of a score file lie: `x.parquet` has `x.anomalies.parquet`."""
    return scores.with_suffix(".anomalies.parquet")


@contextmanager
def in_database(dsn: str) -> Iterator[Stored]:
    """The schema `tickstream` as one moment shows it. Raises Misconfigured or Unavailable."""
    connection = postgres.connect(dsn)
    try:
        postgres.script(connection, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        rules = dict(postgres.rows(connection, "SELECT digest, settings FROM tickstream.rules"))
        next_offsets = dict(postgres.rows(connection, 'SELECT "partition", next_offset FROM tickstream.progress'))
        with connection.cursor() as anomalies, connection.cursor() as scores:
            anomalies.execute("SELECT * FROM tickstream.anomaly_states")
            states = anomalies.fetch_arrow_table().to_reader()  # A connection has one stream at a time.
            scores.execute("SELECT * FROM tickstream.scores")
            yield Stored(scores.fetch_record_batch(), states, rules, next_offsets)
    except dbapi.Error as error:
        raise postgres.refused(error, postgres.shown(dsn)) from error
    finally:
        connection.close()


def _rules_inside(path: Path) -> dict[str, str]:
    with readable(str(path)):
        notes = pq.read_schema(path).metadata or {}
    try:
        return msgspec.json.decode(notes.get(b"rules", b"{}"), type=dict[str, str])
    except msgspec.DecodeError as error:
        raise Misconfigured(f"{path}: its rules cannot be read: {error}") from error
