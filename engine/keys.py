"""Keys of the log as small numbers, so that what is remembered of each stands in columns."""

import re
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import polars as pl

from engine.columns import NEVER, Floats, Ints, extended, ints

Name: TypeAlias = tuple[int, str, str]
"""Partition, exchange, symbol."""

NAME_BYTES_MAX = 64
_BLANK = re.compile(r"[\x00-\x20\x7f]")


class Keys:
    """Names to numbers and back; a number is used again once it was freed.

    By number: `latest_id`, `latest` (time) and `latest_x` (price in units) of the key, `since` the time of its first
    accepted row, `clock` as it stood after the last one, `scale` and `size_scale` 10^decimals of its prices and sizes,
    `home` the place of its partition.
    """

    def __init__(self, scales_of: Callable[[str], tuple[float, float]]) -> None:
        self._scales_of = scales_of
        self._number_of: dict[Name, int] = {}
        self._name_of: list[Name | None] = []
        self._freed: list[int] = []
        self._home_of: dict[int, int] = {}
        self.latest_id: Ints = np.full(16, NEVER)
        self.latest: Ints = np.full(16, NEVER)
        self.clock: Ints = np.full(16, NEVER)
        self.latest_x: Ints = np.full(16, NEVER)
        self.since: Ints = np.full(16, NEVER)
        self.scale: Floats = np.ones(16)
        self.size_scale: Floats = np.ones(16)
        self.home: Ints = np.full(16, -1)

    def __len__(self) -> int:
        return len(self._number_of)

    def number(self, name: Name) -> int:
        """The key's number; where it has none a fresh one, with nothing remembered."""
        known = self._number_of.get(name)
        if known is not None:
            return known
        number = self._freed.pop() if self._freed else len(self._name_of)
        if number == len(self._name_of):
            self._name_of.append(name)
            self._reach(number + 1)
        self._name_of[number] = name
        self._number_of[name] = number
        for column in (self.latest_id, self.latest, self.clock, self.latest_x, self.since):
            column[number] = NEVER
        self.scale[number], self.size_scale[number] = self._scales_of(name[2])
        self.home[number] = self.home_of(name[0])
        return number

    def free(self, numbers: Ints) -> None:
        """Let go of these keys."""
        for number in numbers.tolist():
            del self._number_of[self.name(number)]
            self._name_of[number] = None
            self._freed.append(number)
        self.home[numbers] = -1

    def name(self, number: int) -> Name:
        """The name of a live key."""
        name = self._name_of[number]
        assert name is not None
        return name

    def home_of(self, partition: int) -> int:
        """The place of a partition: they are counted as they come."""
        return self._home_of.setdefault(partition, len(self._home_of))

    @property
    def partitions(self) -> int:
        """How many partitions have come so far."""
        return len(self._home_of)

    def of_partition(self, partition: int) -> Ints:
        """The numbers of a partition's keys."""
        return np.flatnonzero(self.home == self.home_of(partition))

    def of_rows(self, partition: pl.Series, exchange: pl.Series, symbol: pl.Series) -> Ints:
        """The number of each row's key; -1 where a part of the name is null or cannot be one."""
        (p, partitions), (e, exchanges), (s, symbols) = _numbered(partition), _coded(exchange), _coded(symbol)
        code = (p * len(exchanges) + e) * len(symbols) + s
        code[(p < 0) | (e < 0) | (s < 0)] = -1
        distinct, of_row = _distinct(code, len(partitions) * len(exchanges) * len(symbols))
        numbers = np.full(len(distinct), -1, np.int64)
        for at, each in enumerate(distinct.tolist()):
            if each >= 0:
                rest, s_ = divmod(each, len(symbols))
                p_, e_ = divmod(rest, len(exchanges))
                numbers[at] = self._known((partitions[p_], exchanges[e_], symbols[s_]))
        return numbers[of_row]

    def _known(self, name: Name) -> int:
        """The key's number; -1 where a part of its name cannot be one."""
        known = self._number_of.get(name)
        if known is not None:
            return known
        return self.number(name) if is_name(name[1]) and is_name(name[2]) else -1

    def _reach(self, count: int) -> None:
        more = max(count - len(self.home), 0) and max(count, len(self.home))
        if more:
            for column in ("latest_id", "latest", "clock", "latest_x", "since", "scale", "size_scale", "home"):
                setattr(self, column, extended(getattr(self, column), more))
            self.home[count:] = -1  # A new number's own place is set at once.


def is_name(text: str) -> bool:
    """Whether this can name an exchange or a symbol: 1 to 64 bytes without blanks and control characters."""
    return 0 < len(text.encode()) <= NAME_BYTES_MAX and not _BLANK.search(text)


def _numbered(column: pl.Series) -> tuple[Ints, list[int]]:
    """As `_coded`, for numbers from 0 on, of which most often there is but one."""
    numbers = ints(column, -1)
    if len(numbers) and numbers[0] >= 0 and (numbers == numbers[0]).all():
        return np.zeros(len(numbers), np.int64), [int(numbers[0])]
    distinct = np.unique(numbers)
    codes = np.searchsorted(distinct, numbers)
    codes[numbers < 0] = -1
    return codes, distinct.tolist()


def _coded(column: pl.Series) -> tuple[Ints, list[str]]:
    """Each row's place among the distinct texts, -1 for null."""
    encoded = column.to_arrow().dictionary_encode()
    codes = encoded.indices.fill_null(-1) if encoded.null_count else encoded.indices
    return codes.to_numpy(zero_copy_only=False).astype(np.int64), encoded.dictionary.to_pylist()


def _distinct(code: Ints, span: int) -> tuple[Ints, Ints]:
    """The distinct codes (-1 … span - 1) and each row's place among them, in linear time where they are dense."""
    if span > 4 * len(code) + 1024:
        found, of_row = np.unique(code, return_inverse=True)
        return found, of_row
    present = np.bincount(code + 1, minlength=span + 1) > 0
    place = np.cumsum(present) - 1
    return np.flatnonzero(present) - 1, place[code + 1]
