"""The loop that shifts trailing windows along the log, and the whole-number arithmetic of their sums; all compiled.

The ticks inside lie in blocks of one key each, and the blocks of a key are a chain. Of each key and span the oldest
tick inside is known and the sums over what is inside: a tick takes off what it pushes out, is measured by shifting the
sums to its own value, and comes in itself. For extremes a key has a descending and an ascending chain of ticks, those
that no later tick has surpassed; each span knows where its own begins, and that tick is its extreme (Lemire,
"Streaming maximum-minimum filter using no more than three comparisons per element", Nordic J. of Computing 13, 2006).
"""

from typing import Any, NamedTuple, TypeAlias

import numpy as np

from engine.columns import NEVER, Floats, Ints, Mask, Places, Words
from engine.compiled import compiled, inlined

BLOCK = 16
"""Ticks of one key that lie together."""

TICK = np.dtype([("t", "i8"), ("x", "i8"), ("offset", "i8"), ("row", "i4"), ("missing", "i4")])
_SUMS = [(name, "u8") for name in ("s_high", "s_low", "q_high", "q_low")]
EDGE = np.dtype([("first", "i8"), ("n", "i8"), ("missing", "i8"), *_SUMS])
SUM = np.dtype([("n", "i8"), *_SUMS])

FREE, LEFT, HELD = range(3)
"""Places in Store.counts."""
NONE = -1
_NEXT, _PREVIOUS = 0, 1
_NOTHING, _ONE = np.uint64(0), np.uint64(1)
_HALF, _LOW_HALF, _SIGN = np.uint64(32), np.uint64(0xFFFF_FFFF), np.uint64(63)
_WORD = 2.0**64
_FLAT = 2.0**-48

Word: TypeAlias = np.uint64
Sums: TypeAlias = tuple[int, Word, Word, Word, Word]
"""How many values, and the words of the sums of the values and of their squares."""
Records: TypeAlias = Any
"""An array of TICK, EDGE or SUM, or one of its records."""


class Ticks(NamedTuple):
    """Accepted rows in log order: key, time in us (never back within a key), price in units, missing, place.

    `anew` where a key starts anew with the row: what its windows held is forgotten. `values` are the units of further
    series, a column each, NEVER where unknown.
    """

    key: Ints
    t: Ints
    x: Ints
    missing: Ints
    offset: Ints
    row: Ints
    anew: Mask
    values: Ints


class Plan(NamedTuple):
    """What is measured: the price over each span (they rise), some other sums and some extremes over some of them.

    Sums and fronts are sorted by span: those of span w are numbers first_…[w] up to first_…[w + 1]. A front is where
    the chain of a span begins. Columns are those of `values`, NONE stands for the price.
    """

    spans_us: Ints
    first_sum: Ints
    column_of_sum: Ints
    first_front: Ints
    chain_of_front: Ints
    column_of_chain: Ints
    sign_of_chain: Ints
    longest_front: Ints


class Store(NamedTuple):
    """The ticks inside, by slot: themselves, further values, their places in chains; `after` links blocks.

    `counts` tells how many blocks are free, how many have left all windows since the last batch, and how many ticks are
    inside the longest window; `free` and `left` hold the numbers of those blocks.
    """

    ticks: Records
    values: Ints
    links: Ints
    after: Ints
    free: Ints
    left: Ints
    counts: Ints


class Held(NamedTuple):
    """What is known of each key: 1 + the slot of its newest tick (0: none), then by span, sum, front and chain."""

    newest: Ints
    edges: Records
    sums: Records
    fronts: Ints
    backs: Ints


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


class Found(NamedTuple):
    """Room for what is measured of each row: by span, by sum, by front; the slots of the key's row before and own."""

    n: Ints
    missing: Ints
    first: Ints
    s: Int128
    q: Int128
    sum_n: Ints
    sum_s: Int128
    sum_q: Int128
    extreme: Ints
    before: Ints
    own: Ints


