"""One ring of recent ticks for each key, all rings in one pool, so that a batch over many keys is a few numpy calls.

A tick is named by its key and its ordinal, a number that only rises. Rings have powers of two as sizes: ordinal `o`
of key `k` lies at `base[k] + (o & (size[k] - 1))`.
"""

import numpy as np
from numpy.typing import NDArray

from engine.grouping import Groups, extended
from engine.int128 import Ints

SIZE_MIN = 16
_POOL_MIN = 1 << 12
_FAN = 8
_STRIDES = np.arange(1, _FAN + 1)


class Rings:
    """Per-key rings over several int64 columns (`names`); `head` and `tail` bound each key's live ordinals."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._columns = {name: np.zeros(_POOL_MIN, np.int64) for name in names}
        self._used = 0
        self._free: dict[int, list[int]] = {}
        self._base = np.zeros(0, np.int64)
        self._size = np.zeros(0, np.int64)
        self.head = np.zeros(0, np.int64)
        self.tail = np.zeros(0, np.int64)

    @property
    def bytes_held(self) -> int:
        """The pool's bytes, live or not."""
        return sum(column.nbytes for column in self._columns.values())

    def reach(self, keys: int) -> None:
        """Have room for keys 0 … keys - 1."""
        more = keys - len(self.head)
        if more > 0:
            for name in ("_base", "_size", "head", "tail"):
                setattr(self, name, extended(getattr(self, name), more))

    def append(self, groups: Groups, columns: dict[str, Ints]) -> Ints:
        """Add rows sorted by key and return their ordinals."""
        present, counts = groups.present, groups.counts
        needed = self.head[present] - self.tail[present] + counts
        for index in np.flatnonzero(needed > self._size[present]):
            self._grow(int(present[index]), int(needed[index]))
        ordinals = np.arange(len(groups.of_row)) + (self.head[present] - groups.first)[groups.of_row]
        places = self._places(present[groups.of_row], ordinals)
        for name, values in columns.items():
            self._columns[name][places] = values
        self.head[present] += counts
        return ordinals

    def at(self, name: str, key: Ints, ordinals: Ints) -> Ints:
        """A column's values at the named ticks."""
        taken: Ints = self._columns[name][self._places(key, ordinals)]
        return taken

    def rows(self, names: tuple[str, ...], key: Ints, ordinals: Ints) -> list[Ints]:
        """Several columns' values at the named ticks."""
        places = self._places(key, ordinals)
        return [self._columns[name][places] for name in names]

    def release(self, keys: Ints) -> None:
        """Give the rings of these keys back."""
        for key in keys[self._size[keys] > 0].tolist():
            self._free.setdefault(int(self._size[key]), []).append(int(self._base[key]))
        for column in (self._base, self._size, self.head, self.tail):
            column[keys] = 0

    def first_after(self, name: str, keys: Ints, start: Ints, limit: Ints) -> Ints:
        """For each key the first ordinal from `start` on whose value is above `limit`, `head` where none is.

        Values never fall along a ring. Strides grow from 1, then shrink, so the work follows the distance gone.
        """
        low, stride = start.copy(), 1
        while (self._stride(name, keys, low, stride, limit) == _FAN).any():
            stride *= _FAN
        while stride > 1:
            stride //= _FAN
            self._stride(name, keys, low, stride, limit)
        return low

    def _stride(self, name: str, keys: Ints, low: Ints, stride: int, limit: Ints) -> Ints:
        """Move `low` on by up to _FAN strides over values not above the limit; by how many, for each key."""
        probe, head = low[:, None] + _STRIDES * stride, self.head[keys][:, None]
        values = self.at(name, keys[:, None], np.minimum(probe, head) - 1)
        passed: Ints = ((probe <= head) & (values <= limit[:, None])).sum(axis=1)
        low += passed * stride
        return passed

    def _places(self, key: Ints, ordinals: Ints) -> NDArray[np.int64]:
        places: Ints = self._base[key] + (ordinals & (self._size[key] - 1))
        return places

    def _grow(self, key: int, needed: int) -> None:
        size = max(SIZE_MIN, 1 << (needed - 1).bit_length())
        base = self._allocate(size)
        ordinals = np.arange(self.tail[key], self.head[key])
        old = self._base[key] + (ordinals & (self._size[key] - 1))
        for column in self._columns.values():
            column[base + (ordinals & (size - 1))] = column[old]
        if self._size[key]:
            self._free.setdefault(int(self._size[key]), []).append(int(self._base[key]))
        self._base[key], self._size[key] = base, size

    def _allocate(self, size: int) -> int:
        if self._free.get(size):
            return self._free[size].pop()
        base = self._used
        self._used += size
        capacity = len(next(iter(self._columns.values())))
        if self._used > capacity:
            wider = max(self._used, capacity * 2)
            for name, column in self._columns.items():
                self._columns[name] = extended(column, wider - capacity)
        return base
