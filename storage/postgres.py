"""Connections to PostgreSQL through ADBC: what is refused, what an error means, and no password in any message."""

import re
from typing import Any, Final
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

import adbc_driver_manager
from adbc_driver_postgresql import dbapi

from engine.errors import Misconfigured, Unavailable
from engine.settings import read_secret

CONNECT_SECONDS: Final = 10
_LOOPBACK: Final = re.compile(r"localhost|127(\.\d+){3}|\[?::1\]?|/.*")
_HOST: Final = re.compile(r"(?P<host>\[[^]]+\]|[^:]+)(:(?P<port>\d*))?")
_ENCRYPTED: Final = frozenset({"require", "verify-ca", "verify-full"})
# What libpq says where asking again will not help; everything else is waited for.
_HOPELESS: Final = re.compile(
    r"authentication failed|no password supplied|does not exist|no pg_hba\.conf entry|permission denied"
    r"|not permitted|certificate|does not support SSL|invalid .*(URI|value|option)"
)
_QUOTED: Final = re.compile(r'"[^"]*"')  # Names, of hosts and databases too, which may read like an error.
# SQLSTATE by its beginning: connection, read-only, rollback, resources, state of an object, operator, system.
_PASSING: Final = ("08", "25006", "40", "53", "55", "57", "58")
_SAID: Final = re.compile(r"(?:ERROR|FATAL|PANIC):\s+(.*)")


def address(dsn: str, dsn_file: str, *, plaintext: bool, path: str) -> str:
    """The URI to connect to, from the settings at `path`. Raises Misconfigured."""
    uri = read_secret(dsn_file, f"{path}.dsn_file") if dsn_file else dsn
    setting = f"{path}.dsn_file" if dsn_file else f"{path}.dsn"
    try:
        parts = urlsplit(uri)
        hosts = _hosts(parts)
    except ValueError as error:
        raise Misconfigured(f"{setting}: must be like postgresql://user@host:5432/database; {error}") from None
    far = [host for host in hosts if not _LOOPBACK.fullmatch(host)]
    if far and not plaintext and parse_qs(parts.query).get("sslmode", [""])[-1] not in _ENCRYPTED:
        raise Misconfigured(
            f"{setting}: {far[0]} is not this machine and the connection is not encrypted; "
            f"add ?sslmode=verify-full, or set {path}.plaintext = true"
        )
    return uri


def connect(dsn: str, *, statement_timeout_ms: int = 0, lock_timeout_ms: int = 0) -> Any:
    """A connection, autocommit off. Raises Unavailable where nobody answers, Misconfigured where nobody ever will."""
    try:
        # The built-in types are all we use; not asking for the others connects several times faster.
        opened = dbapi.connect(_patient(dsn), db_kwargs={"adbc.postgresql.type_resolver_mode": "builtin"})
        try:
            _limit(opened, statement_timeout=statement_timeout_ms, lock_timeout=lock_timeout_ms)
        except BaseException:
            opened.close()
            raise
    except dbapi.Error as error:
        reason = _masked(said(error), dsn)
        if _HOPELESS.search(_QUOTED.sub("", reason)):
            raise Misconfigured(f"postgresql: {shown(dsn)}: {reason}") from None
        raise Unavailable("postgresql", f"{shown(dsn)}: {reason}") from None
    return opened


def shown(dsn: str) -> str:
    """The address without user, password and options."""
    parts = urlsplit(dsn)
    return f"{parts.netloc.rpartition('@')[2]}{parts.path}"


def said(error: Exception) -> str:
    """The server's own sentence, or the driver's where the server said nothing."""
    text = str(error)
    found = _SAID.search(text)
    if found:
        return found[1].strip()
    return re.sub(r"^[A-Z_]+: (\[libpq\] )?", "", text).split("\n")[0].strip()


def refused(error: dbapi.Error, what: str) -> Misconfigured | Unavailable:
    """What an error means to whom it stops: a server to wait for, or something to mend."""
    if may_pass(error):
        return Unavailable("postgresql", f"{what}: {said(error)}")
    return Misconfigured(f"postgresql: {what}: {said(error)}")


def may_pass(error: dbapi.Error) -> bool:
    """Whether the server may do later what it refused now: it is gone, full, busy, read-only or asked to wait."""
    return error.sqlstate is None or error.sqlstate.startswith(_PASSING)


def rows(connection: Any, sql: str, *values: object) -> list[tuple[Any, ...]]:
    """Run one statement with values bound; what it returns."""
    with connection.cursor() as cursor:
        cursor.execute(sql, values or None)
        found: list[tuple[Any, ...]] = cursor.fetchall()
        return found


def script(connection: Any, sql: str) -> None:
    """Run several statements sent as one text, inside the open transaction."""
    statement = adbc_driver_manager.AdbcStatement(connection.adbc_connection)
    try:
        statement.set_sql_query(sql)
        statement.execute_update()
    finally:
        statement.close()


def _hosts(parts: SplitResult) -> list[str]:
    """Every host that libpq may connect to. Raises ValueError where it would read the URI otherwise than we do."""
    if parts.scheme not in {"postgresql", "postgres"}:
        raise ValueError("the scheme is missing")
    user, _, named = parts.netloc.rpartition("@")
    if "@" in user:
        raise ValueError("an @ in a password is written %40")
    given = parse_qs(parts.query)
    hosts = [host for key in ("host", "hostaddr") for value in given.get(key, []) for host in value.split(",")]
    for text in named.split(",") if named else ():
        found = _HOST.fullmatch(unquote(text))
        if found is None:
            raise ValueError("host or port is not readable")
        hosts.append(found["host"])
    if not hosts:
        raise ValueError("the host is missing")
    return hosts


def _limit(connection: Any, **limits_ms: int) -> None:
    for name, limit_ms in limits_ms.items():
        rows(connection, "SELECT set_config($1, $2, false)", name, str(limit_ms))
    connection.commit()


def _patient(dsn: str) -> str:
    """With an end to the wait for a host that does not answer."""
    query = urlsplit(dsn).query
    if "connect_timeout=" in query:
        return dsn
    return f"{dsn.rstrip('?')}{'&' if query else '?'}connect_timeout={CONNECT_SECONDS}"


def _masked(text: str, dsn: str) -> str:
    """Without the password, should libpq repeat a piece of the URI."""
    parts = urlsplit(dsn)
    secrets = {parts.password, *parse_qs(parts.query).get("password", [])}
    for secret in filter(None, secrets):
        text = text.replace(secret, "***").replace(unquote(secret), "***")
    return text
