"""Log lines on standard error: events with fields, for people on a terminal, as JSON lines otherwise."""

import json
import logging
import sys
import time
from typing import Any, Literal, TextIO

_OWN = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
"""What every record has; anything else is a field of the event."""


def set_up(level: str, form: Literal["auto", "console", "json"], stream: TextIO = sys.stderr) -> None:
    """Send every library's lines there, those of `level` and above."""
    console = form == "console" or (form == "auto" and stream.isatty())
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_Console() if console else _Json())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for noisy in ("websockets", "asyncio"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    return {name: value for name, value in record.__dict__.items() if name not in _OWN}


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {"time": _time(record), "level": record.levelname.lower(), "logger": record.name}
        line |= {"event": record.getMessage()} | _fields(record)
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class _Console(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = " ".join(f"{name}={printable(value)}" for name, value in _fields(record).items())
        line = f"{_time(record)} {record.levelname.lower():7} {printable(record.getMessage())} {fields}".rstrip()
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def printable(value: Any) -> str:
    """Text on one line: what a terminal would obey is written out."""
    text = str(value)
    return text if text.isprintable() else repr(text)[1:-1]


def _time(record: logging.LogRecord) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z"
