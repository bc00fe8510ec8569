"""What a process tells of itself over HTTP: /metrics, /livez, /readyz, /version."""

import json
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar, TypeAlias

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

log = logging.getLogger(__name__)

Registry: TypeAlias = CollectorRegistry
"""The metrics of one port."""

Checks = Mapping[str, Callable[[], bool]]
"""Each with a name; all must hold."""

_CLIENT_TIMEOUT_S = 5


class PortTaken(Exception):
    """The port cannot be opened."""


@contextmanager
def serving(host: str, port: int, registry: Registry, live: Checks, ready: Checks, version: str) -> Iterator[int]:
    """Serve on a thread of its own; gives the port (any free one for 0). Raises PortTaken."""

    class Handler(_Handler):
        answers: ClassVar = {
            "/livez": lambda: _checked(live),
            "/readyz": lambda: _checked(ready),
            "/version": lambda: (200, json.dumps({"version": version}), "application/json"),
        }
        metrics = registry

    try:
        server = ThreadingHTTPServer((host, port), Handler)
    except OSError as error:
        raise PortTaken(f"{host}:{port} cannot be opened ({error.strerror})") from error
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name=f"health-{port}", daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _checked(checks: Checks) -> tuple[int, str, str]:
    found = {name: check() for name, check in checks.items()}
    return 200 if all(found.values()) else 503, json.dumps(found), "application/json"


class _Handler(BaseHTTPRequestHandler):
    answers: ClassVar[Mapping[str, Callable[[], tuple[int, str, str]]]]
    metrics: ClassVar[Registry]
    timeout = _CLIENT_TIMEOUT_S

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/metrics":
            encode, content_type = choose_encoder(self.headers.get("Accept", ""))
            self._send(200, encode(self.metrics), content_type)
        elif path in self.answers:
            status, text, content_type = self.answers[path]()
            self._send(status, text.encode(), content_type)
        else:
            self._send(404, b"not found; there are /metrics, /livez, /readyz and /version\n", "text/plain")

    def _send(self, status: int, body: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name for it.
        log.debug(format, *args)
