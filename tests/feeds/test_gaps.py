"""What is missing by trade id."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from feeds.exchanges import Tick
from feeds.gaps import EPOCH_IDS, Gaps


def tick(trade_id: int, symbol: str = "BTC-USD") -> Tick:
    return Tick(symbol, 1, 2, trade_id, 100.0, 1.0, "buy")


def checked(*ids: int) -> list[tuple[int, int]]:
    gaps = Gaps()
    return [(seen.trade_id, seen.missing) for trade_id in ids for seen in gaps.check([tick(trade_id)])]


def test_first_id_misses_nothing() -> None:
    assert checked(5_729_884_604) == [(5_729_884_604, 0)]


def test_hole_is_counted_on_the_tick_after_it() -> None:
    assert checked(1, 2, 6, 7) == [(1, 0), (2, 0), (6, 3), (7, 0)]


def test_id_that_was_passed_is_dropped() -> None:
    assert checked(1, 3, 2, 3, 4) == [(1, 0), (3, 1), (4, 0)]


def test_jump_up_to_the_bound_is_a_hole_and_beyond_it_a_new_numbering() -> None:
    assert checked(1, 1 + EPOCH_IDS) == [(1, 0), (1 + EPOCH_IDS, EPOCH_IDS - 1)]
    assert checked(1, 2 + EPOCH_IDS) == [(1, 0), (2 + EPOCH_IDS, 0)]


def test_jump_down_to_the_bound_is_a_repeat_and_beyond_it_a_new_numbering() -> None:
    top = 2 * EPOCH_IDS
    assert checked(top, top - EPOCH_IDS) == [(top, 0)]
    assert checked(top, top - EPOCH_IDS - 1, top - EPOCH_IDS) == [
        (top, 0),
        (top - EPOCH_IDS - 1, 0),
        (top - EPOCH_IDS, 0),
    ]


def test_symbols_are_numbered_each_on_its_own() -> None:
    found = Gaps().check([tick(1), tick(10, "ETH-USD"), tick(2), tick(12, "ETH-USD")])
    assert [(t.symbol, t.missing) for t in found] == [("BTC-USD", 0), ("ETH-USD", 0), ("BTC-USD", 0), ("ETH-USD", 1)]


def test_announced_trades_are_unseen_until_they_come() -> None:
    gaps = Gaps()
    gaps.announce("BTC-USD", 5)
    assert gaps.unseen() == 0  # How many came before the first one is not ours to say.
    gaps.check([tick(3)])
    assert gaps.unseen() == 2
    gaps.check([tick(5), tick(6)])
    assert gaps.unseen() == 0


@given(st.lists(st.integers(0, 60)))
def test_ids_rise_and_ids_and_holes_add_up(ids: list[int]) -> None:
    found = checked(*ids)
    assert all(before[0] + after[1] + 1 == after[0] for before, after in pairwise(found))
    assert {trade_id for trade_id, _ in found} <= set(ids)
    if ids:
        assert found[-1][0] == max(ids)
