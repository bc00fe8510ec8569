"""Each bad frame is set aside under its reason, or passed over, by the parser alone."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import parts
from engine.errors import MalformedFrame
from feeds import fields
from feeds.exchanges import Reading
from tests.feeds.bad_frames import Bad, bad_frames
from tests.feeds.parsers import parse, part, trade

NAMES = parts.names("feeds.exchanges")


def read(name: str, frame: bytes) -> Reading:
    try:
        return parse(part(name), frame)
    except MalformedFrame as error:
        return Reading("other", malformed=(error,))


def cases() -> list[Any]:
    return [pytest.param(name, bad, id=f"{name}-{bad.what}") for name in NAMES for bad in bad_frames(name)]


@pytest.mark.parametrize(("name", "bad"), cases())
def test_bad_frame_is_counted_by_reason(name: str, bad: Bad) -> None:
    reading = read(name, bad.frame)
    assert [error.reason for error in reading.malformed] == ([] if bad.reason is None else [bad.reason])
    assert len(reading.ticks) == bad.ticks


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_whatever_comes_is_read_or_set_aside_under_a_known_reason(name: str, data: st.DataObject) -> None:
    frame = bytearray(trade(name, 7))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(frame) - 1))
        frame[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
        if not frame:
            return
    reading = read(name, bytes(frame))
    assert {error.reason for error in reading.malformed} <= set(fields.REASONS)
    for tick in reading.ticks:
        assert 0 < tick.price < float("inf")
        assert 0 <= tick.size < float("inf")
        assert 0 <= tick.trade_id < 2**63
