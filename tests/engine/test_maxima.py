"""Running maxima within segments of a column."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.maxima import NEVER, running_max

VALUES = st.one_of(st.just(NEVER), st.integers(-5, 5), st.integers(-(2**62), 2**62), st.integers(0, 2**53))
SEGMENTS = st.lists(st.tuples(VALUES, st.lists(VALUES, min_size=1, max_size=6)), min_size=1, max_size=6)


@given(SEGMENTS)
def test_each_segment_has_its_own_maximum_from_its_own_start(segments: list[tuple[int, list[int]]]) -> None:
    before: list[int] = []
    after: list[int] = []
    starts: list[int] = []
    values: list[int] = []
    for initial, rows in segments:
        starts.append(len(values))
        values += rows
        so_far = initial
        for row in rows:
            before.append(so_far)
            so_far = max(so_far, row)
            after.append(so_far)
    found = running_max(np.array(values), np.array(starts), np.array([initial for initial, _ in segments]))
    assert [column.tolist() for column in found] == [before, after]


def test_times_centuries_apart_do_not_overflow() -> None:
    values = np.array([2**62, -(2**62), NEVER, 2**62, 5])
    _, after = running_max(values, np.array([0, 1, 3]), np.full(3, NEVER))
    assert after.tolist() == [2**62, -(2**62), -(2**62), 2**62, 2**62]


def test_no_rows_have_no_maxima() -> None:
    none = np.zeros(0, np.int64)
    assert [column.tolist() for column in running_max(none, none, none)] == [[], []]
