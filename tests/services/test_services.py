"""The services that other tests rest on."""

from collections.abc import Callable

from adbc_driver_postgresql import dbapi
from confluent_kafka.admin import AdminClient


def test_broker_tells_its_cluster(kafka: str) -> None:
    assert len(AdminClient({"bootstrap.servers": kafka}).list_topics(timeout=10).brokers) == 1


def test_each_database_is_fresh(postgres: Callable[[], str]) -> None:
    first, second = postgres(), postgres()
    with dbapi.connect(first) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE t (n int)")
        connection.commit()
    with dbapi.connect(second) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
        assert cursor.fetchone() == (0,)
