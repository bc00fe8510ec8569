"""Where a DSN may lead, and what is never told of it."""

from pathlib import Path

import pytest

from engine.errors import Misconfigured, Unavailable
from storage.postgres import address, connect, shown


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
