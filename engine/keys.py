"""Keys of the log as small numbers, so that what is remembered of each stands in columns."""

import re
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import polars as pl

from engine.grouping import extended
from engine.int128 import Floats, Ints
from engine.maxima import NEVER

Name: TypeAlias = tuple[int, str, str]
"""Partition, exchange, symbol."""

NAME_BYTES_MAX = 64
_BLANK = re.compile(r"[\x00-\x20\x7f]")


class Keys:
    """Names to numbers and back; a number is used again once it was freed.

    By number: `latest_id` and `latest` (time) of the key, `clock` as it stood after its last accepted row, `scale`
    10^decimals, `partition`.
    """

    def __init__(self, scale_of: Callable[[str], float]) -> None:
        self._scale_of = scale_of
        self._number_of: dict[Name, int] = {}
        self._name_of: list[Name | None] = []
        self._freed: list[int] = []
        self._retired: list[int] = []
        self.latest_id: Ints = np.full(16, NEVER)
        self.latest: Ints = np.full(16, NEVER)
        self.clock: Ints = np.full(16, NEVER)
        self.scale: Floats = np.ones(16)
        self.partition: Ints = np.full(16, -1)

    def __len__(self) -> int:
        return len(self._number_of)

    def number(self, name: Name) -> int:
        """The key's number; a new one where it has none."""
        known = self._number_of.get(name)
        return self.renumber(name) if known is None else known

    def renumber(self, name: Name) -> int:
        """Give the key a fresh number, with nothing remembered; the one it had is retired."""
        self.retire(name)
        number = self._freed.pop() if self._freed else len(self._name_of)
        if number == len(self._name_of):
            self._name_of.append(name)
            self._reach(number + 1)
        self._name_of[number] = name
        self._number_of[name] = number
        self.latest_id[number] = self.latest[number] = self.clock[number] = NEVER
        self.scale[number], self.partition[number] = self._scale_of(name[2]), name[0]
        return number

    def retire(self, name: Name) -> None:
        """Let go of the key. Its number goes back into use at `free`, when nothing refers to it any more."""
        number = self._number_of.pop(name, None)
        if number is not None:
            self._name_of[number] = None
            self.partition[number] = -1
            self._retired.append(number)

    def free(self) -> Ints:
        """The numbers retired since the last call; from now on they may be given out again."""
        freed = np.array(self._retired, np.int64)
        self._freed += self._retired
        self._retired = []
        return freed

    def name(self, number: int) -> Name:
        """The name of a live key."""
        name = self._name_of[number]
        assert name is not None
        return name

    def of_partition(self, partition: int) -> Ints:
        """The numbers of a partition's keys."""
        return np.flatnonzero(self.partition == partition)

    def of_rows(self, partition: pl.Series, exchange: pl.Series, symbol: pl.Series) -> Ints:
        """The number of each row's key; -1 where a part of the name is null or cannot be one."""
        (p, partitions), (e, exchanges), (s, symbols) = _coded(partition), _named(exchange), _named(symbol)
        code = (p * len(exchanges) + e) * len(symbols) + s
        unnamed = (p < 0) | (e < 0) | (s < 0)
        code[unnamed] = -1
        distinct, of_row = _distinct(code, len(partitions) * len(exchanges) * len(symbols))
        numbers = np.full(len(distinct), -1, np.int64)
        for at, each in enumerate(distinct.tolist()):
            if each >= 0:
                rest, s_ = divmod(each, len(symbols))
                p_, e_ = divmod(rest, len(exchanges))
                numbers[at] = self.number((partitions[p_], exchanges[e_], symbols[s_]))
        return numbers[of_row]

    def _reach(self, count: int) -> None:
        more = max(count - len(self.partition), 0) and max(count, len(self.partition))
        if more:
            for column in ("latest_id", "latest", "clock", "scale"):
                setattr(self, column, extended(getattr(self, column), more))
            self.partition = np.concatenate((self.partition, np.full(more, -1)))


def is_name(text: str) -> bool:
    """Whether this can name an exchange or a symbol: 1 to 64 bytes without blanks and control characters."""
    return 0 < len(text.encode()) <= NAME_BYTES_MAX and not _BLANK.search(text)


def _named(column: pl.Series) -> tuple[Ints, list[Any]]:
    """As `_coded`; -1 also for what cannot be a name."""
    codes, texts = _coded(column)
    readable = np.array([is_name(text) for text in texts] + [False])  # The last is what -1 points at.
    return np.where(readable[codes], codes, -1), texts


def _coded(column: pl.Series) -> tuple[Ints, list[Any]]:
    """Each row's place among the distinct values, -1 for null."""
    encoded = column.to_arrow().dictionary_encode()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    return codes, encoded.dictionary.to_pylist()


def _distinct(code: Ints, span: int) -> tuple[Ints, Ints]:
    """The distinct codes (-1 … span - 1) and each row's place among them, in linear time where they are dense."""
    if span > 4 * len(code) + 1024:
        found, of_row = np.unique(code, return_inverse=True)
        return found, of_row
    present = np.bincount(code + 1, minlength=span + 1) > 0
    place = np.cumsum(present) - 1
    return np.flatnonzero(present) - 1, place[code + 1]
