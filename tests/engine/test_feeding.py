"""The thread of the feeds: how it ends, and what it leaves."""

import threading

import pyarrow as pa
import pytest

from engine import settings
from engine.clock import SystemClock
from engine.commands.feeding import Feeding
from engine.errors import Misconfigured
from feeds.simulator.model import Model

BUILT_IN = settings.load(environ={}).settings
GIVE_UP_S = 60.0


def fed(error: Exception) -> Feeding:
    """Feeds that have ended because of what publishing raises."""

    def publish(_: pa.RecordBatch) -> None:
        raise error

    ended = threading.Event()
    feeding = Feeding(BUILT_IN, Model(BUILT_IN.simulator, BUILT_IN.feeds.symbols), publish, SystemClock())
    feeding.start(ended.set)
    assert ended.wait(GIVE_UP_S)
    feeding.join(GIVE_UP_S)
    return feeding


def test_what_a_person_can_mend_comes_out_of_its_groups() -> None:
    error = Misconfigured("bus.prefix: is wrong")
    assert fed(error).error is error


def test_a_bug_comes_out_with_everything_around_it() -> None:
    group = fed(LookupError("a bug")).error
    assert isinstance(group, ExceptionGroup)
    with pytest.raises(LookupError, match="a bug"):
        raise _innermost(group)


def _innermost(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def test_feeds_that_have_ended_may_be_stopped() -> None:
    fed(Misconfigured("x")).stop()
