"""PostgreSQL as a destination: what it refuses, what it cannot hold, and connections cut at the worst moments."""

import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import polars as pl
import pyarrow as pa
import pytest
from adbc_driver_postgresql import dbapi
from msgspec.structs import replace

from engine import schema
from engine.errors import Misconfigured, Unavailable
from engine.settings import load
from storage import postgres as connections
from storage.recipes import sinks
from storage.sinks.timescale import Timescale
from tests.contracts.destinations import InPostgres, same_bits
from tests.services.relay import Relay
from tests.storage.sinks.made import findings, parked

LONG = "".join(chr(0x4E00 + 97 * at % 20_000) for at in range(2_000))
"""6 kB that do not compress."""


@pytest.fixture
def there(postgres: Callable[[], str]) -> InPostgres:
    """A database with our schema."""
    return InPostgres(postgres())


def recipe(dsn: str, **fields: object) -> Timescale:
    return replace(Timescale(dsn=dsn, dsn_file="", statement_timeout_ms=5_000, plaintext=False), **fields)


def test_the_settings_name_it(there: InPostgres) -> None:
    settings = load(sets=[f"sinks.timescale.dsn={there.dsn}"], environ={}).settings
    with sinks(("timescale",), settings)["timescale"].open() as sink:
        assert sink.cursors() == {}


@pytest.mark.parametrize(
    ("alter", "says"),
    [
        ("ALTER TABLE tickstream.scores ALTER z TYPE int8", r"column tickstream\.scores\.z: int64 is not double"),
        ("ALTER TABLE tickstream.scores ALTER n TYPE float8", r"column tickstream\.scores\.n: double is not int64"),
        ("ALTER TABLE tickstream.scores ALTER ts_event TYPE timestamp", r"ts_event: timestamp\[us\] is not .*UTC"),
        ("ALTER TABLE tickstream.anomaly_states ALTER q TYPE numeric USING 0", r"anomaly_states\.q: .* is not string"),
        (
            "ALTER TABLE tickstream.progress RENAME state TO old",
            r"progress\.state is missing; run `tickstream migrate`",
        ),
        ("DROP TABLE tickstream.rules", r"table tickstream\.rules is missing; run `tickstream migrate`"),
        ("DROP SCHEMA tickstream CASCADE", r"table tickstream\.scores is missing; run `tickstream migrate`"),
    ],
)
def test_a_table_of_another_shape_is_refused_by_column(there: InPostgres, alter: str, says: str) -> None:
    there.run("DROP VIEW tickstream.anomalies")
    there.run(alter)
    with pytest.raises(Misconfigured, match=says), there.recipe().open():
        pass


def test_every_column_that_differs_is_named_at_once(there: InPostgres) -> None:
    there.run("ALTER TABLE tickstream.scores ALTER z TYPE int8, ALTER mean TYPE int8")
    with pytest.raises(Misconfigured) as raised, there.recipe().open():
        pass
    assert [problem.split(":")[0].rpartition(".")[2] for problem in raised.value.problems] == ["mean", "z"]


@pytest.mark.parametrize(
    ("take", "give", "says"),
    [
        (
            "REVOKE INSERT ON tickstream.scores FROM writer",
            "GRANT INSERT ON tickstream.scores TO writer",
            "permission denied",
        ),
        (
            "ALTER ROLE writer SET default_transaction_read_only = on",
            "ALTER ROLE writer RESET default_transaction_read_only",
            "read-only transaction",
        ),
        (
            "REVOKE ALL ON SCHEMA tickstream FROM writer",
            "GRANT USAGE ON SCHEMA tickstream TO writer",
            "permission denied",
        ),
    ],
)
def test_what_the_server_refuses_for_now_waits_and_says_why(there: InPostgres, take: str, give: str, says: str) -> None:
    try:
        there.run("CREATE ROLE writer LOGIN")
        there.run("GRANT USAGE ON SCHEMA tickstream TO writer")
        there.run("GRANT ALL ON ALL TABLES IN SCHEMA tickstream TO writer")
        with recipe(_as("writer", there.dsn)).open() as sink:
            sink.write(findings({0: (0, 2)}))
            there.run(take)
            there.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'writer'")
            with pytest.raises(Unavailable, match=r"terminating connection|server closed"):
                sink.write(findings({0: (2, 4)}))
            with pytest.raises(Unavailable, match=says):
                sink.write(findings({0: (2, 4)}))
            there.run(give)
            sink.write(findings({0: (2, 4)}))
        assert same_bits(there.read("scores"), findings({0: (0, 4)}).scores)
    finally:
        there.run("DROP OWNED BY writer")
        there.run("DROP ROLE writer")


