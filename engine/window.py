"""Exact trailing windows (DESIGN 4): n, s = sum(x_i - x), q = sum((x_i - x)^2) over earlier ticks in (t - span, t].

Prices are whole units, sums are 128-bit integers, so the result depends on the ticks alone: not on how the log was
cut or for how long it has run. Per key and span there are the sums over what is inside; a batch adds what comes in,
takes off what falls out at the trailing edge, and shifts the sums to each scored price. The work of a batch depends on
its own rows and on the rows that leave, not on how many lie in between.
"""

from typing import NamedTuple

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from engine.grouping import Groups, extended, grouped
from engine.int128 import Floats, Int128, Ints, product, running_sum, running_sum128, squares
from engine.rings import Rings

UNITS_MAX = 1 << 50
"""Prices in units must stay below this in magnitude."""

SPAN_MS_MAX = 3_155_760_000_000
"""The longest window: a century."""

_FLAT = 2.0**-48
_WIDTH_MAX = 1 << 48
_CHUNK = 1 << 14
"""Rows measured at once: the columns of a chunk stay in the cache."""


class Window(Struct, frozen=True):
    """The last `span_ms` of a series, for each key."""

    series: str
    span_ms: int


class Ticks(NamedTuple):
    """Accepted rows in log order: key, time in us (never back within a key), price in units, missing, place."""

    key: Ints
    t: Ints
    x: Ints
    missing: Ints
    offset: Ints
    row: Ints


class Baseline(NamedTuple):
    """What a window held before each row: count, exact sums about the row's own price, trades known missing.

    `key` and `ordinal` name the row itself; the `n` ordinals before it are those of the baseline.
    """

    key: Ints
    ordinal: Ints
    n: Ints
    s: Int128
    q: Int128
    missing: Ints

    def take(self, index: NDArray[np.intp]) -> "Baseline":
        """The rows at these places."""
        rows = (self.key[index], self.ordinal[index], self.n[index])
        return Baseline(*rows, self.s.take(index), self.q.take(index), self.missing[index])


