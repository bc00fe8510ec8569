"""DuckDB answers for a recording: every score and anomaly computed again, by sql/oracle/ alone (DESIGN 8).

Nothing is shared with the engine but the names of columns and the text of each detector's expression, which lies in
its rules document. Here the statements are only set going; what they compute stands in them. DuckDB keeps to its
memory limit and spills into a folder of its own.
"""

import hashlib
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import resources
from typing import Annotated, Any, Final, Literal, TypeAlias

import duckdb
import msgspec
from msgspec import Meta, Struct

from engine.errors import Misconfigured, Unavailable
from storage.expressions import Expression, expression
from storage.scans import Rows, readable, said, shown

Milliseconds: TypeAlias = Annotated[int, Meta(ge=0, le=10**13)]
Decimals: TypeAlias = Annotated[int, Meta(ge=0, le=15)]
Where: TypeAlias = Literal["everywhere", "as_stored"]

_TICK_COLUMNS: Final = {"exchange", "symbol", "price"}


class Document(Struct, frozen=True):
    """What a replay reads in a rules document (decisions 1 and 4)."""

    name: str
    sql: str
    window_ms: Annotated[int, Meta(ge=1, le=10**13)]
    baseline: Literal["prior", "inclusive"]
    count_min: int
    move_bps_min: float
    quiet_ms: Milliseconds
    episode_ms_max: Milliseconds
    cooldown_ms: Milliseconds
    horizon_ms: Milliseconds
    future_ms: Milliseconds
    late_ms: Milliseconds
    price_decimals: Decimals
    price_decimals_of: dict[str, Decimals]
    size_decimals: Decimals = 8
    size_decimals_of: dict[str, Decimals] = {}
    warm_up_ms: Milliseconds = 0
    keep: Literal["all", "flagged"] = "all"


@contextmanager
def opened() -> Iterator["Oracle"]:
    """An oracle that knows nothing yet. Raises Unavailable where disk or memory do not suffice."""
    with tempfile.TemporaryDirectory(prefix="tickstream-oracle-") as spill:
        connection = duckdb.connect(config={"temp_directory": spill})
        try:
            yield Oracle(connection)
        except (duckdb.IOException, duckdb.OutOfMemoryException) as error:
            raise Unavailable("duckdb", said(error)) from error
        finally:
            connection.close()