def test_what_no_second_try_mends_is_raised_as_it_is(there: InPostgres) -> None:
    made = findings({0: (0, 2)})
    there.run("CREATE INDEX ON tickstream.rejected (reason)")
    with there.recipe().open() as sink, pytest.raises(dbapi.Error, match="exceeds btree") as raised:
        sink.write(replace(made, parked=(replace(parked(0, 1), reason=LONG),)))
    assert raised.value.sqlstate == "54000"


def test_a_locked_table_is_waited_for_no_longer_than_the_timeout(there: InPostgres) -> None:
    with recipe(there.dsn, statement_timeout_ms=200).open() as sink:
        with connections.connect(there.dsn) as locker:
            connections.script(locker, "LOCK TABLE tickstream.scores")
            with pytest.raises(Unavailable, match="statement timeout"):
                sink.write(findings({0: (0, 2)}))
        sink.write(findings({0: (0, 2)}))
    assert same_bits(there.read("scores"), findings({0: (0, 2)}).scores)


@pytest.mark.parametrize("moment", ["in the middle of COPY", "before COMMIT", "before its answer"])
def test_a_connection_cut_at_the_worst_moment_neither_loses_nor_doubles(there: InPostgres, moment: str) -> None:
    cuts = Cuts(moment)
    relay = Relay(urlsplit(there.dsn).port or 0, cuts)
    with recipe(_at(relay.port, there.dsn)).open() as sink:
        sink.write(findings({0: (0, 2)}))
        cuts.armed = True
        with pytest.raises(Unavailable):
            sink.write(findings({0: (2, 300)}))
        assert not cuts.armed
        sink.write(findings({0: (2, 300)}))
        sink.write(findings({0: (300, 303)}))
    relay.close()
    assert same_bits(there.read("scores"), findings({0: (0, 303)}).scores)


class Cuts:
    """Cuts once, when armed."""

    def __init__(self, moment: str) -> None:
        self.armed = False
        self._moment = moment
        self._committing = False

    def __call__(self, sent: bytes, answered: bytes) -> bool:
        if not self.armed:
            return False
        self._committing |= b"COMMIT" in sent
        now = {
            "in the middle of COPY": len(sent) > 4_096,
            "before COMMIT": self._committing,
            "before its answer": self._committing and b"COMMIT" in answered,
        }[self._moment]
        self.armed = not now
        return now


def test_rows_that_postgresql_cannot_hold_are_set_aside_and_the_others_written(there: InPostgres) -> None:
    made = findings({0: (0, 7)})
    scores = made.scores.with_columns(
        symbol=pl.when(pl.col("offset") == 1)
        .then(pl.lit("a\0b"))
        .when(pl.col("offset") == 4)
        .then(pl.lit(LONG))
        .otherwise("symbol"),
        ts_event=_ancient("ts_event", pl.col("offset") == 2),
    )
    anomalies = made.anomalies.with_columns(ts_received=_ancient("ts_received", pl.col("at_offset") == 3))
    strange = replace(parked(0, 3), reason="column a\0b")
    with there.recipe().open() as sink:
        sink.write(replace(made, scores=scores, anomalies=anomalies, parked=(strange,)))
    assert same_bits(there.read("scores"), scores.filter(~pl.col("offset").is_in([1, 2, 4])))
    assert same_bits(there.read("anomalies"), anomalies.filter(pl.col("at_offset") != 3))
    kept = there.parked()
    assert [(offset, reason[:10]) for _, offset, reason, _ in kept] == [
        (1, "PostgreSQL"),  # The score,
        (1, "PostgreSQL"),  # and the anomaly that began there.
        (2, "PostgreSQL"),
        (3, "column a\ufffdb"),
        (4, "PostgreSQL"),
    ]
    assert same_bits(pa.ipc.open_stream(kept[2][3]).read_all(), scores.filter(pl.col("offset") == 2))


