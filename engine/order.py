"""What the order of the log makes of a tick: duplicate, late or accepted, and at what time (DESIGN 3, decision 1)."""

from typing import NamedTuple

import numpy as np
import polars as pl
from msgspec import Struct

from engine.columns import NEVER, Floats, Ints, Mask, Places, extended, floats, ints
from engine.compiled import compiled, given
from engine.keys import Keys
from engine.window import UNITS_MAX

TIME_MAX_US = 1 << 53
"""Times lie from 1970 to below this, the year 2255."""
EPOCH_STEP = 1_000_000
"""An id further than this below the latest opens a new epoch of the venue's numbering."""
NAMED_MAX = 1_000
"""Symbols with prices too precise for windows are named up to here."""

_COUNTED = ("read", "unreadable", "out_of_range", "duplicate", "late", "ahead", "imprecise")
_READ, _UNREADABLE, _OUT_OF_RANGE, _DUPLICATE, _LATE, _AHEAD, _IMPRECISE = range(7)


class OrderSettings(Struct, frozen=True):
    """`horizon_ms` is G of DESIGN 3; values are whole units of 10^-decimals, by symbol or the same for all."""

    future_ms: int
    late_ms: int
    horizon_ms: int
    price_decimals: int
    price_decimals_of: dict[str, int]
    size_decimals: int = 8
    size_decimals_of: dict[str, int] = {}


class Judged(NamedTuple):
    """The accepted rows of a batch, those of a partition in log order.

    `place` is each row's place in the batch, the next three are its place in the log, `key` is its key's number, `t`
    the time at which it is scored, `x` its price in units of 1 / `scale`, `clock` the log clock after it, `anew`
    whether its key starts anew with it, `change` its price less that of the key's row before, NEVER at the first, and
    `since` the time of the key's first accepted row.
    """

    place: Places
    partition: Ints
    offset: Ints
    row: Ints
    key: Ints
    t: Ints
    x: Ints
    scale: Floats
    clock: Ints
    anew: Mask
    change: Ints
    since: Ints
    size_scale: Floats

    def take(self, index: Places) -> "Judged":
        """The rows at these places."""
        return Judged._make(column[index] for column in self)


class KeyOrder(Struct, frozen=True, array_like=True):
    """What is remembered of one key; NEVER where there is nothing yet. The price is in quote units."""

    exchange: str
    symbol: str
    latest_id: int
    latest_us: int
    clock_us: int
    latest_price: float | None
    since_us: int


class PartitionOrder(Struct, frozen=True, array_like=True):
    """The order state of one partition: its log clock and its keys."""

    clock_us: int
    keys: tuple[KeyOrder, ...]


class _Rows(NamedTuple):
    """Rows of the log: number of their key (-1: none can be), of its partition, trade id, times in us, price."""

    key: Ints
    id: Ints
    event: Ints
    received: Ints
    price: Floats


class _Remembered(NamedTuple):
    """What is remembered by key, see Keys, and the log clock of each partition."""

    latest_id: Ints
    latest: Ints
    clock: Ints
    latest_x: Ints
    since: Ints
    scale: Floats
    home: Ints
    clocks: Ints


class _Accepted(NamedTuple):
    """Room for what is told of accepted rows, see Judged."""

    place: Places
    key: Ints
    t: Ints
    x: Ints
    scale: Floats
    clock: Ints
    anew: Mask
    change: Ints
    since: Ints


