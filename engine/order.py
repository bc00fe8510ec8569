"""What the order of the log makes of a tick: duplicate, late or accepted, and at what time (DESIGN 3, decision 1).

The rules are sequential: whether a row is a duplicate, late or the first of a key that starts anew depends on the rows
before it. Between boundaries (rows at which a key starts anew or its venue's numbering does) all of them are running
maxima. So boundaries are guessed, the rules evaluated over whole columns, and the boundaries that follow taken as the
next guess, until they no longer change. Up to the first wrong boundary everything is right; hence only the true
boundaries confirm themselves. Boundaries that hang on one another in a long chain, as no venue's do, would take a round
each: after a few rounds the rows are walked one by one.
"""

from typing import NamedTuple

import numpy as np
import polars as pl
from msgspec import Struct
from numpy.typing import NDArray

from engine.columns import floats, ints
from engine.grouping import Groups, grouped
from engine.int128 import Floats, Ints
from engine.keys import Keys
from engine.maxima import NEVER, running_max
from engine.window import UNITS_MAX

TIME_MAX_US = 1 << 53
"""Times lie from 1970 to below this, the year 2255."""
EPOCH_STEP = 1_000_000
"""An id further than this below the latest opens a new epoch of the venue's numbering."""
ROUNDS_MAX = 10
"""So many rounds take as long as the walk."""
NAMED_MAX = 1_000
"""Symbols with prices too precise for windows are named up to here."""

Places = NDArray[np.intp]
Mask = NDArray[np.bool_]


class OrderSettings(Struct, frozen=True):
    """`horizon_ms` is G of DESIGN 3; prices are whole units of 10^-decimals, by symbol or `price_decimals`."""

    future_ms: int
    late_ms: int
    horizon_ms: int
    price_decimals: int
    price_decimals_of: dict[str, int]


class Judged(NamedTuple):
    """The accepted rows of a batch, those of a partition in log order.

    `place` is each row's place in the batch, `key` its key's number, `t` the time at which it is scored, `x` its price
    in units of 1 / `scale`, `clock` the log clock after it.
    """

    place: Places
    partition: Ints
    key: Ints
    t: Ints
    x: Ints
    scale: Floats
    clock: Ints

    def take(self, index: Places) -> "Judged":
        """The rows at these places."""
        of_row = (self.partition[index], self.key[index], self.t[index], self.x[index])
        return Judged(self.place[index], *of_row, self.scale[index], self.clock[index])


class KeyOrder(Struct, frozen=True, array_like=True):
    """What is remembered of one key; NEVER where there is nothing yet."""

    exchange: str
    symbol: str
    latest_id: int
    latest_us: int
    clock_us: int


class PartitionOrder(Struct, frozen=True, array_like=True):
    """The order state of one partition: its log clock and its keys."""

    clock_us: int
    keys: tuple[KeyOrder, ...]


class _Rows(NamedTuple):
    """Rows that are not set aside, those of a partition together and in log order: key, trade id, capped time."""

    partition: Ints
    key: Ints
    id: Ints
    c: Ints


class _Facts(NamedTuple):
    """What holds of each row, in the order of `_Rows` sorted by key; `latest` … `clock` as they stand after it."""

    duplicate: Mask
    accepted: Mask
    starts_anew: Mask
    latest_id: Ints
    latest: Ints
    accepted_clock: Ints
    clock: Ints


