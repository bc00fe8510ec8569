"""Flagged ticks into anomalies (DESIGN 6, decision 1): a fold over the log's flags, one partition at a time.

Time here is the log clock in us: it moves with accepted rows only and never goes back.
"""

from collections.abc import Mapping, Sequence
from heapq import heappop, heappush
from typing import Any, NamedTuple

import numpy as np
from msgspec import Struct, field

from engine.columns import Ints
from engine.detectors import Detector
from engine.rules import Rule

Place = tuple[int, int]
"""Offset and row."""

_OF_PEAK = (
    *("z", "score", "price", "n", "mean", "std", "s", "q", "move_bps"),
    *("first_offset", "first_row", "last_offset", "last_row"),
)
_OF_FIRST = ("ts_received", "ts_appended", "ts_drained")

WARNING_SCORE = 2.0
CRITICAL_SCORE = 4.0


class Flag(Struct, frozen=True, array_like=True):
    """A flagged tick, as an episode remembers it: its place, its score and the bounds of its baseline; times in us."""

    offset: int
    row: int
    clock: int
    t: int
    up: bool
    price: float
    z: float | None
    score: float
    n: int
    mean: float
    std: float | None
    s: str
    q: str
    move_bps: float | None
    first_offset: int | None
    first_row: int | None
    last_offset: int | None
    last_row: int | None
    ts_received: int | None
    ts_appended: int | None
    ts_drained: int | None


class Raised(NamedTuple):
    """A flag of a batch: the number of its row among the partition's accepted rows, whose it is, and itself."""

    at: int
    exchange: str
    symbol: str
    rule: Rule
    flag: Flag


class Rows(NamedTuple):
    """The accepted rows of one partition in a batch: log clock after each, and its place."""

    clock: Ints
    offset: Ints
    row: Ints


class Episode(Struct, array_like=True):
    """An open episode. `clock_by_direction` holds the clocks of its newest flag down and its newest flag up."""

    first: Flag
    peak: Flag
    last_clock: int
    last_t: int
    flags: int
    clock_by_direction: list[int | None]
    market: bool = False
    revision: int = 0

    def ends(self, detector: Detector) -> int:
        """The clock past which it is over, should no more flags come."""
        return min(self.last_clock + detector.quiet_ms * 1000, self.first.clock + detector.episode_ms_max * 1000)


class Trail(Struct, array_like=True):
    """What is remembered of one key and detector: its open episode, if any, and its newest flags.

    `episode_clock` is the clock of the newest flag that belongs to an episode; `clock_by_direction` counts every flag.
    """

    exchange: str
    symbol: str
    detector: str
    episode: Episode | None = None
    episode_clock: int | None = None
    clock_by_direction: list[int | None] = field(default_factory=lambda: [None, None])


