"""Log lines: events with fields."""

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from observability import logs


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in ("websockets", "asyncio")}
    yield
    root.handlers[:], root.level = before
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def test_an_event_is_a_json_line_with_its_fields() -> None:
    stream = io.StringIO()
    logs.set_up("info", "auto", stream)
    logging.getLogger("feeds.feed").info("feed connected", extra={"exchange": "kraken", "symbols": 12})
    line = json.loads(stream.getvalue())
    time = line.pop("time")
    wanted = {"level": "info", "logger": "feeds.feed", "event": "feed connected", "exchange": "kraken", "symbols": 12}
    assert line == wanted
    assert (len(time), time[10], time[-1]) == (24, "T", "Z")


def test_on_a_terminal_an_event_is_a_line_for_people() -> None:
    stream = Terminal()
    logs.set_up("info", "auto", stream)
    logging.getLogger("feeds.feed").warning("feed lost", extra={"exchange": "kraken"})
    assert stream.getvalue().split(maxsplit=1)[1] == "warning feed lost exchange=kraken\n"


@pytest.mark.parametrize(("form", "is_json"), [("json", True), ("console", False)])
def test_the_form_can_be_told(form: str, is_json: bool) -> None:  # noqa: FBT001
    stream = Terminal() if is_json else io.StringIO()
    logs.set_up("info", form, stream)  # type: ignore[arg-type]
    logging.getLogger().info("here")
    assert stream.getvalue().startswith("{") is is_json


def test_lines_below_the_level_are_left_out() -> None:
    stream = io.StringIO()
    logs.set_up("warning", "console", stream)
    logging.getLogger().info("too quiet")
    logging.getLogger("websockets").info("too quiet")
    logging.getLogger().error("loud")
    assert stream.getvalue().count("\n") == 1


def test_libraries_that_talk_much_are_heard_from_warnings_on() -> None:
    stream = io.StringIO()
    logs.set_up("debug", "console", stream)
    logging.getLogger("websockets.client").info("= connection is OPEN")
    logging.getLogger("websockets.client").warning("odd")
    assert "OPEN" not in stream.getvalue()
    assert "odd" in stream.getvalue()


@pytest.mark.parametrize("form", ["json", "console"])
def test_an_error_comes_with_its_trace(form: str) -> None:
    stream = io.StringIO()
    logs.set_up("info", form, stream)  # type: ignore[arg-type]
    try:
        raise ZeroDivisionError  # noqa: TRY301
    except ZeroDivisionError:
        logging.getLogger().exception("broken", extra={"detail": "here"})
    assert "ZeroDivisionError" in stream.getvalue()
    assert "here" in stream.getvalue()


def test_what_json_does_not_know_is_written_as_text() -> None:
    stream = io.StringIO()
    logs.set_up("info", "json", stream)
    logging.getLogger().info("odd field", extra={"path": Path("data")})
    assert json.loads(stream.getvalue())["path"] == "data"


@pytest.mark.parametrize("form", ["json", "console"])
def test_hostile_text_cannot_begin_a_line_or_command_a_terminal(form: str) -> None:
    stream = io.StringIO()
    logs.set_up("info", form, stream)  # type: ignore[arg-type]
    logging.getLogger().info("frame\x1b[2J", extra={"reason": "a\n2024 error forged", "symbol": "Ⅷ-🦆é"})
    assert stream.getvalue().count("\n") == 1
    assert "\x1b" not in stream.getvalue()
    assert form == "json" or "symbol=Ⅷ-🦆é" in stream.getvalue()