def _ancient(name: str, where: pl.Expr) -> pl.Expr:
    """The earliest time that Arrow can tell."""
    us = pl.when(where).then(-(2**63)).otherwise(pl.col(name).dt.timestamp("us"))
    return us.cast(pl.Datetime("us", "UTC")).alias(name)


def test_the_view_shows_the_newest_state_of_each_anomaly(there: InPostgres) -> None:
    made = findings({0: (0, 10)}).anomalies
    states = pl.concat([made.with_columns(pl.col("revision") + 100, state=pl.lit("closed")), made])
    identity = ["partition", "offset", "row", "exchange", "symbol", "detector"]
    with there.recipe().open() as sink:
        sink.write(replace(findings({0: (0, 10)}), anomalies=states))
    columns = ", ".join(f'"{name}"' for name in [*identity, "revision"])
    shown = schema.frame(there.ask(f"SELECT {columns} FROM tickstream.anomalies"))
    newest = states.group_by(identity).agg(pl.col("revision").max())
    assert shown.sort(identity).rows() == newest.sort(identity).rows()
    assert shown.height < states.height


def test_a_wrong_password_is_a_setting_to_mend_and_is_never_shown(there: InPostgres, tmp_path: Path) -> None:
    there.run("CREATE ROLE locked LOGIN PASSWORD 'right'")
    hba = Path(there.ask("SELECT current_setting('hba_file') AS file").to_pylist()[0]["file"])
    if not hba.is_file():
        pytest.skip("the server's pg_hba.conf is not here")
    before = hba.read_text("utf-8")
    hba.write_text(f"host all locked 127.0.0.1/32 scram-sha-256\n{before}", "utf-8")
    there.run("SELECT pg_reload_conf()")
    try:
        secret = tmp_path / "dsn"
        secret.write_text(f"{_as('locked:wr0ng', there.dsn)}\n", "utf-8")
        while _asks_no_password(there.dsn):  # The server reads its file a moment later.
            time.sleep(0.05)
        with pytest.raises(Misconfigured, match="password authentication failed") as raised:
            recipe("", dsn_file=str(secret)).open().__enter__()
        assert "wr0ng" not in str(raised.value)
        secret.write_text(_as("locked:right", there.dsn), "utf-8")
        with pytest.raises(Unavailable, match="permission denied"), recipe("", dsn_file=str(secret)).open():
            pass
    finally:
        hba.write_text(before, "utf-8")
        there.run("SELECT pg_reload_conf()")
        there.run("DROP ROLE locked")


def test_columns_are_those_of_the_schema(there: InPostgres) -> None:
    for table, columns in (("scores", schema.SCORE), ("anomaly_states", schema.ANOMALY)):
        assert there.ask(f"SELECT * FROM tickstream.{table}").column_names == columns.names


def _asks_no_password(dsn: str) -> bool:
    try:
        connections.connect(_as("locked", dsn)).close()
    except Misconfigured:
        return False
    return True


def _as(user: str, dsn: str) -> str:
    parts = urlsplit(dsn)
    return urlunsplit(parts._replace(netloc=f"{user}@{parts.netloc.rpartition('@')[2]}"))


def _at(port: int, dsn: str) -> str:
    parts = urlsplit(dsn)
    return urlunsplit(parts._replace(netloc=f"{parts.netloc.rpartition(':')[0]}:{port}"))
