"""Numbered files of SQL: each once, whole, in order, by one runner at a time."""

import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from adbc_driver_postgresql import dbapi

from engine.errors import Misconfigured, Unavailable
from storage.migrations import MARKER, SCHEMA, migrate

FILES = ("0001_tables.sql", "0002_hypertables.sql")
DESCRIBED = """
SELECT count(*) FROM pg_class AS kind
LEFT JOIN pg_attribute AS attribute ON attrelid = kind.oid AND attnum > 0 AND NOT attisdropped
WHERE relnamespace = 'tickstream'::regnamespace AND relkind = 'r'
  AND (obj_description(kind.oid) IS NULL OR col_description(kind.oid, attnum) IS NULL)
"""
MIGRATE = """
import sys
from pathlib import Path
from storage.migrations import migrate
migrate(sys.argv[1], Path(sys.argv[2]))
"""


@contextmanager
def connected(dsn: str) -> Iterator[Any]:
    with dbapi.connect(dsn) as connection, connection.cursor() as cursor:
        yield cursor
        connection.commit()


def ask(dsn: str, sql: str) -> list[tuple[Any, ...]]:
    with connected(dsn) as cursor:
        cursor.execute(sql)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


def applied(dsn: str) -> list[str]:
    return [name for (name,) in ask(dsn, "SELECT name FROM tickstream.migrations ORDER BY applied_at")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two files of our own, to be added to and altered."""
    (tmp_path / "0001_one.sql").write_text(
        "CREATE TABLE tickstream.one (n int4); INSERT INTO tickstream.one VALUES (1);"
    )
    (tmp_path / "0002_two.sql").write_text("CREATE TABLE tickstream.two (n int4);")
    return tmp_path


def test_every_file_is_applied_once_and_in_order(postgres: Callable[[], str]) -> None:
    dsn = postgres()
    assert sorted(file.name for file in SCHEMA.iterdir()) == list(FILES)
    assert migrate(dsn) == FILES
    assert migrate(dsn) == ()
    assert applied(dsn) == list(FILES)


def test_every_table_and_column_is_described(postgres: Callable[[], str]) -> None:
    dsn = postgres()
    migrate(dsn)
    assert ask(dsn, DESCRIBED) == [(0,)]


def test_a_server_without_timescaledb_gets_plain_tables_and_one_line_says_so(
    postgres: Callable[[], str], caplog: pytest.LogCaptureFixture
) -> None:
    dsn = postgres()
    with caplog.at_level(logging.INFO, "storage.migrations"):
        migrate(dsn)
    there = ask(dsn, "SELECT count(*) FROM pg_extension WHERE extname = 'timescaledb'") == [(1,)]
    assert sum("plain tables" in line for line in caplog.messages) == (0 if there else 1)
    if there:
        [(hypertables,)] = ask(dsn, "SELECT count(*) FROM timescaledb_information.hypertables")
        assert hypertables == 2


def test_a_new_file_is_applied_to_a_database_that_has_the_others(postgres: Callable[[], str], folder: Path) -> None:
    dsn = postgres()
    migrate(dsn, folder)
    (folder / "0003_three.sql").write_text("CREATE TABLE tickstream.three (n int4);")
    assert migrate(dsn, folder) == ("0003_three.sql",)


def test_a_file_that_changed_after_it_was_applied_is_refused_by_name(postgres: Callable[[], str], folder: Path) -> None:
    dsn = postgres()
    migrate(dsn, folder)
    (folder / "0002_two.sql").write_text("CREATE TABLE tickstream.two (n int8);")
    (folder / "0003_three.sql").write_text("CREATE TABLE tickstream.three (n int4);")
    with pytest.raises(Misconfigured, match=r"0002_two\.sql: has changed since it was applied"):
        migrate(dsn, folder)
    assert applied(dsn) == ["0001_one.sql", "0002_two.sql"]


def test_a_file_that_fails_leaves_nothing_and_the_earlier_ones_stay(postgres: Callable[[], str], folder: Path) -> None:
    dsn = postgres()
    (folder / "0002_two.sql").write_text("CREATE TABLE tickstream.two (n int4); CREATE TABLE tickstream.one (n int4);")
    with pytest.raises(Misconfigured, match=r'0002_two\.sql: relation "one" already exists'):
        migrate(dsn, folder)
    assert applied(dsn) == ["0001_one.sql"]
    assert ask(dsn, "SELECT to_regclass('tickstream.two') IS NULL") == [(True,)]


def test_a_runner_killed_half_way_leaves_a_database_that_the_next_one_completes(
    postgres: Callable[[], str], folder: Path
) -> None:
    dsn = postgres()
    (folder / "0002_two.sql").write_text(
        "CREATE TABLE tickstream.two (n int4); SELECT pg_advisory_xact_lock(77); INSERT INTO tickstream.two VALUES (2);"
    )
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 77 AND NOT granted"
    with connected(dsn) as cursor:
        cursor.execute("SELECT pg_advisory_lock(77)")  # Holds the runner inside its second file.
        cursor.fetchall()
        with subprocess.Popen([sys.executable, "-c", MIGRATE, dsn, str(folder)]) as runner:
            while ask(dsn, waiting) != [(1,)]:
                assert runner.poll() is None
            runner.kill()
        assert applied(dsn) == ["0001_one.sql"]
    assert migrate(dsn, folder) == ("0002_two.sql",)
    assert ask(dsn, "SELECT n FROM tickstream.two UNION ALL SELECT n FROM tickstream.one") == [(2,), (1,)]


def test_two_runners_at_once_apply_each_file_once(postgres: Callable[[], str], folder: Path) -> None:
    dsn = postgres()
    command = [sys.executable, "-c", MIGRATE, dsn, str(folder)]
    runners = [subprocess.Popen(command) for _ in range(3)]
    assert [runner.wait() for runner in runners] == [0, 0, 0]
    assert ask(dsn, "SELECT n FROM tickstream.one") == [(1,)]


def test_a_marked_file_runs_outside_a_transaction(postgres: Callable[[], str], folder: Path) -> None:
    dsn = postgres()
    alone = "CREATE INDEX CONCURRENTLY IF NOT EXISTS one_n ON tickstream.one (n)"
    (folder / "0003_alone.sql").write_text(alone)
    with pytest.raises(Misconfigured, match=r"0003_alone\.sql: CREATE INDEX CONCURRENTLY cannot run inside"):
        migrate(dsn, folder)
    (folder / "0003_alone.sql").write_text(f"{MARKER}\n{alone}")
    assert migrate(dsn, folder) == ("0003_alone.sql",)
    assert ask(dsn, "SELECT to_regclass('tickstream.one_n') IS NULL") == [(False,)]


def test_a_server_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(Unavailable, match=r"127.0.0.1:1/nowhere: .*refused"):
        migrate("postgresql://someone:secret@127.0.0.1:1/nowhere")


def test_a_database_that_is_not_there_is_a_setting_to_mend(postgres: Callable[[], str]) -> None:
    with pytest.raises(Misconfigured, match="does not exist"):
        migrate(f"{postgres()}_not")
