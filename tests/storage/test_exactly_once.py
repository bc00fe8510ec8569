"""Sinks over sessions: whatever fails, and wherever, each row is there once."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.batch import Cursor, Findings
from engine.errors import Superseded, Unavailable
from storage.exactly_once import ExactlyOnce, Session, unwritten
from tests.storage.sinks.made import findings, parked

END = 12
FAULTS = ("none", "connect", "cursors", "before", "after")  # "after": committed, and the answer lost.


class Destination:
    """A small real one: commits are atomic and compare the cursors first. `faults` says what the next calls meet."""

    def __init__(self, faults: list[str]) -> None:
        self.held: dict[int, Cursor] = {}
        self.offsets: list[tuple[int, int]] = []
        self.faults = faults
        self.open_sessions = 0

    def connect(self) -> Session:
        if self.faults and self.faults[0] == "connect":
            self.faults.pop(0)
            raise Unavailable("destination", "refused")
        self.open_sessions += 1
        return _Session(self)


class _Session:
    def __init__(self, at: Destination) -> None:
        self._at = at

    def cursors(self) -> Mapping[int, Cursor]:
        if self._at.faults and self._at.faults[0] == "cursors":
            self._at.faults.pop(0)
            raise Unavailable("destination", "reset")
        return dict(self._at.held)

    def commit(self, findings: Findings, own: Mapping[int, Cursor]) -> None:
        fault = self._at.faults.pop(0) if self._at.faults else "none"
        if fault == "before":
            raise Unavailable("destination", "reset")
        if any(self._at.held.get(partition) != own.get(partition) for partition in findings.cursors):
            raise Superseded("moved")
        self._at.held |= findings.cursors
        self._at.offsets += findings.scores.select("partition", "offset").unique().rows()
        if fault == "after":
            raise Unavailable("destination", "reset")

    def close(self) -> None:
        self._at.open_sessions -= 1


@given(
    cuts=st.lists(st.tuples(st.integers(0, END), st.integers(1, END)), max_size=6),
    faults=st.lists(st.sampled_from(FAULTS), max_size=8),
)
def test_however_findings_are_cut_and_writes_fail_each_row_is_there_once(
    cuts: list[tuple[int, int]], faults: list[str]
) -> None:
    destination = Destination([])
    sink = ExactlyOnce(destination.connect)
    destination.faults = faults
    done = 0
    for back, rows in [*cuts, (END, END)]:
        # From at or before the place reached, as after a restart; never leaving rows out.
        first, done = max(0, done - back), max(done, min(END, done + rows))
        write(sink, findings({0: (first, done), 1: (first, done)}))
        assert destination.open_sessions == 1
    sink.close()
    assert sorted(destination.offsets) == [(partition, offset) for partition in (0, 1) for offset in range(END)]
    assert destination.open_sessions == 0


def write(sink: ExactlyOnce, made: Findings) -> None:
    for _ in range(len(FAULTS) * 8):
        try:
            return sink.write(made)
        except Unavailable:
            continue
    raise AssertionError("more faults than were planned")


def test_a_cursor_moved_by_another_while_away_stops_the_sink() -> None:
    destination = Destination([])
    sink = ExactlyOnce(destination.connect)
    sink.write(findings({0: (0, 3)}))
    destination.faults = ["before"]
    with pytest.raises(Unavailable):
        sink.write(findings({0: (3, 5)}))
    destination.held[0] = Cursor(4, b"another's")
    with pytest.raises(Superseded, match="partition 0"):
        sink.write(findings({0: (3, 5)}))
    assert destination.open_sessions == 0


@pytest.mark.parametrize("found", [{}, {0: Cursor(2)}, {0: Cursor(3), 1: Cursor(1)}])
def test_cursors_lost_or_set_back_while_away_stop_the_sink(found: dict[int, Cursor]) -> None:
    destination = Destination([])
    sink = ExactlyOnce(destination.connect)
    sink.write(findings({0: (0, 3)}))
    destination.faults = ["before"]
    with pytest.raises(Unavailable):
        sink.write(findings({1: (0, 5)}))
    destination.held = found
    with pytest.raises(Superseded):
        sink.write(findings({1: (0, 5)}))


def test_a_session_whose_cursors_cannot_be_read_is_closed() -> None:
    destination = Destination([])
    destination.faults = ["cursors"]
    with pytest.raises(Unavailable):
        ExactlyOnce(destination.connect)
    assert destination.open_sessions == 0


def test_what_a_sink_has_is_left_out_by_partition() -> None:
    made = findings({0: (0, 6), 5: (2, 6)})
    news = unwritten(made, {0: Cursor(4), 3: Cursor(99)})
    assert news.scores.select("partition", "offset").unique(maintain_order=True).rows() == [
        *((0, offset) for offset in (4, 5)),
        *((5, offset) for offset in (2, 3, 4, 5)),
    ]
    assert set(news.cursors) == {0, 5}
    assert unwritten(made, {0: Cursor(6), 5: Cursor(7)}).cursors == {}


def test_a_parked_message_belongs_to_its_offset() -> None:
    made = replace(findings({0: (0, 6)}), parked=(parked(0, 3), parked(0, 4), parked(1, 0)))
    assert unwritten(made, {0: Cursor(4)}).parked == (parked(0, 4), parked(1, 0))
