"""Flagged ticks into anomalies, drawn on the log clock in seconds. Quiet 10 s, longest 60 s, window 5 s."""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pytest

from engine.episodes import Episode, Episodes, Flag, Raised, Rows, Trail
from engine.rules import Rule
from tests.engine.counting import calls_of
from tests.engine.made import rules

SECOND_US = 1_000_000
SPIKE = {"quiet_ms": 10_000, "episode_ms_max": 60_000, "window_ms": 5_000}

Told = tuple[Any, ...]
"""A flag: clock, score and, where not as in DEFAULTS, its venue and whether it is up."""
DEFAULTS = (0, 1.0, "binance", True)


def rule_of(**changes: Any) -> Rule:
    return rules(**SPIKE | changes).rules[0]


def flag(clock: float, score: float, *, up: bool = True) -> Flag:
    """A flag whose place is its clock, and whose own time is a second behind."""
    at = round(clock * SECOND_US)
    return Flag(
        offset=at,
        row=0,
        clock=at,
        t=at - SECOND_US,
        up=up,
        price=100 + score,
        z=2.5 * score,
        score=score,
        n=30,
        mean=100.0,
        std=1.0,
        s="1",
        q="2",
        move_bps=score,
        first_offset=0,
        first_row=0,
        last_offset=at - 1,
        last_row=0,
        ts_received=at,
        ts_appended=at,
        ts_drained=at,
    )


class Fold:
    """Episodes of one partition, and all that they wrote."""

    def __init__(self, **changes: Any) -> None:
        self.rule = rule_of(**changes)
        self.episodes = Episodes({"spike": self.rule})
        self.written: list[dict[str, Any]] = []

    def take(self, *flags: Told, rows: Sequence[float] = ()) -> list[dict[str, Any]]:
        """The next rows: flags, and others that only move the clock."""
        clocks = sorted({*rows, *(each[0] for each in flags)})
        raised = []
        for clock, score, venue, up in (each + DEFAULTS[len(each) :] for each in flags):
            made = flag(clock, score, up=up)
            raised.append(Raised(clocks.index(clock), venue, "BTC-USDT", self.rule, made))
        at = np.array([round(clock * SECOND_US) for clock in clocks], np.int64)
        new = self.episodes.advance(Rows(at, at, np.zeros(len(at), np.int64)), raised)
        self.written += new
        return new


def states(rows: Sequence[dict[str, Any]]) -> list[tuple[str, float]]:
    """State and the second of the row that brought it about."""
    return [(row["state"], row["at_offset"] / SECOND_US) for row in rows]


def told(*flags: Told, rows: Sequence[float] = (), **changes: Any) -> list[tuple[str, float]]:
    return states(Fold(**changes).take(*flags, rows=rows))


def test_a_flag_opens_an_episode() -> None:
    (row,) = Fold().take((3, 1.5))
    assert (row["state"], row["ticks_flagged"], row["revision"], row["scope"]) == ("open", 1, 0, "venue")
    assert (row["ts_onset"], row["ts_peak"], row["ts_end"]) == (2 * SECOND_US,) * 3


def test_a_row_is_written_only_for_flags_that_rise_above_every_one_before() -> None:
    # s       0    1    2    3    4
    # score  1.5  1.2  3.0  3.0  3.1
    #        open      peak      peak
    wanted = [("open", 0), ("peak", 2), ("peak", 4)]
    assert told((0, 1.5), (1, 1.2), (2, 3.0), (3, 3.0), (4, 3.1)) == wanted


def test_an_episode_ends_at_the_first_row_past_its_quiet_time() -> None:
    # s      0 ......... 10   10.000001   11
    #       flag         |      end
    assert told((0, 1.5), rows=(10,)) == [("open", 0)]
    assert told((0, 1.5), rows=(10, 10.000001, 11)) == [("open", 0), ("closed", 10.000001)]


def test_every_flag_holds_an_episode_open() -> None:
    wanted = [("open", 0), ("closed", 28)]
    assert told((0, 1.5), (9, 1.2), (17, 1.1), rows=(27, 28)) == wanted


def test_an_episode_ends_at_its_longest_though_flags_go_on() -> None:
    # s      0   9   18 … 54   60   60.5      the flag at 60.5 ends the first and opens the next
    flags = [(second, 1.5) for second in (*range(0, 60, 9), 60, 60.5)]
    assert told(*flags) == [("open", 0), ("closed", 60.5), ("open", 60.5)]


def test_a_late_flag_ends_the_old_episode_before_it_opens_its_own() -> None:
    assert told((0, 1.5), (20, 1.4)) == [("open", 0), ("closed", 20), ("open", 20)]


def test_a_closed_row_tells_of_the_whole_episode() -> None:
    fold = Fold()
    fold.take((0, 1.5), (2, 4.5), (5, 2.0), rows=(20,))
    closed = fold.written[-1]
    assert (closed["state"], closed["revision"], closed["ticks_flagged"]) == ("closed", 2, 3)
    seconds = [closed[name] / SECOND_US for name in ("offset", "ts_onset", "ts_peak", "ts_end", "ts_received")]
    assert seconds == [0, -1, 1, 4, 0]
    assert (closed["score"], closed["price"], closed["severity"]) == (4.5, 104.5, "critical")


@pytest.mark.parametrize(
    ("score", "severity"), [(1.0, "notice"), (1.99, "notice"), (2.0, "warning"), (3.99, "warning"), (4.0, "critical")]
)
def test_severity_is_that_of_the_peak(score: float, severity: str) -> None:
    assert Fold().take((0, score))[0]["severity"] == severity


