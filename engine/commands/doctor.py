"""What is wrong with a set-up, and how to mend it: each check looks at one thing and answers in one line."""

import os
import shutil
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import msgspec
from msgspec import Struct

from engine.commands.database import dsn_of
from engine.commands.wiring import rules_from
from engine.errors import Misconfigured, TickStreamError, Unavailable
from engine.settings import Loaded, Settings
from feeds.feed import exchanges
from storage import postgres
from storage.bus.topics import check_retention, topics_missing
from storage.recipes import sinks

FREE_BYTES_MIN = 1 << 30
"""Less room than this on the data disk is a problem."""


class Finding(Struct, frozen=True):
    """One check: `problem` is empty where all is well, otherwise says what to do; `exit_code` as DESIGN 10."""

    check: str
    told: str
    problem: str = ""
    exit_code: int = 0


def examine(loaded: Loaded) -> list[Finding]:
    """Look at everything that the settings need; nothing is changed. Services are looked for where they are set."""
    return list(_findings(loaded.settings, [path for path, origin in loaded.origins.items() if origin != "default"]))


def _findings(settings: Settings, given: Sequence[str]) -> Iterator[Finding]:
    yield _checked("detectors", lambda: ", ".join(rule.name for rule in rules_from(settings).rules))
    yield _checked("exchanges", lambda: ", ".join(exchanges(settings, {})))
    yield _checked("sinks", lambda: ", ".join(sinks((*settings.run.sinks, *settings.engine.sinks), settings)))
    yield _checked("data directory", lambda: _room(Path(settings.data.dir)))
    yield _checked("ports", lambda: _ports(settings))
    if any(path.startswith("bus.") for path in given):
        yield _checked("kafka", lambda: _topics(settings))
    if any(path.startswith("sinks.timescale.") for path in given):
        yield _checked("database", lambda: _database(settings))


def _checked(check: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(check, look())
    except Misconfigured as error:
        return Finding(check, "", "; ".join(error.problems), 78)
    except Unavailable as error:
        return Finding(check, "", str(error), 69)
    except TickStreamError as error:
        return Finding(check, "", str(error), 1)


def _room(folder: Path) -> str:
    there = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    if not os.access(there, os.W_OK):
        raise Misconfigured(f"data.dir: {there} cannot be written; give this user access or set another folder")
    free = shutil.disk_usage(there).free
    if free < FREE_BYTES_MIN:
        raise Misconfigured(f"data.dir: only {free >> 20} MiB are free on its disk; make room or set another folder")
    return f"{folder}, {free >> 30} GiB free"


def _ports(settings: Settings) -> str:
    wanted = {"feeds_port": settings.metrics.feeds_port, "engine_port": settings.metrics.engine_port}
    for name, port in wanted.items():
        with closing(socket.socket()) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((settings.metrics.host, port))
            except OSError as error:
                raise Misconfigured(
                    f"metrics.{name}: {port} cannot be opened ({error.strerror}): is another one running?"
                ) from error
    return ", ".join(map(str, wanted.values()))


def _topics(settings: Settings) -> str:
    missing = topics_missing(settings.bus)
    if missing:
        return f"{settings.bus.kafka.bootstrap} answers; feed and engine will make {', '.join(missing)}"
    check_retention(settings.bus, rules_from(settings).log_needed_ms)
    return f"{settings.bus.kafka.bootstrap}, topics {settings.bus.prefix}.*.v1"


def _database(settings: Settings) -> str:
    dsn = dsn_of(settings, None)
    with sinks(("timescale",), settings)["timescale"].open():
        return postgres.shown(dsn)


def as_json(findings: Sequence[Finding]) -> str:
    """A JSON array, one object for each check."""
    return msgspec.json.encode(findings).decode()


def as_text(findings: Sequence[Finding]) -> str:
    """One line for each check."""
    return "\n".join(
        f"{'PROBLEM' if each.problem else 'ok':8} {each.check}: {each.problem or each.told}" for each in findings
    )


def exit_code(findings: Sequence[Finding]) -> int:
    """0 where all is well, otherwise that of the first problem."""
    return next((each.exit_code for each in findings if each.problem), 0)
