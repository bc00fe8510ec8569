"""The commands as processes of their own."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

GIVE_UP_S = 120.0


class Command:
    """A `tickstream` process; what it prints goes to files in `folder`."""

    def __init__(self, folder: Path, *arguments: str, environ: Mapping[str, str] | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._out, self._err = folder / "out", folder / "err"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "engine.cli", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=os.environ | dict(environ or {}),
            )

    @property
    def out(self) -> str:
        return self._out.read_text("utf-8")

    @property
    def err(self) -> str:
        return self._err.read_text("utf-8")

    def stop(self, number: int) -> int:
        """Send a signal and wait; the exit code."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        try:
            return self.process.wait(GIVE_UP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"{self.process.args!r} did not end; it said:\n{self.err[-4000:]}") from None

    def close(self) -> None:
        """Make sure that it is gone."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def ran(folder: Path, *arguments: str, environ: Mapping[str, str] | None = None) -> Command:
    """A command that has ended."""
    command = Command(folder, *arguments, environ=environ)
    try:
        command.wait()
    finally:
        command.close()
    return command


def told(command: Command) -> Any:
    """What a command with --json printed."""
    return json.loads(command.out)


def eventually(command: Command, holds: Callable[[], bool]) -> None:
    """Wait until it holds, while the command runs."""
    give_up = time.monotonic() + GIVE_UP_S
    while not holds():
        assert command.process.poll() is None, f"{command.process.args!r} has ended; it said:\n{command.err[-4000:]}"
        assert time.monotonic() < give_up, f"in vain; {command.process.args!r} said:\n{command.err[-4000:]}"
        time.sleep(0.2)
