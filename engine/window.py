"""Exact trailing windows (DESIGN 4): n, s = sum(x_i - x), q = sum((x_i - x)^2) over earlier ticks in (t - span, t].

Prices are whole units, sums are 128-bit integers, so the result depends on the ticks alone: not on how the log was
cut or for how long it has run. Per key and span there are the sums of x and x^2 over what is inside; a tick first
takes off what it pushes out, then is measured by shifting the sums to its own price, then comes in itself. The work of
a tick follows what comes and goes, not what lies in between.
"""

from typing import Any, NamedTuple, TypeAlias

import numpy as np
from msgspec import Struct

from engine.columns import Floats, Ints, Mask, Places, Words, extended
from engine.compiled import compiled, given

UNITS_MAX = 1 << 50
"""Prices in units must stay below this in magnitude."""

SPAN_MS_MAX = 3_155_760_000_000
"""The longest window: a century."""

BLOCK = 16
"""Ticks of one key that lie together."""

_BLOCKS_MIN = 256
_TICK = np.dtype([("t", "i8"), ("x", "i8"), ("offset", "i8"), ("row", "i4"), ("missing", "i4")])
_WORDS_OF_SUMS = ("s_high", "s_low", "q_high", "q_low")
_EDGE = np.dtype([(name, "i8") for name in ("first", "n", "missing")] + [(name, "u8") for name in _WORDS_OF_SUMS])
_FREE, _LEFT, _HELD = range(3)
_FLAT = 2.0**-48
_NONE, _ONE = np.uint64(0), np.uint64(1)
_HALF, _LOW_HALF, _SIGN = np.uint64(32), np.uint64(0xFFFF_FFFF), np.uint64(63)
_WORD = 2.0**64

Word: TypeAlias = np.uint64
_Records: TypeAlias = Any  # Arrays of _TICK or _EDGE.


class Window(Struct, frozen=True):
    """The last `span_ms` of a series, for each key."""

    series: str
    span_ms: int


class Ticks(NamedTuple):
    """Accepted rows in log order: key, time in us (never back within a key), price in units, missing, place.

    `anew` where a key starts anew with the row: what its windows held is forgotten.
    """

    key: Ints
    t: Ints
    x: Ints
    missing: Ints
    offset: Ints
    row: Ints
    anew: Mask


class Int128(NamedTuple):
    """Whole numbers in two words each, in two's complement."""

    high: Words
    low: Words

    def take(self, index: Places) -> "Int128":
        """The rows at these places."""
        return Int128(self.high[index], self.low[index])

    def to_ints(self) -> list[int]:
        """Python's own integers."""
        signed = self.high.view(np.int64)
        return [(high << 64) + low for high, low in zip(signed.tolist(), self.low.tolist(), strict=True)]


class Baseline(NamedTuple):
    """What a window held before each row: count, trades known missing, exact sums about the row's own price.

    `first`, `before` and `own` say where the first row inside, the key's row before and the row itself are kept.
    """

    n: Ints
    missing: Ints
    s: Int128
    q: Int128
    first: Ints
    before: Ints
    own: Ints

    def take(self, index: Places) -> "Baseline":
        """The rows at these places."""
        kept = (self.first[index], self.before[index], self.own[index])
        return Baseline(self.n[index], self.missing[index], self.s.take(index), self.q.take(index), *kept)


class _Store(NamedTuple):
    """The ticks inside, in blocks: a key's blocks are a chain, in which `after` leads from each to the next.

    `counts` holds how many blocks are free, how many have left all windows since the last batch, and how many ticks are
    inside the longest window; `free` and `left` hold the numbers of those blocks.
    """

    ticks: _Records
    after: Ints
    free: Ints
    left: Ints
    counts: Ints


