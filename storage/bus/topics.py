"""The topics of TickStream: named, made and checked."""

import time
from collections.abc import Mapping
from typing import Final

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic  # type: ignore[attr-defined]

from engine import settings
from engine.errors import Misconfigured, Unavailable
from storage.bus.client import ANSWER_SECONDS, connection, problem

NAMES: Final = ("ticks", "scores", "anomalies", "rejected", "gaps", "progress")


def topic(bus: settings.Bus, name: str) -> str:
    """The full name of a topic, as `tickstream.ticks.v1`."""
    return f"{bus.prefix}.{name}.v1"


def make_topics(bus: settings.Bus) -> None:
    """Make the topics that are not there yet.

    Raises Misconfigured where one has another number of partitions: that is fixed when it is made.
    """
    admin = AdminClient(connection(bus.kafka))
    wanted = [
        NewTopic(topic(bus, name), bus.partitions, bus.kafka.replication, config=_config(bus, name)) for name in NAMES
    ]
    for made in admin.create_topics(wanted, operation_timeout=ANSWER_SECONDS, request_timeout=ANSWER_SECONDS).values():
        try:
            made.result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise problem(error) from error
    _check_counts(_partitions_once_known(admin, bus), bus)


def topics_missing(bus: settings.Bus) -> list[str]:
    """The topics that are not there yet. Raises Unavailable, and Misconfigured as `make_topics` does."""
    there = _partitions(AdminClient(connection(bus.kafka)))
    wanted = [topic(bus, name) for name in NAMES]
    _check_counts({name: there[name] for name in wanted if name in there}, bus)
    return [name for name in wanted if name not in there]


def _check_counts(counts: Mapping[str, int], bus: settings.Bus) -> None:
    wrong = [
        f"bus.partitions: topic {name} has {count} partitions, not {bus.partitions}; "
        f"set bus.partitions = {count} or choose another bus.prefix"
        for name, count in counts.items()
        if count != bus.partitions
    ]
    if wrong:
        raise Misconfigured(*wrong)


def _config(bus: settings.Bus, name: str) -> dict[str, str]:
    config = {"max.message.bytes": str(bus.kafka.message_bytes_max)}
    if name == "ticks":
        return config | {"retention.ms": str(bus.kafka.retention_ms)}
    # Only closed segments are compacted.
    return config | ({"cleanup.policy": "compact"} if name == "progress" else {})


def _partitions_once_known(admin: AdminClient, bus: settings.Bus) -> dict[str, int]:
    """The number of partitions of each topic. A broker knows a new topic a moment after it has been made."""
    give_up = time.monotonic() + ANSWER_SECONDS
    wanted = [topic(bus, name) for name in NAMES]
    while time.monotonic() < give_up:
        there = _partitions(admin)
        if all(there.get(name) for name in wanted):
            return {name: there[name] for name in wanted}
        time.sleep(0.05)
    raise Unavailable("kafka", "the topics that were made do not appear")


def _partitions(admin: AdminClient) -> dict[str, int]:
    try:
        topics = admin.list_topics(timeout=ANSWER_SECONDS).topics
    except KafkaException as error:
        raise problem(error) from error
    return {name: len(each.partitions) for name, each in topics.items()}


def check_retention(bus: settings.Bus, needed_ms: int) -> None:
    """Refuse a tick topic that forgets what a restart has to read again. Raises Misconfigured, Unavailable."""
    name = topic(bus, "ticks")
    asked = ConfigResource(ConfigResource.Type.TOPIC, name)
    admin = AdminClient(connection(bus.kafka))  # The answer comes only while its client lives.
    [answer] = admin.describe_configs([asked], request_timeout=ANSWER_SECONDS).values()
    try:
        kept_ms = int(answer.result()["retention.ms"].value)
    except KafkaException as error:
        raise problem(error) from error
    if 0 <= kept_ms < needed_ms:
        raise Misconfigured(
            f"topic {name} keeps {kept_ms} ms; a restart may have to read the last {needed_ms} ms again: "
            f"set its retention.ms to that or more, or shorten windows and episode_ms_max"
        )
