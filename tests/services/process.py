"""A server process that a test run owns: it writes to a log file and never outlives the run."""

import os
import pwd
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

READY_SECONDS = 60.0
STOP_SECONDS = 15.0


class Process:
    """A command that runs until stopped. SIGKILL of the test run takes it along (setpriv --pdeathsig)."""

    def __init__(self, command: Sequence[str], log: Path, user: str | None = None) -> None:
        self._command = ["setpriv", "--pdeathsig", "KILL", *_as_user(user), "--", *command]
        self._log = log
        self._running: subprocess.Popen[bytes] | None = None

    def start(self, is_ready: Callable[[], bool]) -> None:
        """Start and wait until it answers; what was killed a moment ago may need a second try."""
        give_up = time.monotonic() + READY_SECONDS
        while not self._came_up(is_ready, give_up):
            if time.monotonic() > give_up:
                raise RuntimeError(f"{self._command} did not start; the end of {self._log}:\n{self._tail()}")
            time.sleep(0.5)

    def _came_up(self, is_ready: Callable[[], bool], give_up: float) -> bool:
        with self._log.open("ab") as log:
            self._running = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        while self._running.poll() is None and time.monotonic() < give_up:
            if is_ready():
                return True
            time.sleep(0.1)
        self.kill()
        return False

    def _tail(self) -> str:
        return "\n".join(self._log.read_text("utf-8", "replace").splitlines()[-20:])

    def send(self, number: signal.Signals) -> None:
        """Send a signal; nothing where it is not running."""
        if self._running is not None and self._running.poll() is None:
            self._running.send_signal(number)

    def stop(self, number: signal.Signals) -> None:
        """Ask it to end by a signal, and insist after a while."""
        self.send(number)
        if self._running is not None:
            try:
                self._running.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self.send(signal.SIGKILL)
        if self._running is not None:
            self._running.wait()


def _as_user(user: str | None) -> list[str]:
    return [f"--reuid={user}", f"--regid={group_of(user)}", "--clear-groups"] if user else []


def group_of(user: str) -> int:
    """The number of the user's own group."""
    return pwd.getpwnam(user).pw_gid


def free_port() -> int:
    """A port that nobody on the loopback listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers(port: int) -> bool:
    """Whether somebody on the loopback listens there."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def unavailable(reason: str) -> None:
    """Skip what needs the service, or fail where the services are required (.ci/run)."""
    if os.environ.get("TICKSTREAM_REQUIRE_SERVICES") == "1":
        pytest.fail(f"required by TICKSTREAM_REQUIRE_SERVICES: {reason}")
    pytest.skip(reason)