class PriceWindows:
    """Windows of several spans over one price series; they share the ticks and all that is known of them."""

    def __init__(self, spans_ms: tuple[int, ...]) -> None:
        self._spans_ms = sorted(spans_ms)
        self._spans_us = np.array(self._spans_ms, np.int64) * 1_000
        none = np.zeros(0, np.int64)
        self._store = _Store(np.zeros(0, _TICK), none, none, none, np.zeros(3, np.int64))
        self._newest = np.zeros(0, np.int64)
        """Of each key 1 + where its newest tick is kept; 0 where there is none."""
        self._edges = np.zeros((0, len(spans_ms)), _EDGE)

    @property
    def ticks_held(self) -> int:
        """Ticks inside the longest window, over all keys."""
        return int(self._store.counts[_HELD])

    @property
    def bytes_held(self) -> int:
        """Bytes of the store."""
        return sum(column.nbytes for column in self._store)

    def forget(self, keys: Ints) -> None:
        """Empty the windows of these keys."""
        _forget(keys[keys < len(self._newest)], self._store, self._newest, self._edges)

    def measure(self, ticks: Ticks) -> dict[int, Baseline]:
        """Take the next rows of the log in; for each span the baseline that each of them had before it."""
        _reuse_left(self._store)
        more = int(ticks.key.max(initial=-1)) + 1 - len(self._newest)
        if more > 0:
            self._newest, self._edges = extended(self._newest, more), extended(self._edges, more)
        rows, spans = len(ticks.key), len(self._spans_ms)
        n, missing, first = (np.empty((spans, rows), np.int64) for _ in range(3))
        s, q = (Int128(np.empty((spans, rows), np.uint64), np.empty((spans, rows), np.uint64)) for _ in range(2))
        before, own = np.empty(rows, np.int64), np.empty(rows, np.int64)
        found = Baseline(n, missing, s, q, first, before, own)
        ticks, measured = Ticks._make(map(given, ticks)), 0
        while measured < rows:
            measured = _measure(ticks, self._spans_us, self._store, self._newest, self._edges, found, measured)
            if measured < rows:
                self._grow()
        return {
            span: Baseline(
                n[at], missing[at], Int128(s.high[at], s.low[at]), Int128(q.high[at], q.low[at]), first[at], before, own
            )
            for at, span in enumerate(self._spans_ms)
        }

    def place(self, kept: Ints) -> tuple[Ints, Ints]:
        """Offset and row of ticks by where they are kept; to be asked before the next rows are measured."""
        ticks = self._store.ticks[kept]
        return ticks["offset"], ticks["row"].astype(np.int64)

    def oldest_offset(self, keys: Ints) -> int | None:
        """The lowest offset of a tick that a window of these keys still holds."""
        edges = self._edges[keys[keys < len(self._newest)], -1]
        oldest = edges["first"][edges["n"] > 0]
        return int(self._store.ticks["offset"][oldest].min()) if len(oldest) else None

    def _grow(self) -> None:
        """Make a quarter more room."""
        ticks, after, free, left, counts = self._store
        blocks = len(after)
        more = max(blocks // 4, _BLOCKS_MIN)
        free = extended(free, more)
        free[counts[_FREE] : counts[_FREE] + more] = np.arange(blocks, blocks + more)
        counts[_FREE] += more
        self._store = _Store(extended(ticks, more * BLOCK), extended(after, more), free, extended(left, more), counts)


def statistics(baseline: Baseline, x: Ints, scale: Floats, *, inclusive: bool) -> tuple[Ints, Floats, Floats, Floats]:
    """n, mean, std and z of each row (DESIGN 4), in this order of float64 operations; NaN stands for null.

    `scale` is 10^decimals. mean and std are in quote units, z has none. Mean and variance about a shifted origin as in
    Chan, Golub & LeVeque, "Algorithms for Computing the Sample Variance", The American Statistician 37 (1983) 242-247.
    """
    n = baseline.n + 1 if inclusive else baseline.n
    mean, std, z = (np.empty(len(n)) for _ in range(3))
    s, q = (Int128._make(map(given, sums)) for sums in (baseline.s, baseline.q))
    _statistics(given(n), s, q, given(x), given(scale), mean, std, z)
    return n, mean, std, z


@compiled
def _sign(value: int) -> Word:
    """The high word of a signed word."""
    return np.uint64(value >> 63)


@compiled
def plus(a_high: Word, a_low: Word, b_high: Word, b_low: Word) -> tuple[Word, Word]:
    """The sum of two whole numbers of two words each, modulo 2^128."""
    low = a_low + b_low
    return a_high + b_high + (_ONE if low < b_low else _NONE), low


@compiled
def minus(a_high: Word, a_low: Word, b_high: Word, b_low: Word) -> tuple[Word, Word]:
    """The difference, modulo 2^128."""
    return a_high - b_high - (_ONE if a_low < b_low else _NONE), a_low - b_low


@compiled
def times(high: Word, low: Word, factor: int) -> tuple[Word, Word]:
    """The product with a signed word, modulo 2^128."""
    word = np.uint64(factor)
    a1, a0, b1, b0 = low >> _HALF, low & _LOW_HALF, word >> _HALF, word & _LOW_HALF
    middle = a1 * b0 + (a0 * b0 >> _HALF)
    carried = (middle & _LOW_HALF) + a0 * b1
    product_high = a1 * b1 + (middle >> _HALF) + (carried >> _HALF) + high * word
    if factor < 0:  # A negative factor stands for word - 2^64, which takes `low` off the high word again.
        product_high -= low
    return product_high, low * word


@compiled
def to_float(high: Word, low: Word) -> float:
    """Sign x (high x 2^64 + low) of the magnitude, each word rounded to float64 by itself."""
    if high >> _SIGN:
        low = _NONE - low
        high = ~high + (_ONE if low == _NONE else _NONE)
        return -(float(high) * _WORD + float(low))
    return float(high) * _WORD + float(low)


@compiled
def _statistics(n: Ints, s: Int128, q: Int128, x: Ints, scale: Floats, mean: Floats, std: Floats, z: Floats) -> None:
    for i in range(len(n)):
        s_, q_, n_ = to_float(s.high[i], s.low[i]), to_float(q.high[i], q.low[i]), float(n[i])
        m = s_ / n_
        around = q_ - s_ * m
        variance = 0.0 if around <= q_ * _FLAT else around / (n_ - 1.0)
        root = np.sqrt(variance) if n[i] > 1 else np.nan
        mean[i] = (float(x[i]) + m) / scale[i]
        std[i] = root / scale[i]
        z[i] = -m / root


@compiled
def _measure(
    ticks: Ticks, spans_us: Ints, store: _Store, newest: Ints, edges: _Records, found: Baseline, start: int
) -> int:
    """Measure the rows from `start` on and take them in; the row for which there was no room."""
    keys, at_us, prices, missings, offsets, rows, anews = ticks
    kept, after, free, left, counts = store
    found_n, found_missing, (s_highs, s_lows), (q_highs, q_lows), firsts, befores, owns = found
    longest = len(spans_us) - 1
    for i in range(start, len(keys)):
        if counts[_FREE] == 0:
            return i
        key, t, x, missing = keys[i], at_us[i], prices[i], missings[i]
        if anews[i]:
            _release(key, store, newest, edges, left, _LEFT)
        own = newest[key]
        befores[i] = own - 1
        if own % BLOCK == 0:
            counts[_FREE] -= 1
            block = free[counts[_FREE]]
            if own > 0:
                after[own // BLOCK - 1] = block
            else:
                edges[key].first[:] = block * BLOCK
            own = block * BLOCK
        owns[i] = own
        leaving, oldest_block = edges[key, longest].n, edges[key, longest].first // BLOCK
        square_high, square_low = times(_sign(x), np.uint64(x), x)
        for w in range(len(spans_us)):
            edge = edges[key, w]
            _drop(edge, t - spans_us[w], kept, after)
            # Shifted to x: sum(x_i - x) = s - n x, and sum((x_i - x)^2) = q - x (s + (s - n x)).
            by_high, by_low = times(_NONE, np.uint64(edge.n), x)
            s_high, s_low = minus(edge.s_high, edge.s_low, by_high, by_low)
            by_high, by_low = plus(edge.s_high, edge.s_low, s_high, s_low)
            by_high, by_low = times(by_high, by_low, x)
            q_high, q_low = minus(edge.q_high, edge.q_low, by_high, by_low)
            edge.missing += missing
            found_n[w, i], found_missing[w, i], firsts[w, i] = edge.n, edge.missing, edge.first
            s_highs[w, i], s_lows[w, i], q_highs[w, i], q_lows[w, i] = s_high, s_low, q_high, q_low
            edge.n += 1
            edge.s_high, edge.s_low = plus(edge.s_high, edge.s_low, _sign(x), np.uint64(x))
            edge.q_high, edge.q_low = plus(edge.q_high, edge.q_low, square_high, square_low)
        kept[own].t, kept[own].x, kept[own].missing = t, x, missing
        kept[own].offset, kept[own].row = offsets[i], rows[i]
        newest[key] = own + 1
        counts[_HELD] += edges[key, longest].n - leaving
        while oldest_block != edges[key, longest].first // BLOCK:
            left[counts[_LEFT]] = oldest_block
            counts[_LEFT] += 1
            oldest_block = after[oldest_block]
    return len(keys)


@compiled
def _drop(edge: _Records, limit: int, kept: _Records, after: Ints) -> None:
    """Take off what is not after `limit`."""
    while edge.n > 0 and kept[edge.first].t <= limit:
        gone = kept[edge.first]
        high, low = times(_sign(gone.x), np.uint64(gone.x), gone.x)
        edge.s_high, edge.s_low = minus(edge.s_high, edge.s_low, _sign(gone.x), np.uint64(gone.x))
        edge.q_high, edge.q_low = minus(edge.q_high, edge.q_low, high, low)
        edge.missing -= gone.missing
        edge.n -= 1
        edge.first += 1
        if edge.first % BLOCK == 0:
            edge.first = after[edge.first // BLOCK - 1] * BLOCK


@compiled
def _release(key: int, store: _Store, newest: Ints, edges: _Records, to: Ints, count: int) -> None:
    """Empty a key's windows; its blocks go onto the stack `to`."""
    if newest[key] > 0:
        edge, last = edges[key, edges.shape[1] - 1], (newest[key] - 1) // BLOCK
        block = edge.first // BLOCK
        while True:
            to[store.counts[count]] = block
            store.counts[count] += 1
            if block == last:
                break
            block = store.after[block]
        store.counts[_HELD] -= edge.n
    newest[key] = 0
    for w in range(edges.shape[1]):
        edge = edges[key, w]
        edge.n = edge.missing = edge.first = 0
        edge.s_high = edge.s_low = edge.q_high = edge.q_low = _NONE


@compiled
def _forget(keys: Ints, store: _Store, newest: Ints, edges: _Records) -> None:
    for key in keys:
        _release(key, store, newest, edges, store.free, _FREE)


@compiled
def _reuse_left(store: _Store) -> None:
    for at in range(store.counts[_LEFT]):
        store.free[store.counts[_FREE]] = store.left[at]
        store.counts[_FREE] += 1
    store.counts[_LEFT] = 0