class Order:
    """The order state of all partitions."""

    def __init__(self, settings: OrderSettings) -> None:
        self._future_us, self._late_us = settings.future_ms * 1000, settings.late_ms * 1000
        self._horizon_us = settings.horizon_ms * 1000
        self._clocks: dict[int, int] = {}
        self.imprecise: set[str] = set()
        """Symbols seen with prices that have more decimals than windows keep; at most NAMED_MAX."""
        self.keys = Keys(lambda symbol: float(10 ** settings.price_decimals_of.get(symbol, settings.price_decimals)))

    def judge(self, ticks: pl.DataFrame) -> tuple[Judged, dict[str, int]]:
        """Apply the rules to the next rows of the log (columns of schema.LOG); how many rows were what, by name."""
        partition = ints(ticks["partition"], -1)
        key = self.keys.of_rows(ticks["partition"], ticks["exchange"], ticks["symbol"])
        price, event = floats(ticks["price"]), ints(ticks["ts_event"], -1)
        received = ints(ticks["ts_received"], NEVER)  # As a time no row has it: where it is null nothing is capped.
        readable = (key >= 0) & np.isfinite(price) & _in_range(event) & (_in_range(received) | (received == NEVER))
        scale = self.keys.scale[key]
        with np.errstate(over="ignore", invalid="ignore"):  # What overflows is out of range.
            units = _round_half_away(np.where(readable, price, 0.0) * scale)
        fits = np.abs(units) < UNITS_MAX

        index = _by_partition(np.flatnonzero(readable & fits), partition)
        told, received = event[index], received[index]
        cap = np.where(received == NEVER, TIME_MAX_US, received) + self._future_us
        ids = ints(ticks["trade_id"], NEVER)[index]
        rows = _Rows(partition[index], key[index], ids, np.minimum(told, cap))
        groups = grouped(rows.key)
        back = np.empty_like(groups.order)
        back[groups.order] = np.arange(len(back))
        facts = self._settle(rows, groups, back)
        number = self._remember(rows, groups, facts)

        taken = np.flatnonzero(facts.accepted[back])
        x, scale, duplicates = units[index].astype(np.int64), scale[index], int(facts.duplicate.sum())
        of_row = (rows.partition[taken], number[back][taken], facts.latest[back][taken])
        judged = Judged(index[taken], *of_row, x[taken], scale[taken], facts.clock[back][taken])
        imprecise = judged.place[judged.x / judged.scale != price[judged.place]]
        if len(imprecise):
            self.imprecise.update(ticks["symbol"][imprecise].unique().head(NAMED_MAX - len(self.imprecise)))
        return judged, {
            "read": len(ticks),
            "unreadable": int((~readable).sum()),
            "out_of_range": int((readable & ~fits).sum()),
            "duplicate": duplicates,
            "late": len(index) - duplicates - len(taken),
            "ahead": int((told > cap).sum()),
            "imprecise": len(imprecise),
        }

    def _settle(self, rows: _Rows, groups: Groups, back: Places) -> _Facts:
        """Find the boundaries and what follows from them."""
        ids, c, first = rows.id[groups.order], rows.c[groups.order], groups.first
        is_first = _marked(first, len(ids))
        latest_id_before, latest_before, clock_before = (
            column[groups.present] for column in (self.keys.latest_id, self.keys.latest, self.keys.clock)
        )
        id_at_first, t_at_first = (_placed(each, first, len(ids)) for each in (latest_id_before, latest_before))
        parts = np.flatnonzero(np.diff(rows.partition, prepend=-1))
        clocks = np.array([self.clock(part) for part in rows.partition[parts].tolist()], np.int64)

        anew = np.zeros(len(ids), np.bool_)
        epochs = _falls(_one_before(ids, first, latest_id_before), ids)
        rounds = 0
        while True:
            rounds += 1
            starts = is_first | anew | epochs
            before, latest_id = _maxima(ids, starts, np.where(anew | epochs, NEVER, id_at_first))
            duplicate = (ids != NEVER) & (ids <= before)
            told = np.where(duplicate, NEVER, c)
            by_log = running_max(told[back], parts, clocks)
            clock_at, clock = (column[groups.order] for column in by_log)
            before, latest = _maxima(told, is_first | anew, np.where(anew, NEVER, t_at_first))
            accepted = ~duplicate & ((before == NEVER) | (c >= before - self._late_us))
            last, accepted_clock = running_max(np.where(accepted, clock, NEVER), first, clock_before)
            truly_anew = (last != NEVER) & (clock_at - last > self._horizon_us)
            truly_epochs = _falls(_one_before(latest_id, first, latest_id_before), ids) & ~truly_anew
            truly_epochs &= starts | _first_of_each(truly_epochs & ~starts, starts)
            is_settled = np.array_equal(truly_anew, anew) and np.array_equal(truly_epochs, epochs)
            if is_settled or rounds > ROUNDS_MAX:  # What was walked is right.
                return _Facts(duplicate, accepted, anew, latest_id, latest, accepted_clock, clock)
            anew, epochs = (truly_anew, truly_epochs) if rounds < ROUNDS_MAX else self._walk(rows, groups, back)

    def _walk(self, rows: _Rows, groups: Groups, back: Places) -> tuple[Mask, Mask]:
        """The boundaries, found row by row: where keys start anew, where their numbering does."""
        remembered = (self.keys.latest_id, self.keys.latest, self.keys.clock)
        latest_id, latest, accepted_clock = (column[groups.present].tolist() for column in remembered)
        clocks = {partition: self.clock(partition) for partition in np.unique(rows.partition).tolist()}
        anew, epochs = [], []
        columns = (rows.partition, groups.of_row[back], rows.id, rows.c)
        for at, (partition, key, trade_id, c) in enumerate(zip(*(each.tolist() for each in columns), strict=True)):
            if accepted_clock[key] != NEVER and clocks[partition] - accepted_clock[key] > self._horizon_us:
                latest_id[key] = latest[key] = NEVER
                anew.append(at)
            elif trade_id != NEVER and latest_id[key] - trade_id > EPOCH_STEP:
                latest_id[key] = NEVER
                epochs.append(at)
            if trade_id != NEVER and trade_id <= latest_id[key]:
                continue
            latest_id[key] = max(latest_id[key], trade_id)
            clocks[partition] = max(clocks[partition], c)
            if latest[key] == NEVER or c >= latest[key] - self._late_us:
                latest[key], accepted_clock[key] = max(latest[key], c), clocks[partition]
        return _marked(back[anew], len(back)), _marked(back[epochs], len(back))

    def _remember(self, rows: _Rows, groups: Groups, facts: _Facts) -> Ints:
        """Take the state after these rows over; the number of each row's key, a new one from where it starts anew."""
        number = groups.present[groups.of_row]
        group_ends = groups.first + groups.counts
        for at in np.flatnonzero(facts.starts_anew).tolist():
            name = self.keys.name(int(number[at]))
            number[at : group_ends[groups.of_row[at]]] = self.keys.renumber(name)
        last = group_ends - 1
        self.keys.latest_id[number[last]] = facts.latest_id[last]
        self.keys.latest[number[last]] = facts.latest[last]
        self.keys.clock[number[last]] = facts.accepted_clock[last]
        clock = np.empty_like(facts.clock)
        clock[groups.order] = facts.clock
        ends = np.flatnonzero(np.diff(rows.partition, append=-1))
        self._clocks |= zip(rows.partition[ends].tolist(), clock[ends].tolist(), strict=True)
        return number

    def clock(self, partition: int) -> int:
        """The log clock; NEVER before the first accepted row."""
        return self._clocks.get(partition, NEVER)

    def forget_dead(self, partition: int) -> None:
        """Let go of keys that would start anew with their next row, and of those that never had one accepted."""
        numbers = self.keys.of_partition(partition)
        since = self.keys.clock[numbers]
        for number in numbers[(since == NEVER) | (self.clock(partition) - since > self._horizon_us)].tolist():
            self.keys.retire(self.keys.name(number))

    def snapshot(self, partition: int) -> PartitionOrder:
        """The order state of a partition as it stands."""
        keys = self.keys
        rows = [
            KeyOrder(*keys.name(at)[1:], int(keys.latest_id[at]), int(keys.latest[at]), int(keys.clock[at]))
            for at in keys.of_partition(partition).tolist()
        ]
        return PartitionOrder(self.clock(partition), tuple(rows))

    def restore(self, partition: int, state: PartitionOrder) -> None:
        """Go on from a snapshot."""
        self._clocks[partition] = state.clock_us
        for each in state.keys:
            at = self.keys.number((partition, each.exchange, each.symbol))
            self.keys.latest_id[at], self.keys.latest[at] = each.latest_id, each.latest_us
            self.keys.clock[at] = each.clock_us