class PriceWindows:
    """Windows of several spans over one price series; they share the ring and everything that enters."""

    def __init__(self, spans_ms: tuple[int, ...]) -> None:
        self._rings = Rings(("t", "x", "missing", "offset", "row"))
        self._edges = {span: _Edge() for span in spans_ms}
        self._touched: list[Ints] = []

    @property
    def ticks_held(self) -> int:
        """Ticks inside the longest window, over all keys."""
        return int((self._rings.head - self._rings.tail).sum())

    @property
    def bytes_held(self) -> int:
        """Bytes of the rings."""
        return self._rings.bytes_held

    def forget(self, keys: Ints) -> None:
        """Empty the windows of these keys."""
        keys = keys[keys < len(self._rings.head)]
        self._rings.release(keys)
        for edge in self._edges.values():
            edge.forget(keys)

    def measure(self, ticks: Ticks) -> dict[int, Baseline]:
        """Take the next rows of the log in; for each span the baseline that each of them had before it."""
        self._drop_left()
        chunks = [
            self._measure(Ticks(*(column[at : at + _CHUNK] for column in ticks)))
            for at in range(0, max(len(ticks.key), 1), _CHUNK)
        ]
        if len(chunks) == 1:
            return chunks[0]
        return {span: _joined([chunk[span] for chunk in chunks]) for span in self._edges}

    def place(self, key: Ints, ordinal: Ints) -> tuple[Ints, Ints]:
        """Offset and row of ticks inside a baseline, until the next rows are measured."""
        return self._rings.at("offset", key, ordinal), self._rings.at("row", key, ordinal)

    def oldest_offset(self, keys: Ints) -> int | None:
        """The lowest offset of a tick that a window of these keys still holds."""
        keys = keys[keys < len(self._rings.head)]
        keys = keys[self._rings.head[keys] > self._rings.tail[keys]]
        return int(self._rings.at("offset", keys, self._rings.tail[keys]).min()) if len(keys) else None

    def _drop_left(self) -> None:
        """Let go of what the last rows pushed out of every window."""
        for keys in self._touched:
            self._rings.tail[keys] = np.minimum.reduce([edge.ordinal[keys] for edge in self._edges.values()])
        self._touched.clear()

    def _measure(self, ticks: Ticks) -> dict[int, Baseline]:
        groups = grouped(ticks.key)
        rows = Ticks(*(column[groups.order] for column in ticks))
        keys = int(rows.key[-1]) + 1 if len(rows.key) else 0
        self._rings.reach(keys)
        ordinals = self._rings.append(
            groups, {name: getattr(rows, name) for name in ("t", "x", "missing", "offset", "row")}
        )
        self._touched.append(groups.present)
        entered = _sums(rows.x, rows.missing)
        back = np.empty_like(groups.order)
        back[groups.order] = np.arange(len(back))
        found = {}
        for span, edge in self._edges.items():
            edge.reach(keys)
            baseline = self._before(rows, ordinals, groups, entered, edge, span * 1_000)
            found[span] = baseline.take(back)
        return found

    def _before(
        self, rows: Ticks, ordinals: Ints, groups: Groups, entered: "_Sums", edge: "_Edge", span_us: int
    ) -> Baseline:
        """Shift one span's window along the rows, key by key."""
        present, group, first = groups.present, groups.of_row, groups.first
        end = first + groups.counts
        start = edge.ordinal[present]
        stop = self._rings.first_after("t", present, start, rows.t[end - 1] - span_us)
        gone = stop - start
        gone_end = np.cumsum(gone)
        gone_first = gone_end - gone
        gone_group = np.repeat(np.arange(len(present)), gone)
        gone_key = present[gone_group]
        gone_ordinal = np.arange(len(gone_key)) + (start - gone_first)[gone_group]
        gone_t, gone_x, gone_missing = self._rings.rows(("t", "x", "missing"), gone_key, gone_ordinal)
        left = _sums(gone_x, gone_missing)
        # How many rows, counted over all keys in turn, have left when a row comes.
        out = _rank(gone_group, gone_t, group, rows.t - span_us) if len(gone_t) else np.zeros(len(group), np.int64)

        # Inside before the batch, and what has come in of the row's key, less what has left of it.
        base_s = edge.s.take(present).minus(entered.s.take(first)).plus(left.s.take(gone_first))
        base_q = edge.q.take(present).minus(entered.q.take(first)).plus(left.q.take(gone_first))
        base_missing = edge.missing[present] - entered.missing[first] + left.missing[gone_first]
        sum_x = base_s.take(group).plus(entered.s.take(slice(1, None))).minus(left.s.take(out))
        sum_xx = base_q.take(group).plus(entered.q.take(slice(1, None))).minus(left.q.take(out))
        missing = base_missing[group] + entered.missing[1:] - left.missing[out]
        edge.ordinal[present] = stop
        edge.s.put(present, base_s.plus(entered.s.take(end)).minus(left.s.take(gone_end)))
        edge.q.put(present, base_q.plus(entered.q.take(end)).minus(left.q.take(gone_end)))
        edge.missing[present] = base_missing + entered.missing[end] - left.missing[gone_end]

        # The row itself is in these sums; about its own price it adds nothing.
        n = ordinals - (start - gone_first)[group] - out
        s, q = _shifted(sum_x, sum_xx, rows.x, n + 1)
        return Baseline(rows.key, ordinals, n, s, q, missing)