class Episodes:
    """The episodes of one partition."""

    def __init__(self, rules: Mapping[str, Rule], trails: Sequence[Trail] = ()) -> None:
        self._rules = rules
        self._trails: dict[tuple[str, str], dict[str, Trail]] = {}
        self._due: list[tuple[int, str, str, str]] = []
        """A heap: of each open episode a time at which it may end, not after its true end, and whose it is."""
        for trail in trails:
            if trail.detector in rules:
                self._trails.setdefault((trail.symbol, trail.detector), {})[trail.exchange] = trail
                if trail.episode is not None:
                    self._expect(trail, trail.episode)

    def advance(self, rows: Rows, raised: Sequence[Raised]) -> list[dict[str, Any]]:
        """Take the next accepted rows and their flags, in log order; the rows of ANOMALY that come of them.

        The columns `partition` and `ts_scored` are the caller's.
        """
        written: list[dict[str, Any]] = []
        for each in raised:
            self._close_due(rows, each.at, written)
            written += self._take(each)
        self._close_due(rows, len(rows.clock) - 1, written)
        return written

    def trails(self) -> list[Trail]:
        """Everything remembered, for a cursor."""
        return [trail for group in self._trails.values() for trail in group.values()]

    def forget(self, clock: int) -> None:
        """Let go of trails that can change nothing any more."""
        for group in self._trails.values():
            for trail in [each for each in group.values() if self._is_over(each, clock)]:
                del group[trail.exchange]
        self._trails = {name: group for name, group in self._trails.items() if group}

    def _is_over(self, trail: Trail, clock: int) -> bool:
        rule = self._rules[trail.detector]
        remembered_us = max(rule.window_ms, rule.detector.cooldown_ms) * 1000
        newest = max(each for each in (trail.episode_clock, *trail.clock_by_direction) if each is not None)
        return trail.episode is None and clock - newest > remembered_us

    def _take(self, raised: Raised) -> list[dict[str, Any]]:
        rule, flag = raised.rule, raised.flag
        group = self._trails.setdefault((raised.symbol, rule.name), {})
        trail = group.get(raised.exchange)
        if trail is None:
            trail = group[raised.exchange] = Trail(raised.exchange, raised.symbol, rule.name)
        episode, state = trail.episode, None
        if episode is not None:
            episode.flags += 1
            if flag.score > episode.peak.score:
                episode.peak, state = flag, "peak"
        elif trail.episode_clock is None or flag.clock - trail.episode_clock >= rule.detector.cooldown_ms * 1000:
            episode = trail.episode = Episode(flag, flag, flag.clock, flag.t, 1, [None, None])
            state = "open"
            self._expect(trail, episode)
        if episode is not None:
            episode.last_clock = trail.episode_clock = flag.clock
            episode.last_t = flag.t
            episode.clock_by_direction[flag.up] = flag.clock
        self._join(group, trail, flag, flag.clock - rule.window_ms * 1000)
        trail.clock_by_direction[flag.up] = flag.clock
        return [] if episode is None or state is None else [_row(trail, episode, state, (flag.offset, flag.row), rule)]

    def _join(self, group: dict[str, Trail], trail: Trail, flag: Flag, since: int) -> None:
        """A move that another venue saw within the window is the market's."""
        for other in group.values():
            clock = other.clock_by_direction[flag.up]
            if other is trail or clock is None or clock < since:
                continue
            if trail.episode is not None:
                trail.episode.market = True
            in_episode = other.episode.clock_by_direction[flag.up] if other.episode is not None else None
            if other.episode is not None and in_episode is not None and in_episode >= since:
                other.episode.market = True

    def _close_due(self, rows: Rows, until: int, written: list[dict[str, Any]]) -> None:
        """Close the episodes that ended at or before row number `until`, each at the first row past its time."""
        while until >= 0 and self._due and self._due[0][0] < rows.clock[until]:
            due, symbol, detector, exchange = heappop(self._due)
            trail = self._trails[symbol, detector][exchange]
            episode = trail.episode
            assert episode is not None
            rule = self._rules[detector]
            ends = episode.ends(rule.detector)
            if ends > due:  # Flags have come since.
                self._expect(trail, episode)
                continue
            at = np.searchsorted(rows.clock, ends, "right")
            place = int(rows.offset[at]), int(rows.row[at])
            written.append(_row(trail, episode, "closed", place, rule))
            trail.episode = None

    def _expect(self, trail: Trail, episode: Episode) -> None:
        """Look at the trail's episode again when it may end."""
        ends = episode.ends(self._rules[trail.detector].detector)
        heappush(self._due, (ends, trail.symbol, trail.detector, trail.exchange))


def _row(trail: Trail, episode: Episode, state: str, at: Place, rule: Rule) -> dict[str, Any]:
    first, peak = episode.first, episode.peak
    severity = "notice" if peak.score < WARNING_SCORE else "warning" if peak.score < CRITICAL_SCORE else "critical"
    row = {
        "exchange": trail.exchange,
        "symbol": trail.symbol,
        "detector": trail.detector,
        "offset": first.offset,
        "row": first.row,
        "revision": episode.revision,
        "state": state,
        "at_offset": at[0],
        "at_row": at[1],
        "ts_onset": first.t,
        "ts_peak": peak.t,
        "ts_end": episode.last_t,
        "direction": "up" if peak.up else "down",
        "ticks_flagged": episode.flags,
        **{name: getattr(peak, name) for name in _OF_PEAK},
        "scope": "market" if episode.market else "venue",
        "severity": severity,
        "rules": rule.digest,
        **{name: getattr(first, name) for name in _OF_FIRST},
    }
    episode.revision += 1
    return row
