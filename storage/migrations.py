"""Applies sql/schema/ in the order of its numbers: each file once, in one transaction with the note that it was.

A file whose first line is MARKER cannot run inside a transaction: it holds one statement that may be run again.
"""

import hashlib
import logging
from collections.abc import Mapping
from contextlib import closing
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any, Final

from adbc_driver_postgresql import dbapi
from msgspec import Struct

from engine.errors import Misconfigured
from storage import postgres

MARKER: Final = "-- tickstream: no transaction"
SQL: Final = resources.files("sql")
SCHEMA: Final = SQL / "schema"
LOCK_TIMEOUT_MS: Final = 60_000
_LOCK: Final = 0x7469636B  # "tick": one number for all runners on a database.
log = logging.getLogger(__name__)


class Migration(Struct, frozen=True):
    """A numbered file of SQL."""

    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """Tells an altered file."""
        return hashlib.blake2b(self.sql.encode(), digest_size=16).hexdigest()

    @property
    def alone(self) -> bool:
        """Whether it must run outside a transaction."""
        return self.sql.startswith(MARKER)


def migrate(dsn: str, folder: Traversable = SCHEMA) -> tuple[str, ...]:
    """Bring the database up to date; the names of the files that were applied now, none where nothing was missing.

    Raises Unavailable where the server does not answer or another runner holds it for long, Misconfigured where an
    applied file has changed or the server refuses one.
    """
    with closing(postgres.connect(dsn, lock_timeout_ms=LOCK_TIMEOUT_MS)) as connection:
        try:
            postgres.rows(connection, "SELECT pg_advisory_lock($1)", _LOCK)
            postgres.script(connection, (SQL / "bookkeeping.sql").read_text("utf-8"))
            connection.commit()
            applied = _apply(connection, dsn, _missing(_applied(connection), folder))
            _tell(connection)
        except dbapi.Error as error:
            raise postgres.refused(error, "schema tickstream") from error
    return applied


def _applied(connection: Any) -> Mapping[str, str]:
    return dict(postgres.rows(connection, "SELECT name, checksum FROM tickstream.migrations"))


def _missing(applied: Mapping[str, str], folder: Traversable) -> list[Migration]:
    files = [file for file in folder.iterdir() if file.name.endswith(".sql")]
    known = [Migration(file.name, file.read_text("utf-8")) for file in sorted(files, key=lambda file: file.name)]
    changed = [one.name for one in known if applied.get(one.name, one.checksum) != one.checksum]
    if changed:
        raise Misconfigured(
            *(f"sql/schema/{name}: has changed since it was applied; restore it and add a new file" for name in changed)
        )
    return [one for one in known if one.name not in applied]


def _apply(connection: Any, dsn: str, missing: list[Migration]) -> tuple[str, ...]:
    for one in missing:
        try:
            if one.alone:
                _run_alone(dsn, one)
            else:
                postgres.script(connection, one.sql)
            note = "INSERT INTO tickstream.migrations (name, checksum) VALUES ($1, $2) RETURNING name"
            postgres.rows(connection, note, one.name, one.checksum)
            connection.commit()
        except dbapi.Error as error:
            raise postgres.refused(error, f"sql/schema/{one.name}") from error
        log.info("migration applied", extra={"migration": one.name})
    return tuple(one.name for one in missing)


def _run_alone(dsn: str, migration: Migration) -> None:
    with closing(postgres.connect(dsn, lock_timeout_ms=LOCK_TIMEOUT_MS)) as connection:
        connection.adbc_connection.set_autocommit(True)
        postgres.script(connection, migration.sql)


def _tell(connection: Any) -> None:
    found = postgres.rows(connection, "SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'")
    if not found:
        log.info("no timescaledb in this database: scores and anomalies are plain tables")
