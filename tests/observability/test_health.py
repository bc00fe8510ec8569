"""What a process tells of itself over HTTP, asked over a real socket."""

import json
import logging
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection

import pytest
from prometheus_client import CollectorRegistry, Counter

from observability.health import Checks, PortTaken, serving


def up() -> bool:
    return True


def down() -> bool:
    return False


@contextmanager
def served(live: Checks | None = None, ready: Checks | None = None) -> Iterator[int]:
    registry = CollectorRegistry()
    Counter("tickstream_tests", "Counted by a test.", registry=registry).inc(3)
    with serving("127.0.0.1", 0, registry, live or {}, ready or {}, "1.2.3") as port:
        yield port


def asked(port: int, path: str, method: str = "GET") -> tuple[int, str, bytes]:
    """Status, content type and body."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.headers.get_content_type(), answer.read()


def test_metrics_are_those_of_the_registry() -> None:
    with served() as port:
        status, kind, body = asked(port, "/metrics")
    assert (status, kind) == (200, "text/plain")
    assert b"tickstream_tests_total 3.0" in body


def test_a_process_is_live_and_ready_while_all_its_checks_hold() -> None:
    with served(live={"loop": up}, ready={"loop": up, "sink": up}) as port:
        assert asked(port, "/livez") == (200, "application/json", b'{"loop": true}')
        assert asked(port, "/readyz")[0] == 200


def test_one_check_that_fails_makes_it_unready_and_is_named() -> None:
    with served(live={"loop": up}, ready={"loop": up, "sink": down}) as port:
        status, _, body = asked(port, "/readyz")
        assert (status, json.loads(body)) == (503, {"loop": True, "sink": False})
        assert asked(port, "/livez")[0] == 200


def test_checks_are_made_anew_at_each_request() -> None:
    state = {"up": False}
    with served(live={"loop": lambda: state["up"]}) as port:
        assert asked(port, "/livez")[0] == 503
        state["up"] = True
        assert asked(port, "/livez")[0] == 200


def test_the_version_is_told() -> None:
    with served() as port:
        assert asked(port, "/version") == (200, "application/json", b'{"version": "1.2.3"}')


def test_a_question_mark_changes_nothing() -> None:
    with served() as port:
        assert asked(port, "/version?verbose=1")[0] == 200


@pytest.mark.parametrize("path", ["/", "/metrics/", "/../etc/passwd", "/livez%00", "/" + "x" * 10_000])
def test_any_other_path_is_not_found_and_the_answer_names_those_there_are(path: str) -> None:
    with served() as port:
        status, kind, body = asked(port, path)
    assert (status, kind) == (404, "text/plain")
    assert b"/metrics, /livez, /readyz and /version" in body


def test_only_reading_is_possible() -> None:
    with served() as port:
        assert asked(port, "/metrics", method="POST")[0] == 501


def test_a_client_that_says_nothing_holds_up_nobody() -> None:
    with served() as port, closing(socket.create_connection(("127.0.0.1", port))):
        assert asked(port, "/version")[0] == 200


def test_a_taken_port_is_named() -> None:
    with served() as port, pytest.raises(PortTaken, match=rf"127\.0\.0\.1:{port} cannot be opened \("):  # noqa: SIM117
        with serving("127.0.0.1", port, CollectorRegistry(), {}, {}, "1.2.3"):
            raise AssertionError


def test_the_port_is_free_again_afterwards() -> None:
    with served() as port:
        pass
    with serving("127.0.0.1", port, CollectorRegistry(), {}, {}, "1.2.3"):
        assert asked(port, "/version")[0] == 200


def test_requests_do_not_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with served() as port:
        asked(port, "/metrics")
    assert caplog.records == []