def test_direction_is_that_of_the_peak() -> None:
    fold = Fold()
    fold.take((0, 1.5), (1, 3.0, "binance", False), (2, 2.0), rows=(20,))
    assert [row["direction"] for row in fold.written] == ["up", "down", "down"]


def test_a_cooldown_runs_from_the_last_flag_and_swallows_what_falls_into_it() -> None:
    # s       0    11       29.9       30       cooldown 30 s
    #        open closed   swallowed   open
    found = told((0, 1.5), (29.9, 9.0), (30, 1.5), rows=(11,), cooldown_ms=30_000)
    assert found == [("open", 0), ("closed", 11), ("open", 30)]


def test_a_swallowed_flag_does_not_prolong_the_cooldown() -> None:
    found = told((0, 1.5), (20, 1.5), (31, 1.5), rows=(11,), cooldown_ms=30_000)
    assert found == [("open", 0), ("closed", 11), ("open", 31)]


def test_two_venues_that_move_the_same_way_within_the_window_are_a_market() -> None:
    fold = Fold()
    fold.take((0, 1.5), (5, 1.5, "kraken"), rows=(16,))
    scopes = {(row["exchange"], row["state"]): row["scope"] for row in fold.written}
    assert scopes == {
        ("binance", "open"): "venue",
        ("kraken", "open"): "market",
        ("binance", "closed"): "market",
        ("kraken", "closed"): "market",
    }


@pytest.mark.parametrize("other", [(5.000001, 1.5, "kraken"), (1, 1.5, "kraken", False), (1, 1.5, "binance")])
def test_too_late_the_other_way_or_the_same_venue_is_no_market(other: Told) -> None:
    fold = Fold()
    fold.take((0, 1.5), other, rows=(30,))
    assert {row["scope"] for row in fold.written} == {"venue"}


def test_a_swallowed_flag_of_another_venue_still_makes_a_market() -> None:
    # kraken's flag at 15 falls into its own cooldown: in no episode, and yet a move that binance shares.
    fold = Fold(cooldown_ms=30_000)
    fold.take((0, 1.5, "kraken"), (15, 1.5, "kraken"), (16, 1.5), rows=(11,))
    assert [(row["exchange"], row["state"], row["scope"]) for row in fold.written][-1] == ("binance", "open", "market")


def test_an_episode_that_is_over_does_not_become_the_markets_afterwards() -> None:
    fold = Fold(quiet_ms=1_000)
    fold.take((0, 1.5), (3, 1.5, "kraken"), rows=(2,))
    scopes = [(row["exchange"], row["state"], row["scope"]) for row in fold.written]
    assert scopes == [("binance", "open", "venue"), ("binance", "closed", "venue"), ("kraken", "open", "market")]


def test_looking_for_episodes_that_end_does_not_grow_with_those_that_are_open() -> None:
    fold = Fold()
    fold.take(*((at / 100, 1.5, f"venue-{at}") for at in range(500)))
    ends = [10 + at / 100 + 1e-6 for at in range(500)]
    looks = calls_of(Episode.ends, lambda: [fold.take(rows=(end,)) for end in ends])
    assert [row["state"] for row in fold.written[500:]] == ["closed"] * 500
    assert looks <= 2 * 500


def test_episodes_close_in_the_order_of_their_ends() -> None:
    fold = Fold()
    fold.take((0, 1.5, "binance"), (1, 1.5, "kraken"), (2, 1.2, "binance"), rows=(30,))
    assert [row["exchange"] for row in fold.written[2:]] == ["kraken", "binance"]


def test_cuts_between_rows_change_nothing() -> None:
    flags: list[Told] = [(0, 1.5), (1, 1.2, "kraken"), (2, 3.0), (9, 1.1, "kraken"), (20, 2.0), (31, 1.0)]
    whole, cut = Fold(cooldown_ms=12_000), Fold(cooldown_ms=12_000)
    whole.take(*flags, rows=(13, 40, 50))
    for each in flags:
        if each[0] in (20, 31):
            cut.take(rows=(each[0] - 7,))
        cut.take(each)
    cut.take(rows=(40, 50))
    assert [row | {"at_offset": 0} for row in cut.written] == [row | {"at_offset": 0} for row in whole.written]


def test_trails_go_through_a_cursor() -> None:
    fold, resumed = Fold(), Fold()
    fold.take((0, 1.5), (1, 1.4, "kraken"))
    packed = msgspec.msgpack.encode(fold.episodes.trails())
    resumed.episodes = Episodes({"spike": resumed.rule}, msgspec.msgpack.decode(packed, type=list[Trail]))
    assert resumed.take((2, 3.0), rows=(30,)) == fold.take((2, 3.0), rows=(30,))


def test_trails_of_a_detector_that_is_gone_are_dropped() -> None:
    fold = Fold()
    fold.take((0, 1.5))
    assert Episodes({"other": fold.rule}, fold.episodes.trails()).trails() == []


def test_a_trail_is_let_go_once_it_can_change_nothing() -> None:
    fold = Fold(cooldown_ms=30_000)
    fold.take((0, 1.5), rows=(20,))
    fold.episodes.forget(30 * SECOND_US)
    assert len(fold.episodes.trails()) == 1
    fold.episodes.forget(30 * SECOND_US + 1)
    assert fold.episodes.trails() == []


def test_an_open_episode_is_never_let_go() -> None:
    fold = Fold()
    fold.take((0, 1.5))
    fold.episodes.forget(10**15)
    assert len(fold.episodes.trails()) == 1