def _in_range(times: Ints) -> Mask:
    within: Mask = (times >= 0) & (times < TIME_MAX_US)
    return within


def _round_half_away(values: Floats) -> Floats:
    """The nearest whole number, halves away from zero (numpy's own rounding takes them to even)."""
    size = np.abs(values)
    down = np.floor(size)
    rounded: Floats = np.copysign(down + (size - down >= 0.5), values)
    return rounded


def _by_partition(index: Places, partition: Ints) -> Places:
    """Bring the rows of a partition together, keeping their order."""
    of_row = partition[index]
    return index if (np.diff(of_row) >= 0).all() else index[np.argsort(of_row, kind="stable")]


def _marked(places: Places, size: int) -> Mask:
    mask = np.zeros(size, np.bool_)
    mask[places] = True
    return mask


def _one_before(column: Ints, first: Ints, initial: Ints) -> Ints:
    """Each row's value one row earlier in its group; `initial` at the group's first."""
    before = np.empty_like(column)
    before[1:] = column[:-1]
    before[first] = initial
    return before


def _falls(before: Ints, ids: Ints) -> Mask:
    """Where an id lies so far below the one before that it opens a new epoch."""
    far = (before - ids).view(np.uint64) > EPOCH_STEP  # Unsigned: the distance may pass 2^63.
    falls: Mask = (before != NEVER) & (ids != NEVER) & (ids < before) & far
    return falls


def _placed(values: Ints, places: Places, size: int) -> Ints:
    column = np.full(size, NEVER)
    column[places] = values
    return column


def _maxima(values: Ints, starts: Mask, initial: Ints) -> tuple[Ints, Ints]:
    """Running maxima before and after each row, from the row's `initial` on at each start."""
    places = np.flatnonzero(starts)
    return running_max(values, places, initial[places])


def _first_of_each(rows: Mask, starts: Mask) -> Mask:
    """Of the marked rows only the first in each segment."""
    places = np.flatnonzero(rows)
    segment = np.cumsum(starts)[places]
    return _marked(places[np.diff(segment, prepend=-1) != 0], len(rows))