class Oracle:
    """A log, rules, and what should have been found: the views `scores` and `anomalies` of the connection."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection
        self._expressions: dict[str, Expression] = {}
        self.run("00_arithmetic")
        self.run("00_tables")

    def take_ticks(self, ticks: Rows, next_offsets: Mapping[int, int] | None = None) -> None:
        """Read the log; of each partition the messages below `next_offsets`, where that is given.

        Raises Misconfigured where files cannot be read, hold no ticks, or tell one place in the log twice.
        """
        for name in shown(self.connection, ticks):
            with readable(name):
                _expect_ticks(name, set(self.connection.table("rows").columns))
                self.run("01_ticks")
        for partition, next_offset in (next_offsets or {}).items():
            self.connection.table("cursors").insert([partition, next_offset])
        self.run("02_log", is_cut=next_offsets is not None)
        log = self.connection.table("log")
        if not log.limit(1).fetchall():
            raise Misconfigured("ticks: there are none to replay; give the files of a capture with --ticks")
        twice = log.filter("is_repeated").select("partition", "offset", "row").limit(1).fetchall()
        for place in twice:
            raise Misconfigured(f"ticks: partition, offset and row {place} are told twice: files overlap")

    def take_rules(self, documents: Mapping[str, str]) -> None:
        """Read rules documents by the digest they are known by. Raises Misconfigured."""
        orderings: list[list[Any]] = []
        for rule, (known_as, text) in enumerate(documents.items()):
            document = _decoded(known_as, text)
            ordering = _ordering(document)
            if ordering not in orderings:
                self.connection.table("orderings").insert([len(orderings), *ordering])
                orderings.append(ordering)
            digest = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
            own = [rule, known_as, digest, orderings.index(ordering), *_settings(document)]
            self.connection.table("rules").insert(own)
            self._expressions[known_as] = expression(document.sql, document.window_ms, of=f"rules {known_as}")

    def judge(self) -> None:
        """Find which rows of the log are accepted, and where their keys start anew."""
        self.run("03_judged")
        self.run("04_judge")
        while self.connection.table("judged").filter("moved").limit(1).fetchall():
            self.run("04_judge")
        self.run("05_accepted")

    def recompute(self, in_force: Where = "everywhere") -> None:
        """Answer, each rule for the whole log or for where the table `stored_scores` names it. Raises Misconfigured."""
        self.judge()
        self.run("05_series")
        self.run(f"06_in_force_{in_force}")
        for rule, (known_as, scoring) in enumerate(self._expressions.items()):
            with computable(known_as, scoring.sql):
                self._score(rule, scoring)
        for statement in ("08_flags", "09_episodes", "10_states", "11_findings"):
            self.run(statement)

    def _score(self, rule: int, scoring: Expression) -> None:
        """Score by one rule; what it names of a series over a span is measured into a table of its own."""
        columns, joins = [f'own."{name}"' for name in scoring.of_row], []
        if scoring.of_row:
            joins.append("JOIN own USING (ordering, seq)")
        for number, ((series, span_ms), measures) in enumerate(scoring.windows().items()):
            table = f"measured_{number}"
            statistics = ", ".join(f'"{name}"' for name in sorted({each.statistic for each in measures}))
            told = {"number": number, "series": series, "span_ms": span_ms, "rule": rule}
            self.run("07_measure", {name: str(each) for name, each in told.items()} | {"statistics": statistics})
            columns += [f'{table}."{each.statistic}" AS "{each.name}"' for each in measures]
            joins.append(f"JOIN {table} USING (seq)")
        fill = {"columns": "".join(f", {each}" for each in columns), "joins": " ".join(joins)}
        self.run("07_score", fill | {"expression": scoring.sql}, rule=rule)

    def seal(self) -> None:
        """Keep what comes from here on, the expressions of rules too, away from files."""
        self.connection.execute("SET enable_external_access = false; SET lock_configuration = true")

    def run(self, statement: str, fill: Mapping[str, str] | None = None, **values: object) -> list[tuple[Any, ...]]:
        """Run a file of sql/oracle/ with `{name}` filled in and `$name` bound; the rows of its answer."""
        text = resources.files("sql").joinpath("oracle", f"{statement}.sql").read_text("utf-8")
        for name, part in (fill or {}).items():
            text = text.replace(f"{{{name}}}", part)
        return self.connection.execute(text, values or None).fetchall()


@contextmanager
def computable(known_as: str, sql: str) -> Iterator[None]:
    """Say that a rule's expression cannot be computed, and why, as Misconfigured."""
    try:
        yield
    except (duckdb.ProgrammingError, duckdb.DataError, duckdb.NotSupportedError, duckdb.PermissionException) as error:
        raise Misconfigured(f"rules {known_as}: {sql!r} cannot be computed: {said(error)}") from error


def _expect_ticks(name: str, columns: set[str]) -> None:
    absent = sorted(_TICK_COLUMNS - columns)
    if not columns & {"ts", "ts_event"}:
        absent.append("ts_event")
    if absent:
        raise Misconfigured(f"{name}: holds no ticks: there is no column {', '.join(absent)}")


def _decoded(known_as: str, text: str) -> Document:
    try:
        return msgspec.json.decode(text, type=Document)
    except msgspec.DecodeError as error:
        raise Misconfigured(f"rules {known_as}: {error}") from error


def _ordering(document: Document) -> list[Any]:
    spans = (document.horizon_ms, document.future_ms, document.late_ms)
    decimals = (document.price_decimals, document.price_decimals_of, document.size_decimals, document.size_decimals_of)
    return [*(span * 1_000 for span in spans), *decimals]


def _settings(document: Document) -> list[Any]:
    spans = (document.quiet_ms, document.episode_ms_max, document.cooldown_ms, document.warm_up_ms)
    inclusive = document.baseline == "inclusive"
    own = [document.name, document.window_ms * 1_000, inclusive, document.count_min, document.move_bps_min]
    return [*own, *(span * 1_000 for span in spans), document.keep == "flagged"]
