"""Fixtures that every room's tests share: real services, marked `live`."""

import os
from collections.abc import Callable, Iterator

import pytest

from tests.services import broker as kafka_service
from tests.services import postgres as postgres_service
from tests.services.process import unavailable

LIVE = {"broker", "kafka", "server", "postgres"}
TIMESCALE_DSN = os.environ.get("TICKSTREAM_TEST_TIMESCALE_DSN", "")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if LIVE & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.live)


@pytest.fixture(scope="session")
def broker() -> Iterator[kafka_service.Broker]:
    """A running broker that a test may kill, freeze and start again."""
    reason = kafka_service.missing()
    if reason:
        unavailable(reason)
    running = kafka_service.Broker()
    try:
        running.start()
        yield running
    finally:
        running.close()


@pytest.fixture
def kafka(broker: kafka_service.Broker) -> str:
    """The address of a running broker; each test takes a topic prefix of its own."""
    return broker.bootstrap


@pytest.fixture(scope="session")
def server() -> Iterator[postgres_service.Postgres]:
    """A running PostgreSQL server that a test may kill and start again."""
    reason = postgres_service.missing()
    if reason:
        unavailable(reason)
    running = postgres_service.Postgres()
    try:
        running.start()
        yield running
    finally:
        running.close()


@pytest.fixture(scope="session", params=["postgresql", "timescale"] if TIMESCALE_DSN else ["postgresql"])
def postgres(request: pytest.FixtureRequest) -> Iterator[Callable[[], str]]:
    """A call gives the DSN of a fresh database; on TICKSTREAM_TEST_TIMESCALE_DSN too, where that is set."""
    timescale = request.param == "timescale"
    databases = postgres_service.Databases(
        TIMESCALE_DSN if timescale else request.getfixturevalue("server").dsn  # Started only where it is wanted.
    )
    yield databases.fresh
    databases.drop()
