"""A PostgreSQL server of the test run's own, from the binaries of the distribution."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from adbc_driver_postgresql import dbapi

from tests.services.process import Process, free_port, group_of

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "50",
    "shared_buffers": "64MB",
    "timezone": "Asia/Kathmandu",  # Nothing may rest on the server's zone.
}
NUMBERS = count()


class Postgres:
    """A server on the loopback that trusts everybody there."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="tickstream-postgres-"))
        self.port = free_port()
        self.dsn = f"postgresql://tickstream@127.0.0.1:{self.port}/postgres"
        user = _user()
        if user is not None:
            shutil.chown(self._folder, user, user)
        _make_cluster(self._folder / "data", user)
        options = [f"--{name}={value}" for name, value in OPTIONS.items()]
        command = [str(BINARIES[-1] / "postgres"), "-D", str(self._folder / "data"), f"--port={self.port}", *options]
        self._process = Process(command, self._folder / "log", user)

    def start(self) -> None:
        self._process.start(self._is_ready)

    def _is_ready(self) -> bool:
        command = [str(BINARIES[-1] / "pg_isready"), "--quiet", "--host=127.0.0.1", f"--port={self.port}"]
        return subprocess.run(command, check=False).returncode == 0

    def kill(self) -> None:
        """Crash it; `start` lets it recover."""
        self._process.kill()

    def close(self) -> None:
        self._process.stop(signal.SIGINT)
        shutil.rmtree(self._folder, ignore_errors=True)


class Databases:
    """Fresh databases on a server, dropped at the end."""

    def __init__(self, server_dsn: str) -> None:
        self._server_dsn = server_dsn
        self._made: list[str] = []

    def fresh(self) -> str:
        """The DSN of a new, empty database."""
        name = f"tickstream_test_{os.getpid()}_{next(NUMBERS)}"
        self._run(f"CREATE DATABASE {name}")
        self._made.append(name)
        return urlunsplit(urlsplit(self._server_dsn)._replace(path=f"/{name}"))

    def drop(self) -> None:
        for name in self._made:
            self._run(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def _run(self, statement: str) -> None:
        with dbapi.connect(self._server_dsn, autocommit=True) as connection, connection.cursor() as cursor:
            cursor.execute(statement)


def missing() -> str | None:
    """Why no server can be started here."""
    if not BINARIES:
        return "PostgreSQL is not installed (Debian: postgresql-15)"
    return None


def _user() -> str | None:
    """Whom the server runs as: it refuses to run as root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _make_cluster(data: Path, user: str | None) -> None:
    command = [str(BINARIES[-1] / "initdb"), "--no-sync", "--auth=trust", "--username=tickstream", "--encoding=UTF8"]
    as_user = ["setpriv", f"--reuid={user}", f"--regid={group_of(user)}", "--clear-groups", "--"] if user else []
    done = subprocess.run([*as_user, *command, "--locale=C.UTF-8", str(data)], capture_output=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"initdb failed: {done.stderr.decode('utf-8', 'replace')}")
