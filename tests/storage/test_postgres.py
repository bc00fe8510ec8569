"""Where a DSN may lead, and what is never told of it."""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from engine.errors import Misconfigured, Unavailable
from storage.postgres import address, connect, shown
from storage.stored import in_database
from tests.contracts.destinations import InPostgres
from tests.services.relay import Relay


def settled(dsn: str, *, plaintext: bool = False) -> str:
    return address(dsn, "", plaintext=plaintext, path="sinks.timescale")


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://127.0.0.1:5432/tickstream",
        "postgres://user:p%40ss@localhost/db",
        "postgresql://[::1]:5432/db",
        "postgresql:///db?host=/run/postgresql",
        "postgresql://%2Frun%2Fpostgresql/db",
        "postgresql://user@db.example:5432/db?sslmode=verify-full",
        "postgresql://127.0.0.2,localhost:5433/db",
    ],
)
def test_this_machine_and_encrypted_connections_are_let_through_unchanged(dsn: str) -> None:
    assert settled(dsn) == dsn


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://user:secret@db.example/db",
        "postgresql://user:secret@db.example/db?sslmode=prefer",
        "postgresql://127.0.0.1,db.example/db",
        "postgresql://127.0.0.1/db?host=db.example",
        "postgresql://127.0.0.1/db?hostaddr=203.0.113.9",
        "postgresql://127.0.0.1.example/db",
    ],
)
def test_another_machine_without_encryption_is_refused_unless_allowed(dsn: str) -> None:
    with pytest.raises(Misconfigured, match=r"sinks\.timescale\.dsn: .* not encrypted.*plaintext = true") as raised:
        settled(dsn)
    assert "secret" not in str(raised.value)
    assert settled(dsn, plaintext=True) == dsn


@pytest.mark.parametrize(
    "dsn",
    [
        "",
        "127.0.0.1",
        "host=127.0.0.1 password=secret",
        "mysql://127.0.0.1/db",
        "postgresql:///db",
        "postgresql://user:sec@ret@127.0.0.1/db",
        "postgresql://user:secret@127.0.0.1:port/db",
        "postgresql://user:secret@[::1/db",
    ],
)
def test_what_is_no_uri_is_refused_without_showing_it(dsn: str) -> None:
    with pytest.raises(Misconfigured, match=r"sinks\.timescale\.dsn: must be like postgresql://") as raised:
        settled(dsn)
    assert "secret" not in str(raised.value)
    assert "ret@" not in str(raised.value)


def test_a_file_holds_the_dsn_where_one_is_named(tmp_path: Path) -> None:
    file = tmp_path / "dsn"
    file.write_text("postgresql://user:secret@127.0.0.1/db\n", "utf-8")
    assert address("", str(file), plaintext=False, path="sinks.timescale") == "postgresql://user:secret@127.0.0.1/db"
    with pytest.raises(Misconfigured, match=r"sinks\.timescale\.dsn_file: .* cannot be read"):
        address("", str(tmp_path / "other"), plaintext=False, path="sinks.timescale")


def test_an_address_is_shown_without_user_password_and_options() -> None:
    assert shown("postgresql://user:secret@127.0.0.1:5432/db?password=secret") == "127.0.0.1:5432/db"


def test_a_server_that_is_not_there_is_unavailable_and_its_password_is_not_told() -> None:
    with pytest.raises(Unavailable, match="Connection refused") as raised:
        connect("postgresql://user:secret@127.0.0.1:1/db?password=secret")
    assert "secret" not in str(raised.value)


def test_an_option_that_libpq_does_not_know_is_a_setting_to_mend() -> None:
    with pytest.raises(Misconfigured, match="sslmood"):
        connect("postgresql://user:secret@127.0.0.1:1/db?sslmood=prefer")


@pytest.mark.parametrize("name", ["certificate", "permission%20denied", "x%20does%20not%20exist"])
def test_a_name_that_reads_like_an_error_makes_nothing_hopeless(name: str) -> None:
    with pytest.raises(Unavailable):
        connect(f"postgresql://127.0.0.1:1/{name}")
    with pytest.raises(Unavailable):
        connect(f"postgresql:///db?host=/run/{name}")


def test_a_connection_cut_before_its_limits_are_set_is_unavailable(postgres: Callable[[], str]) -> None:
    with pytest.raises(Unavailable, match="server closed"):
        connect(cut_at(postgres(), b"set_config"), statement_timeout_ms=1)


def test_a_connection_cut_while_what_was_stored_is_read_is_unavailable(postgres: Callable[[], str]) -> None:
    there = InPostgres(postgres())
    with pytest.raises(Unavailable, match="server closed"), in_database(cut_at(there.dsn, b"tickstream.progress")):
        pass


def test_a_database_without_our_tables_is_a_setting_to_mend(postgres: Callable[[], str]) -> None:
    with pytest.raises(Misconfigured, match="does not exist"), in_database(postgres()):
        pass


def cut_at(dsn: str, words: bytes) -> str:
    """The same server behind a relay that cuts a connection which sends these words."""
    parts = urlsplit(dsn)
    relay = Relay(parts.port or 0, lambda sent, _: words in sent)
    return parts._replace(netloc=f"{parts.netloc.rpartition(':')[0]}:{relay.port}").geturl()
