"""Rows brought together by key."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.grouping import extended, grouped

KEYS = st.lists(st.one_of(st.integers(0, 5), st.integers(0, 2**32 - 1), st.sampled_from((65_535, 65_536, 131_072))))


@given(KEYS)
def test_rows_of_a_key_come_together_in_the_order_of_the_log(keys: list[int]) -> None:
    groups = grouped(np.array(keys, np.int64))
    wanted = sorted(range(len(keys)), key=lambda at: (keys[at], at))
    assert groups.order.tolist() == wanted
    assert groups.present.tolist() == sorted(set(keys))
    assert groups.counts.tolist() == [keys.count(key) for key in sorted(set(keys))]
    assert groups.present[groups.of_row].tolist() == [keys[at] for at in wanted]
    assert [keys[wanted[first]] for first in groups.first.tolist()] == sorted(set(keys))


def test_a_column_is_extended_by_zeros_of_its_type() -> None:
    longer = extended(np.array([1.5]), 2)
    assert longer.tolist() == [1.5, 0.0, 0.0]
    assert longer.dtype == np.float64
