"""Which partition a symbol belongs to: Kafka's own hash of it, so that any Kafka client finds the same."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Final

import numpy as np
import pyarrow as pa

_SEED: Final = 0x9747B28C
_MIX: Final = 0x5BD1E995
_WORD: Final = 0xFFFFFFFF


@lru_cache(maxsize=10_000)
def partition_of(symbol: str, partitions: int) -> int:
    """The partition of a symbol, on every venue."""
    return (murmur2(symbol.encode()) & 0x7FFFFFFF) % partitions


def split(rows: pa.RecordBatch, partitions: int) -> Iterator[tuple[int, pa.RecordBatch]]:
    """The rows of each partition that has some, in their order."""
    symbols = rows.column("symbol").fill_null("").dictionary_encode()
    homes = np.array([partition_of(symbol, partitions) for symbol in symbols.dictionary.to_pylist()], np.int64)
    found = np.unique(homes)
    if len(found) == 1:
        yield int(found[0]), rows
        return
    home_of_row = homes[symbols.indices.to_numpy()]
    for partition in found:
        yield int(partition), rows.take(pa.array(np.flatnonzero(home_of_row == partition)))


def murmur2(data: bytes) -> int:
    """Austin Appleby's MurmurHash2 with Kafka's seed; 32 bits."""
    whole = len(data) - len(data) % 4
    hashed = _SEED ^ len(data)
    for at in range(0, whole, 4):
        word = int.from_bytes(data[at : at + 4], "little") * _MIX & _WORD
        word = (word ^ word >> 24) * _MIX & _WORD
        hashed = hashed * _MIX & _WORD ^ word
    if len(data) > whole:
        hashed = (hashed ^ int.from_bytes(data[whole:], "little")) * _MIX & _WORD
    hashed = (hashed ^ hashed >> 13) * _MIX & _WORD
    return hashed ^ hashed >> 15
