"""How the Kafka client is let in, and how sparingly it speaks."""

import logging
from contextlib import closing
from pathlib import Path

import pytest
from confluent_kafka import Producer

from engine.errors import Misconfigured, Unavailable
from engine.settings import KafkaBus
from storage.bus.client import LOGGER, SPARING_SECONDS, Sparing, connection
from storage.bus.kafka_source import KafkaSource
from tests.contracts.buses import bus_settings
from tests.fakes import FakeClock
from tests.services.broker import Broker


def kafka(bootstrap: str = "kafka.example:9092", **values: str) -> KafkaBus:
    return bus_settings(bootstrap, *(f"bus.kafka.{key}={value}" for key, value in values.items())).kafka


@pytest.mark.parametrize(
    ("bootstrap", "values", "protocol"),
    [
        ("127.0.0.1:9092", {}, "PLAINTEXT"),
        ("localhost:9092,127.0.0.9:1", {}, "PLAINTEXT"),
        ("[::1]:9092", {}, "PLAINTEXT"),
        ("kafka.example:9092", {"plaintext": "true"}, "PLAINTEXT"),
        ("kafka.example:9092", {"username": "feed"}, "SASL_SSL"),
        ("127.0.0.1:9092", {"username": "feed"}, "SASL_SSL"),
        ("kafka.example:9092", {"username": "feed", "plaintext": "true"}, "SASL_PLAINTEXT"),
        ("kafka.example:9092", {"ca_file": "ca.pem"}, "SSL"),
        ("kafka.example:9092", {"ca_file": "ca.pem", "username": "feed", "plaintext": "true"}, "SASL_SSL"),
    ],
)
def test_what_leaves_the_machine_is_encrypted_unless_the_settings_say_otherwise(
    bootstrap: str, values: dict[str, str], protocol: str, tmp_path: Path
) -> None:
    for name in ("ca.pem", "password"):
        (tmp_path / name).write_text("secret\r\n", "utf-8")
    given = {key: str(tmp_path / value) if key == "ca_file" else value for key, value in values.items()}
    config = connection(kafka(bootstrap, **given, password_file=str(tmp_path / "password")))
    assert config["security.protocol"] == protocol
    assert config.get("sasl.password") == ("secret" if "username" in values else None)
    assert config.get("sasl.mechanism") == ("SCRAM-SHA-512" if "username" in values else None)


@pytest.mark.parametrize(
    ("bootstrap", "values", "told"),
    [
        ("kafka.example:9092", {}, r"kafka\.example is not on this machine.*plaintext = true"),
        ("127.0.0.1:9092,10.0.0.7:9092", {}, r"10\.0\.0\.7 is not on this machine"),
        ("localhost.example:9092", {}, "is not on this machine"),
        ("", {}, "no list of host:port"),
        ("localhost", {}, "no list of host:port"),
        (":9092", {}, "no list of host:port"),
        (
            "kafka.example:9092",
            {"username": "feed", "password_file": "/nowhere"},
            "password_file: /nowhere cannot be read",
        ),
        ("kafka.example:9092", {"ca_file": "/nowhere"}, "ca_file: /nowhere cannot be read"),
    ],
)
def test_a_connection_that_cannot_be_is_told_by_its_setting(bootstrap: str, values: dict[str, str], told: str) -> None:
    with pytest.raises(Misconfigured, match=told):
        connection(kafka(bootstrap, **values))


def test_a_broker_that_speaks_no_tls_is_told_as_that(broker: Broker, tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("secret", "utf-8")
    settings = bus_settings(broker.bootstrap, "bus.kafka.username=feed", f"bus.kafka.password_file={password}")
    with closing(KafkaSource(settings, clock=FakeClock())) as source, pytest.raises(Unavailable, match="SSL handshake"):
        source.seek({})


def test_each_kind_of_line_is_let_through_once_in_a_while() -> None:
    clock = FakeClock()
    sparing = Sparing(clock.monotonic)
    failed, other = (
        logging.LogRecord("x", 40, "", 0, "%s [%s] %s", (kind, "client", "…"), None) for kind in ("FAIL", "X")
    )
    assert [sparing.filter(failed), sparing.filter(failed), sparing.filter(other)] == [True, False, True]
    clock.sleep(SPARING_SECONDS)
    assert sparing.filter(failed)


def test_a_broker_that_is_away_does_not_flood_the_log(caplog: pytest.LogCaptureFixture) -> None:
    producer = Producer(connection(kafka("127.0.0.1:9")))
    producer.poll(2)
    lines = [record for record in caplog.records if record.name == LOGGER.name]
    assert len(lines) <= 3