def statistics(baseline: Baseline, x: Ints, scale: Floats, *, inclusive: bool) -> tuple[Ints, Floats, Floats, Floats]:
    """n, mean, std and z of each row (DESIGN 4), in this order of float64 operations; NaN stands for null.

    `scale` is 10^decimals. mean and std are in quote units, z has none. Mean and variance about a shifted origin as in
    Chan, Golub & LeVeque, "Algorithms for Computing the Sample Variance", The American Statistician 37 (1983) 242-247.
    """
    n = baseline.n + 1 if inclusive else baseline.n
    s, q = baseline.s.to_float(), baseline.q.to_float()
    with np.errstate(divide="ignore", invalid="ignore"):
        m = s / n
        around = q - s * m
        variance = around / (n - 1)
        variance[around <= q * _FLAT] = 0.0
        variance[n < 2] = np.nan
        root = np.sqrt(variance)
        return n, (x + m) / scale, root / scale, -m / root


def _shifted(sum_x: Int128, sum_xx: Int128, x: Ints, held: Ints) -> tuple[Int128, Int128]:
    """Sums of (x_i - x) and (x_i - x)^2 from those of x_i and x_i^2 over `held` rows."""
    x_max = float(np.abs(x).max(initial=0))
    s = sum_x.minus(product(x, held, x_max * float(held.max(initial=0))))
    both = sum_x.plus(s)
    words = both.words()
    return s, sum_xx.minus(both.times(x) if words is None else product(words, x, x_max * 2.0**63))


class _Edge:
    """One span's trailing edge, by key: the first ordinal inside, and the sums over what is inside."""

    def __init__(self) -> None:
        self.ordinal = np.zeros(0, np.int64)
        self.missing = np.zeros(0, np.int64)
        self.s = Int128.zeros(0)
        self.q = Int128.zeros(0)

    def reach(self, keys: int) -> None:
        """Have room for keys 0 … keys - 1."""
        more = keys - len(self.ordinal)
        if more > 0:
            self.ordinal = extended(self.ordinal, more)
            self.missing = extended(self.missing, more)
            self.s = Int128(extended(self.s.high, more), extended(self.s.low, more))
            self.q = Int128(extended(self.q.high, more), extended(self.q.low, more))

    def forget(self, keys: Ints) -> None:
        """Nothing inside any more."""
        for column in (self.ordinal, self.missing, *self.s, *self.q):
            column[keys] = 0


class _Sums(NamedTuple):
    """Running sums over rows, of x, x^2 and missing: entry i is the sum of the first i rows."""

    s: Int128
    q: Int128
    missing: Ints


def _sums(x: Ints, missing: Ints) -> _Sums:
    bound = float(np.abs(x).max(initial=0)) * len(x)
    counted = np.zeros(len(x) + 1, np.int64)
    if missing.any():
        np.cumsum(missing, out=counted[1:])
    return _Sums(running_sum(x, bound), running_sum128(squares(x)), counted)


def _rank(group: Ints, t: Ints, asked_group: Ints, asked_t: Ints) -> Ints:
    """For each asked (group, time): how many of the rows (group, t) stand at or before it. All come sorted."""
    low = int(t.min())
    width = int(t.max()) - low + 2
    if width > _WIDTH_MAX:  # years apart: ranks among the times serve as well
        times = np.unique(t)
        t, asked_t = np.searchsorted(times, t), np.searchsorted(times, asked_t, "right") - 1
        low, width = 0, len(times) + 1
    at = group * width + (t - low)
    asked = asked_group * width + np.minimum(np.maximum(asked_t - low, -1), width - 2)
    # One stable sort merges two sorted runs in linear time; of equals, those of `at` come first.
    merged = np.argsort(np.concatenate((at, asked)), kind="stable")
    rank: Ints = np.flatnonzero(merged >= len(at)) - np.arange(len(asked))
    return rank


def _joined(parts: list[Baseline]) -> Baseline:
    key, ordinal, n, s, q, missing = zip(*parts, strict=True)
    cat = np.concatenate
    s128, q128 = (Int128(cat([part.high for part in column]), cat([part.low for part in column])) for column in (s, q))
    return Baseline(cat(key), cat(ordinal), cat(n), s128, q128, cat(missing))
