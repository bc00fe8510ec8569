"""The Kafka client's settings, as measured; how it is let in, and where its own log lines go."""

import ipaddress
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeAlias

from confluent_kafka import KafkaError, KafkaException

from engine import settings
from engine.errors import Misconfigured, Unavailable
from engine.settings import read_secret

Config: TypeAlias = dict[str, Any]

ANSWER_SECONDS: Final = 10.0
"""How long a broker may take to answer before it counts as unavailable."""

SPARING_SECONDS: Final = 10.0
"""How often the same kind of line may come from a client."""

END: Final = KafkaError._PARTITION_EOF  # noqa: SLF001
OUT_OF_RANGE: Final = KafkaError._AUTO_OFFSET_RESET  # noqa: SLF001
UNKNOWN: Final = frozenset({KafkaError._UNKNOWN_PARTITION, KafkaError._UNKNOWN_TOPIC})  # noqa: SLF001

_TO_MEND: Final = UNKNOWN | {
    KafkaError._AUTHENTICATION,  # noqa: SLF001
    KafkaError._INVALID_ARG,  # noqa: SLF001
    KafkaError._SSL,  # noqa: SLF001
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.MSG_SIZE_TOO_LARGE,
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
}
"""Errors that waiting does not mend."""


def producer_config(kafka: settings.KafkaBus) -> Config:
    """Idempotent, acknowledged by all replicas, compressed by the client."""
    return connection(kafka) | {
        "acks": "all",
        "enable.idempotence": True,
        "linger.ms": 0,
        "compression.type": "lz4",
        "batch.size": 1_048_576,
        "message.max.bytes": kafka.message_bytes_max,
        "retry.backoff.ms": 5,
    }


def consumer_config(kafka: settings.KafkaBus) -> Config:
    """Committed messages only, as soon as they are there; offsets are the sinks' own matter."""
    return connection(kafka) | {
        "group.id": kafka.group,
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "enable.partition.eof": True,  # An end may lie behind markers of transactions, which nobody is given.
        "auto.offset.reset": "error",
        "fetch.min.bytes": 1,
        "fetch.wait.max.ms": 100,
        "fetch.queue.backoff.ms": 5,
        "queued.max.messages.kbytes": 262_144,
        "fetch.message.max.bytes": kafka.message_bytes_max,
        "group.protocol": "classic",
    }


def connection(kafka: settings.KafkaBus) -> Config:
    """Where the brokers are and how they let us in. Raises Misconfigured."""
    protocol = _protocol(kafka)
    config: Config = {
        "bootstrap.servers": kafka.bootstrap,
        "security.protocol": protocol,
        "client.id": "tickstream",
        "socket.timeout.ms": int(ANSWER_SECONDS * 1_000),
        "reconnect.backoff.max.ms": 1_000,
        "log.connection.close": False,
        "logger": LOGGER,
    }
    if protocol.startswith("SASL"):
        config |= {
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": kafka.username,
            "sasl.password": read_secret(kafka.password_file, "bus.kafka.password_file"),
        }
    if kafka.ca_file:
        if not Path(kafka.ca_file).is_file():
            raise Misconfigured(f"bus.kafka.ca_file: {kafka.ca_file} cannot be read; give a readable PEM file")
        config["ssl.ca.location"] = kafka.ca_file
    return config


def _protocol(kafka: settings.KafkaBus) -> str:
    if kafka.username:
        return "SASL_PLAINTEXT" if kafka.plaintext and not kafka.ca_file else "SASL_SSL"
    if kafka.ca_file:
        return "SSL"
    away = [host for host in _hosts(kafka.bootstrap) if not _is_here(host)]
    if away and not kafka.plaintext:
        raise Misconfigured(
            f"bus.kafka.bootstrap: {away[0]} is not on this machine and would be spoken to without encryption; "
            "set username and password_file, or ca_file, or allow it with bus.kafka.plaintext = true"
        )
    return "PLAINTEXT"


def _hosts(bootstrap: str) -> list[str]:
    """The hosts of `host:port,host:port`; an IPv6 address stands in brackets."""
    hosts = [each.strip().rpartition(":")[0].strip("[]") for each in bootstrap.split(",")]
    if not all(hosts):
        raise Misconfigured(f"bus.kafka.bootstrap: {bootstrap!r} is no list of host:port, such as 127.0.0.1:9092")
    return hosts


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def problem(error: KafkaException) -> Misconfigured | Unavailable:
    """What a client's error means: something to mend in the settings, or a broker to wait for."""
    told: KafkaError = error.args[0]
    if told.code() in _TO_MEND:
        return Misconfigured(f"bus.kafka: {told.str()}")
    return Unavailable("kafka", told.str())


class Sparing(logging.Filter):
    """Lets each kind of line of a client through once in a while: one dead broker causes 20 lines a second."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._monotonic = monotonic
        self._last: dict[object, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Judge by the facility, the first thing that librdkafka tells about a line; there are a few dozen."""
        arguments = record.args
        kind = arguments[0] if isinstance(arguments, tuple) and arguments else record.msg
        now = self._monotonic()
        if now - self._last.get(kind, -SPARING_SECONDS) < SPARING_SECONDS:
            return False
        self._last[kind] = now
        return True


LOGGER: Final = logging.getLogger(__name__)
LOGGER.addFilter(Sparing())