@compiled
def measure(  # noqa: C901, PLR0912, PLR0915 - one loop: arrays handed on would have their references counted every row
    ticks: Ticks, plan: Plan, store: Store, held: Held, found: Found, start: int
) -> int:
    """Measure the rows from `start` on and take them in; the row for which there was no room."""
    keys, at_us, prices, missings, offsets, rows, anews, own_values = ticks
    spans_us, first_sum, column_of_sum, first_front, chain_of_front, column_of_chain, signs, longest_front = plan
    kept, values, links, after, free, left, counts = store
    newest, edges, sums, fronts, backs = held
    n, missing, first, (s_high, s_low), (q_high, q_low), sum_n, sum_s, sum_q, extreme, befores, owns = found
    (sum_s_high, sum_s_low), (sum_q_high, sum_q_low), longest = sum_s, sum_q, len(spans_us) - 1
    for i in range(start, len(keys)):
        if counts[FREE] == 0:
            return i
        key, t, x = keys[i], at_us[i], prices[i]
        if anews[i]:
            _release(key, store, held, left, LEFT)

        # A slot of its own, in a block that is free where the key's last one is full.
        before = newest[key] - 1
        own = before + 1
        if own % BLOCK == 0:
            counts[FREE] -= 1
            own = free[counts[FREE]] * BLOCK
            if before == NONE:
                edges[key].first[:] = own
            else:
                after[before // BLOCK] = own // BLOCK
        newest[key], befores[i], owns[i] = own + 1, before, own
        kept[own].t, kept[own].x, kept[own].missing = t, x, missings[i]
        kept[own].offset, kept[own].row = offsets[i], rows[i]
        for column in range(values.shape[1]):
            values[own, column] = own_values[i, column]

        inside, block = edges[key, longest].n, edges[key, longest].first // BLOCK
        for w in range(len(spans_us)):
            edge = edges[key, w]
            held_first, held_missing, of_price = edge.first, edge.missing, _loaded(edge)
            # What the span leaves behind goes out of its sums, and its fronts move on.
            while of_price[0] > 0 and kept[held_first].t <= t - spans_us[w]:
                gone = held_first
                of_price = _without(of_price, kept[gone].x)
                held_missing -= kept[gone].missing
                for m in range(first_sum[w], first_sum[w + 1]):
                    if values[gone, column_of_sum[m]] != NEVER:
                        _store(sums[key, m], _without(_loaded(sums[key, m]), values[gone, column_of_sum[m]]))
                for f in range(first_front[w], first_front[w + 1]):
                    if fronts[key, f] == gone:
                        is_last = backs[key, chain_of_front[f]] == gone
                        fronts[key, f] = NONE if is_last else links[gone, chain_of_front[f], _NEXT]
                held_first = gone + 1 if (gone + 1) % BLOCK else after[gone // BLOCK] * BLOCK
            # What is left is told about the row's own values, and those come in.
            held_missing += missings[i]
            n[w, i], missing[w, i], first[w, i] = of_price[0], held_missing, held_first
            s_high[w, i], s_low[w, i], q_high[w, i], q_low[w, i] = _shifted(of_price, x)
            edge.first, edge.missing = held_first, held_missing
            _store(edge, _with(of_price, x))
            for m in range(first_sum[w], first_sum[w + 1]):
                value, of_series = own_values[i, column_of_sum[m]], _loaded(sums[key, m])
                about = value if value != NEVER else 0
                sum_n[m, i] = of_series[0]
                sum_s_high[m, i], sum_s_low[m, i], sum_q_high[m, i], sum_q_low[m, i] = _shifted(of_series, about)
                if value != NEVER:
                    _store(sums[key, m], _with(of_series, value))
            for f in range(first_front[w], first_front[w + 1]):
                column = column_of_chain[chain_of_front[f]]
                extreme[f, i] = _value(fronts[key, f], column, kept, values) if fronts[key, f] != NONE else NEVER

        # In each chain the row takes the place of those that it reaches or surpasses.
        for chain in range(len(column_of_chain)):
            column, sign = column_of_chain[chain], signs[chain]
            value = _value(own, column, kept, values)
            if value == NEVER:
                continue
            begin = fronts[key, longest_front[chain]]
            back = backs[key, chain] if begin != NONE else NONE
            while back != NONE and sign * _value(back, column, kept, values) <= sign * value:
                back = links[back, chain, _PREVIOUS] if back != begin else NONE
            links[own, chain, _PREVIOUS] = back
            if back != NONE:
                links[back, chain, _NEXT] = own
            backs[key, chain] = own
            for f in range(len(chain_of_front)):
                if chain_of_front[f] == chain:
                    front = fronts[key, f]
                    if front == NONE or sign * _value(front, column, kept, values) <= sign * value:
                        fronts[key, f] = own

        # The blocks that the longest span has left are no longer needed after the batch.
        counts[HELD] += edges[key, longest].n - inside
        while block != edges[key, longest].first // BLOCK:
            left[counts[LEFT]] = block
            counts[LEFT] += 1
            block = after[block]
    return len(keys)


@inlined
def _loaded(sums: Records) -> Sums:
    return sums.n, sums.s_high, sums.s_low, sums.q_high, sums.q_low


@inlined
def _store(sums: Records, held: Sums) -> None:
    sums.n, sums.s_high, sums.s_low, sums.q_high, sums.q_low = held


@inlined
def _with(sums: Sums, value: int) -> Sums:
    n, s_high, s_low, q_high, q_low = sums
    high, low = times(_sign(value), np.uint64(value), value)
    s_high, s_low = plus(s_high, s_low, _sign(value), np.uint64(value))
    q_high, q_low = plus(q_high, q_low, high, low)
    return n + 1, s_high, s_low, q_high, q_low


@inlined
def _without(sums: Sums, value: int) -> Sums:
    n, s_high, s_low, q_high, q_low = sums
    high, low = times(_sign(value), np.uint64(value), value)
    s_high, s_low = minus(s_high, s_low, _sign(value), np.uint64(value))
    q_high, q_low = minus(q_high, q_low, high, low)
    return n - 1, s_high, s_low, q_high, q_low


@inlined
def _shifted(sums: Sums, x: int) -> tuple[Word, Word, Word, Word]:
    """sum(v - x) = s - n x, and sum((v - x)^2) = q - x (s + (s - n x))."""
    n, s_high, s_low, q_high, q_low = sums
    high, low = times(_NOTHING, np.uint64(n), x)
    out_high, out_low = minus(s_high, s_low, high, low)
    high, low = plus(s_high, s_low, out_high, out_low)
    high, low = times(high, low, x)
    q_high, q_low = minus(q_high, q_low, high, low)
    return out_high, out_low, q_high, q_low


@inlined
def _value(slot: int, column: int, kept: Records, values: Ints) -> int:
    return kept[slot].x if column == NONE else values[slot, column]  # type: ignore[no-any-return]


@compiled
def _release(key: int, store: Store, held: Held, to: Ints, count: int) -> None:
    """Empty a key's windows; its blocks go onto the stack `to`."""
    if held.newest[key] > 0:
        edge, last = held.edges[key, held.edges.shape[1] - 1], (held.newest[key] - 1) // BLOCK
        block = edge.first // BLOCK
        while True:
            to[store.counts[count]] = block
            store.counts[count] += 1
            if block == last:
                break
            block = store.after[block]
        store.counts[HELD] -= edge.n
    held.newest[key] = 0
    for w in range(held.edges.shape[1]):
        held.edges[key, w].missing = 0
        _empty(held.edges[key, w])
    for m in range(held.sums.shape[1]):
        _empty(held.sums[key, m])
    held.fronts[key, :] = NONE
    held.backs[key, :] = NONE


@compiled
def _empty(sums: Records) -> None:
    sums.n = 0
    sums.s_high = sums.s_low = sums.q_high = sums.q_low = _NOTHING


@compiled
def forget(keys: Ints, store: Store, held: Held) -> None:
    """Empty the windows of these keys; their blocks are free at once."""
    for key in keys:
        _release(key, store, held, store.free, FREE)


@compiled
def reuse_left(store: Store) -> None:
    """What left all windows with the last batch is free from now on."""
    for at in range(store.counts[LEFT]):
        store.free[store.counts[FREE]] = store.left[at]
        store.counts[FREE] += 1
    store.counts[LEFT] = 0


@compiled
def statistics(n: Ints, s: Int128, q: Int128, x: Ints, scale: Floats, mean: Floats, std: Floats, z: Floats) -> None:
    """Mean, std and z of each row, in the order of operations of DESIGN 4; NaN stands for null."""
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
def totals(n: Ints, s: Int128, x: Ints, total: Floats) -> None:
    """sum(v) of each row from s = sum(v - x), as float64."""
    for i in range(len(n)):
        high, low = times(_NOTHING, np.uint64(n[i]), x[i])
        high, low = plus(s.high[i], s.low[i], high, low)
        total[i] = to_float(high, low)


@inlined
def _sign(value: int) -> Word:
    """The high word of a signed word."""
    return np.uint64(value >> 63)


@inlined
def plus(a_high: Word, a_low: Word, b_high: Word, b_low: Word) -> tuple[Word, Word]:
    """The sum of two whole numbers of two words each, modulo 2^128."""
    low = a_low + b_low
    return a_high + b_high + (_ONE if low < b_low else _NOTHING), low


@inlined
def minus(a_high: Word, a_low: Word, b_high: Word, b_low: Word) -> tuple[Word, Word]:
    """The difference, modulo 2^128."""
    return a_high - b_high - (_ONE if a_low < b_low else _NOTHING), a_low - b_low


@inlined
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


@inlined
def to_float(high: Word, low: Word) -> float:
    """Sign x (high x 2^64 + low) of the magnitude, each word rounded to float64 by itself."""
    if high >> _SIGN:
        low = _NOTHING - low
        high = ~high + (_ONE if low == _NOTHING else _NOTHING)
        return -(float(high) * _WORD + float(low))
    return float(high) * _WORD + float(low)
