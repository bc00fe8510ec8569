"""Rings of recent ticks, all in one pool."""

import random
from collections import deque

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.grouping import grouped
from engine.rings import SIZE_MIN, Rings


def append(rings: Rings, key: list[int], t: list[int]) -> list[int]:
    """Add rows that are sorted by key."""
    groups = grouped(np.array(key, np.int64))
    rings.reach(max(key) + 1)
    ordinals: list[int] = rings.append(groups, {"t": np.array(t, np.int64)}).tolist()
    return ordinals


def held(rings: Rings, key: int) -> list[int]:
    ordinals = np.arange(rings.tail[key], rings.head[key])
    times: list[int] = rings.at("t", np.full(len(ordinals), key), ordinals).tolist()
    return times


def test_ordinals_of_a_key_only_rise() -> None:
    rings = Rings(("t",))
    assert append(rings, [0, 0, 1], [10, 11, 20]) == [0, 1, 0]
    rings.tail[0] = 2
    assert append(rings, [0, 1], [12, 21]) == [2, 1]
    assert (held(rings, 0), held(rings, 1)) == ([12], [20, 21])


def test_several_columns_are_read_at_once() -> None:
    rings = Rings(("t", "x"))
    rings.reach(1)
    rings.append(grouped(np.zeros(3, np.int64)), {"t": np.array([1, 2, 3]), "x": np.array([7, 8, 9])})
    found = rings.rows(("x", "t"), np.zeros(2, np.int64), np.array([2, 0]))
    assert [column.tolist() for column in found] == [[9, 7], [3, 1]]


def test_what_is_live_survives_wrapping_and_growing() -> None:
    draw, rings = random.Random(3), Rings(("t",))
    wanted: list[deque[int]] = [deque() for _ in range(4)]
    now = 0
    for _ in range(400):
        keys = sorted(draw.choices(range(4), k=draw.randint(1, 40)))
        times = list(range(now, now + len(keys)))
        now += len(keys)
        append(rings, keys, times)
        for key, t in zip(keys, times, strict=True):
            wanted[key].append(t)
        for key in range(4):
            for _ in range(draw.randint(0, len(wanted[key]))):
                wanted[key].popleft()
                rings.tail[key] += 1
        assert [held(rings, key) for key in range(4)] == [list(each) for each in wanted]


def test_room_that_was_given_back_is_used_again() -> None:
    rings = Rings(("t",))
    for key in range(10_000):
        append(rings, [key % 100] * SIZE_MIN, list(range(SIZE_MIN)))
        rings.release(np.array([key % 100]))
    assert rings.bytes_held == Rings(("t",)).bytes_held


def test_pool_follows_what_is_live() -> None:
    rings = Rings(("t",))
    small = rings.bytes_held
    append(rings, [0] * 100_000, list(range(100_000)))
    assert 100_000 * 8 <= rings.bytes_held <= 4 * 100_000 * 8
    assert rings.bytes_held > small


@given(
    times=st.lists(st.lists(st.integers(0, 30), max_size=40), min_size=1, max_size=5),
    limit=st.integers(-1, 31),
    data=st.data(),
)
def test_first_after_finds_the_first_value_above_the_limit(
    times: list[list[int]], limit: int, data: st.DataObject
) -> None:
    rings = Rings(("t",))
    rings.reach(len(times))
    for key, values in enumerate(times):
        if values:
            append(rings, [key] * len(values), sorted(values))
    start = [data.draw(st.integers(0, len(values))) for values in times]
    found = rings.first_after("t", np.arange(len(times)), np.array(start), np.full(len(times), limit))
    wanted = [
        next((at for at in range(begin, len(values)) if sorted(values)[at] > limit), len(values))
        for begin, values in zip(start, times, strict=True)
    ]
    assert found.tolist() == wanted