class Order:
    """The order state of all partitions."""

    def __init__(self, settings: OrderSettings) -> None:
        self._future_us, self._late_us = settings.future_ms * 1000, settings.late_ms * 1000
        self._horizon_us = settings.horizon_ms * 1000
        self._clocks = np.zeros(0, np.int64)
        self.imprecise: set[str] = set()
        """Symbols seen with prices that have more decimals than windows keep; at most NAMED_MAX."""
        self.keys = Keys(lambda symbol: _scales(symbol, settings))

    def judge(self, ticks: pl.DataFrame) -> tuple[Judged, dict[str, int]]:
        """Apply the rules to the next rows of the log (columns of schema.LOG); how many rows were what, by name."""
        keys, counts, size = self.keys, np.zeros(len(_COUNTED), np.int64), len(ticks)
        key = keys.of_rows(ticks["partition"], ticks["exchange"], ticks["symbol"])
        price, received = floats(ticks["price"]), ints(ticks["ts_received"], NEVER)
        columns = (key, ints(ticks["trade_id"], NEVER), ints(ticks["ts_event"], -1), received, price)
        self._know(keys.partitions)
        of_key = (keys.latest_id, keys.latest, keys.clock, keys.latest_x, keys.since, keys.scale, keys.home)
        place, number, t, x, clock, change, since = (np.empty(size, np.int64) for _ in range(7))
        told = _Accepted(place, number, t, x, np.empty(size), clock, np.empty(size, np.bool_), change, since)
        bounds = (self._future_us, self._late_us, self._horizon_us)
        accepted = _judge(_Rows._make(map(given, columns)), _Remembered(*of_key, self._clocks), *bounds, told, counts)
        told = _Accepted._make(column[:accepted] for column in told)
        if counts[_IMPRECISE]:
            imprecise = told.place[told.x / told.scale != price[told.place]]
            self.imprecise.update(ticks["symbol"][imprecise].unique().head(NAMED_MAX - len(self.imprecise)))
        in_log = [ints(ticks[name], -1)[told.place] for name in ("partition", "offset", "row")]
        judged = _by_partition(Judged._make((told.place, *in_log, *told[1:], keys.size_scale[told.key])))
        return judged, dict(zip(_COUNTED, counts.tolist(), strict=True))

    def clock(self, partition: int) -> int:
        """The log clock; NEVER before the first accepted row."""
        home = self.keys.home_of(partition)
        return int(self._clocks[home]) if home < len(self._clocks) else NEVER

    def forget_dead(self, partition: int) -> Ints:
        """Let go of keys that would start anew with their next row, and of those that never had one accepted.

        Returns their numbers, which may be given out again from now on.
        """
        numbers = self.keys.of_partition(partition)
        since = self.keys.clock[numbers]
        dead: Ints = numbers[(since == NEVER) | (self.clock(partition) - since > self._horizon_us)]
        self.keys.free(dead)
        return dead

    def snapshot(self, partition: int) -> PartitionOrder:
        """The order state of a partition as it stands."""
        keys = self.keys
        rows = []
        for at in keys.of_partition(partition).tolist():
            x = int(keys.latest_x[at])
            price = None if x == NEVER else x / float(keys.scale[at])
            times = (int(keys.latest[at]), int(keys.clock[at]))
            rows.append(KeyOrder(*keys.name(at)[1:], int(keys.latest_id[at]), *times, price, int(keys.since[at])))
        return PartitionOrder(self.clock(partition), tuple(rows))

    def restore(self, partition: int, state: PartitionOrder) -> None:
        """Go on from a snapshot."""
        home = self.keys.home_of(partition)
        self._know(home + 1)
        self._clocks[home] = state.clock_us
        for each in state.keys:
            at = self.keys.number((partition, each.exchange, each.symbol))
            self.keys.latest_id[at], self.keys.latest[at] = each.latest_id, each.latest_us
            self.keys.clock[at], self.keys.since[at] = each.clock_us, each.since_us
            if each.latest_price is not None:  # In units of today's decimals.
                self.keys.latest_x[at] = int(_round_half_away(each.latest_price * self.keys.scale[at]))

    def _know(self, partitions: int) -> None:
        """Have a clock for so many partitions."""
        known = len(self._clocks)
        if partitions > known:
            self._clocks = extended(self._clocks, partitions - known)
            self._clocks[known:] = NEVER


def _scales(symbol: str, settings: OrderSettings) -> tuple[float, float]:
    """10^decimals of a symbol's prices and sizes."""
    price = settings.price_decimals_of.get(symbol, settings.price_decimals)
    size = settings.size_decimals_of.get(symbol, settings.size_decimals)
    return float(10**price), float(10**size)


@compiled
def _judge(
    rows: _Rows, remembered: _Remembered, future_us: int, late_us: int, horizon_us: int, told: _Accepted, counts: Ints
) -> int:
    """Judge row after row; how many are accepted."""
    key_of, ids, events, receipts, prices = rows
    latest_id, latest, clock, latest_x, since, scale, home, clocks = remembered
    accepted = 0
    for i in range(len(key_of)):
        counts[_READ] += 1
        key, trade_id, c, received, price = key_of[i], ids[i], events[i], receipts[i], prices[i]
        is_received = received != NEVER
        if key < 0 or not np.isfinite(price) or not _in_range(c) or (is_received and not _in_range(received)):
            counts[_UNREADABLE] += 1
            continue
        units = _round_half_away(price * scale[key])
        if not abs(units) < UNITS_MAX:
            counts[_OUT_OF_RANGE] += 1
            continue
        if is_received and c > received + future_us:
            c = received + future_us
            counts[_AHEAD] += 1
        starts_anew = clock[key] != NEVER and clocks[home[key]] - clock[key] > horizon_us
        if starts_anew:
            latest_id[key] = latest[key] = latest_x[key] = NEVER
        if trade_id != NEVER:
            # The distance may pass 2^63. Further back than EPOCH_STEP the venue's numbering begins anew.
            if trade_id <= latest_id[key] and np.uint64(latest_id[key]) - np.uint64(trade_id) <= np.uint64(EPOCH_STEP):
                counts[_DUPLICATE] += 1
                continue
            latest_id[key] = trade_id
        clocks[home[key]] = max(clocks[home[key]], c)
        if latest[key] != NEVER and c < latest[key] - late_us:
            counts[_LATE] += 1
            continue
        if latest[key] == NEVER:
            since[key] = c
        latest[key], clock[key] = max(latest[key], c), clocks[home[key]]
        counts[_IMPRECISE] += units / scale[key] != price
        told.place[accepted], told.key[accepted], told.t[accepted] = i, key, latest[key]
        x = np.int64(units)
        told.x[accepted], told.scale[accepted] = x, scale[key]
        told.change[accepted] = x - latest_x[key] if latest_x[key] != NEVER else NEVER
        told.since[accepted], latest_x[key] = since[key], x
        told.clock[accepted], told.anew[accepted] = clock[key], starts_anew
        accepted += 1
    return accepted


@compiled
def _in_range(time: int) -> bool:
    return 0 <= time < TIME_MAX_US


@compiled
def _round_half_away(value: float) -> float:
    """The nearest whole number, halves away from zero."""
    size = abs(value)
    down = np.floor(size)
    rounded: float = np.copysign(down + (size - down >= 0.5), value)
    return rounded


def _by_partition(judged: Judged) -> Judged:
    """Bring the rows of a partition together, keeping their order."""
    of_row = judged.partition
    return judged if (of_row[1:] >= of_row[:-1]).all() else judged.take(np.argsort(of_row, kind="stable"))
