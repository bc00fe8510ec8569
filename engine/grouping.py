"""Rows brought together by key."""

from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from engine.int128 import Ints

_Column = TypeVar("_Column", bound="np.generic[Any]")


class Groups(NamedTuple):
    """`order` sorts rows by key, keeping the log's order within one; the rest describes the sorted rows.

    Of each key in `present`, `first` and `counts` bound its rows; `of_row` is each row's place in `present`.
    """

    order: NDArray[np.intp]
    present: Ints
    first: Ints
    counts: Ints
    of_row: Ints


def grouped(key: Ints) -> Groups:
    """Group rows by their key (0 or above, below 2^32)."""
    order = np.argsort(key.astype(np.uint16), kind="stable")  # 16 bits: numpy sorts them in linear time
    if len(key) and int(key.max()) > 0xFFFF:
        order = order[np.argsort((key[order] >> 16).astype(np.uint16), kind="stable")]
    inside = key[order]
    starts = np.ones(len(key), np.bool_)
    np.not_equal(inside[1:], inside[:-1], out=starts[1:])
    first = np.flatnonzero(starts)
    counts = np.append(first[1:], len(key)) - first
    return Groups(order, inside[first], first, counts, np.repeat(np.arange(len(first)), counts))


def extended(column: NDArray[_Column], more: int) -> NDArray[_Column]:
    """The column with `more` zeros behind it."""
    wider = np.zeros(len(column) + more, column.dtype)  # Zeros take no memory until they are written to.
    wider[: len(column)] = column
    return wider
