"""Exact trailing windows (DESIGN 4): n, s = sum(x_i - x), q = sum((x_i - x)^2) over earlier ticks in (t - span, t].

Values are whole units, sums are 128-bit integers, so the result depends on the ticks alone: not on how the log was
cut or for how long it has run. Windows of one log share its ticks, and the work of a tick follows what comes and goes,
not what lies in between (kernel.py).
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
from msgspec import Struct

from engine import kernel
from engine.columns import Floats, Ints, Places, extended
from engine.compiled import given
from engine.kernel import BLOCK, EDGE, FREE, HELD, NONE, SUM, TICK, Found, Held, Int128, Plan, Store, Ticks

UNITS_MAX = 1 << 50
"""Values in units must stay below this in magnitude."""

SPAN_MS_MAX = 3_155_760_000_000
"""The longest window: a century."""

_BLOCKS_MIN = 256
_SHRINK_FROM = 4 * _BLOCKS_MIN


class Window(Struct, frozen=True, order=True):
    """The last `span_ms` of a series, for each key."""

    series: str
    span_ms: int


class Baseline(NamedTuple):
    """What a window held before each row: count, trades known missing, exact sums about the row's own value.

    `first`, `before` and `own` say where the first row inside, the key's row before and the row itself are kept. `low`
    and `high` are the extremes (NEVER where there is none); empty where none were asked for.
    """

    n: Ints
    missing: Ints
    s: Int128
    q: Int128
    first: Ints
    before: Ints
    own: Ints
    low: Ints
    high: Ints

    def take(self, index: Places) -> "Baseline":
        """The rows at these places."""
        n, missing, s, q, *rest = self
        taken = (column[index] if len(column) else column for column in rest)
        return Baseline(n[index], missing[index], s.take(index), q.take(index), *taken)


class Windows:
    """Windows of each key over several series and spans; of those in `extremes` the lowest and highest values too.

    `series` names the columns of Ticks.values, in their order.
    """

    def __init__(self, windows: Iterable[Window], extremes: Iterable[Window] = ()) -> None:
        asked, extreme = set(windows), sorted(set(extremes), key=_by_span)
        spans = sorted({window.span_ms for window in asked | set(extreme)})
        self._windows = [Window("price", span) for span in spans]
        self._sums = sorted((each for each in asked | set(extreme) if each.series != "price"), key=_by_span)
        self.series = tuple(sorted({window.series for window in self._sums}))
        self._extremes = extreme
        self._plan = _plan(spans, self._sums, extreme, self.series)
        none, after, free, left = (np.zeros(0, np.int64) for _ in range(4))
        links = np.zeros((0, len(self._plan.column_of_chain), 2), np.int64)
        values = np.zeros((0, len(self.series)), np.int64)
        self._store = Store(np.zeros(0, TICK), values, links, after, free, left, np.zeros(3, np.int64))
        by_sum, by_front = np.zeros((0, len(self._sums)), SUM), np.zeros((0, 2 * len(extreme)), np.int64)
        by_chain = np.zeros((0, len(self._plan.column_of_chain)), np.int64)
        self._held = Held(none, np.zeros((0, len(spans)), EDGE), by_sum, by_front, by_chain)

    @property
    def ticks_held(self) -> int:
        """Ticks inside the longest window, over all keys."""
        return int(self._store.counts[HELD])

    @property
    def bytes_held(self) -> int:
        """Bytes of the store."""
        return sum(column.nbytes for column in self._store)

    def forget(self, keys: Ints) -> None:
        """Empty the windows of these keys."""
        kernel.forget(keys[keys < len(self._held.newest)], self._store, self._held)

    def measure(self, ticks: Ticks) -> Mapping[Window, Baseline]:
        """Take the next rows of the log in; of each window the baseline that each of them had before it."""
        kernel.reuse_left(self._store)
        if len(self._store.after) > _SHRINK_FROM and self._store.counts[FREE] * 4 > len(self._store.after) * 3:
            self._shrink()
        self._reach(int(ticks.key.max(initial=-1)) + 1)
        ticks, rows, measured = Ticks._make(map(given, ticks)), len(ticks.key), 0
        found = _room(rows, len(self._windows), len(self._sums), 2 * len(self._extremes))
        while (measured := kernel.measure(ticks, self._plan, self._store, self._held, found, measured)) < rows:
            self._grow()
        return self._told(found)

    def kept(self, slots: Ints, name: str) -> Ints:
        """A column of the ticks in these slots (`t` to `missing`, or a series); until the next rows are measured."""
        column: Ints
        if name in self.series:
            column = self._store.values[slots, self.series.index(name)]
        else:
            column = self._store.ticks[name][slots].astype(np.int64, copy=False)
        return column

    def oldest_offset(self, keys: Ints) -> int | None:
        """The lowest offset of a tick that a window of these keys still holds."""
        edges = self._held.edges[keys[keys < len(self._held.newest)], -1]
        oldest = edges["first"][edges["n"] > 0]
        return int(self._store.ticks["offset"][oldest].min()) if len(oldest) else None

    def _told(self, found: Found) -> Mapping[Window, Baseline]:
        none = np.zeros(0, np.int64)
        at_span = {window.span_ms: at for at, window in enumerate(self._windows)}
        own_sums = {window: (found.n, found.s, found.q, at) for at, window in enumerate(self._windows)}
        sums = own_sums | {window: (found.sum_n, found.sum_s, found.sum_q, at) for at, window in enumerate(self._sums)}
        extremes = {window: found.extreme[2 * at : 2 * at + 2] for at, window in enumerate(self._extremes)}
        told = {}
        for window, (n, s, q, at) in sums.items():
            w = at_span[window.span_ms]
            s_, q_ = Int128(s.high[at], s.low[at]), Int128(q.high[at], q.low[at])
            low, high = extremes.get(window, (none, none))
            places = (found.first[w], found.before, found.own)
            told[window] = Baseline(n[at], found.missing[w], s_, q_, *places, low, high)
        return told

    def _reach(self, keys: int) -> None:
        """Have room for keys 0 … keys - 1."""
        known = len(self._held.newest)
        if keys > known:
            self._held = Held._make(extended(column, keys - known) for column in self._held)
            self._held.fronts[known:] = NONE
            self._held.backs[known:] = NONE

    def _grow(self) -> None:
        """Make a quarter more room, in place: what is large is moved by the system's page tables, not copied."""
        blocks, (*by_slot, after, free, left, counts) = len(self._store.after), self._store
        more = max(blocks // 4, _BLOCKS_MIN)
        for column in by_slot:
            column.resize(((blocks + more) * BLOCK, *column.shape[1:]), refcheck=False)
        for column in (after, free, left):
            column.resize(blocks + more, refcheck=False)
        free[counts[FREE] : counts[FREE] + more] = np.arange(blocks, blocks + more)
        counts[FREE] += more

    def _shrink(self) -> None:
        """Move the blocks that are in use together and let go of the others: three in four after a burst."""
        ticks, values, links, after, free, _, counts = self._store
        in_use = np.ones(len(after), np.bool_)
        in_use[free[: counts[FREE]]] = False
        number = np.cumsum(in_use) - 1
        by_slot = np.repeat(in_use, BLOCK)

        def moved(slots: Ints) -> Ints:
            return np.where(slots < 0, slots, number[slots // BLOCK] * BLOCK + slots % BLOCK)

        self._held.newest[:] = moved(self._held.newest - 1) + 1
        self._held.edges["first"] = moved(self._held.edges["first"])
        self._held.fronts[:], self._held.backs[:] = moved(self._held.fronts), moved(self._held.backs)
        counts[FREE], blocks = 0, int(in_use.sum())
        rest = (np.zeros(blocks, np.int64), np.zeros(blocks, np.int64), counts)
        kept = (ticks[by_slot], values[by_slot], moved(links[by_slot]))
        self._store = Store(*kept, number[after[in_use]], *rest)


def statistics(baseline: Baseline, x: Ints, scale: Floats, *, inclusive: bool) -> tuple[Ints, Floats, Floats, Floats]:
    """n, mean, std and z of each row (DESIGN 4), in this order of float64 operations; NaN stands for null.

    `scale` is 10^decimals. mean and std are in units of the series, z has none. Mean and variance about a shifted
    origin as in Chan, Golub & LeVeque, "Algorithms for Computing the Sample Variance", The American Statistician 37
    (1983) 242-247.
    """
    n = baseline.n + 1 if inclusive else baseline.n
    mean, std, z = (np.empty(len(n)) for _ in range(3))
    s, q = (Int128._make(map(given, sums)) for sums in (baseline.s, baseline.q))
    kernel.statistics(given(n), s, q, given(x), given(scale), mean, std, z)
    return n, mean, std, z


def _by_span(window: Window) -> tuple[int, str]:
    return window.span_ms, window.series


def _plan(spans_ms: list[int], sums: list[Window], extremes: list[Window], series: tuple[str, ...]) -> Plan:
    chains = sorted({window.series for window in extremes})
    fronts = [(window, chains.index(window.series) * 2 + side) for window in extremes for side in (0, 1)]
    longest = [max(at for at, (_, chain) in enumerate(fronts) if chain == each) for each in range(2 * len(chains))]
    columns = [NONE if name == "price" else series.index(name) for name in chains for _ in (0, 1)]
    numbers = (
        [span * 1_000 for span in spans_ms],
        np.searchsorted([window.span_ms for window in sums], [*spans_ms, spans_ms[-1] + 1]),
        [series.index(window.series) for window in sums],
        np.searchsorted([window.span_ms for window, _ in fronts], [*spans_ms, spans_ms[-1] + 1]),
        [chain for _, chain in fronts],
        columns,
        [-1, 1] * len(chains),
        longest,
    )
    return Plan._make(np.array(column, np.int64) for column in numbers)


def _room(rows: int, spans: int, sums: int, fronts: int) -> Found:
    def ints(of: int) -> Ints:
        return np.empty((of, rows), np.int64)

    def wide(of: int) -> Int128:
        return Int128(np.empty((of, rows), np.uint64), np.empty((of, rows), np.uint64))

    by_span = (ints(spans), ints(spans), ints(spans), wide(spans), wide(spans))
    by_sum = (ints(sums), wide(sums), wide(sums))
    return Found(*by_span, *by_sum, ints(fronts), np.empty(rows, np.int64), np.empty(rows, np.int64))
