"""Partitions are those of Kafka's own default partitioner."""

import confluent_kafka
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.bus.partitioning import murmur2, partition_of, split


@pytest.mark.parametrize(
    ("text", "signed"),
    [
        ("21", -973932308),
        ("foobar", -790332482),
        ("a-little-bit-long-string", -985981536),
        ("a-little-bit-longer-string", -1486304829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        ("abc", 479470107),
    ],
)
def test_hash_gives_the_vectors_of_kafkas_own_tests(text: str, signed: int) -> None:
    assert murmur2(text.encode()) == signed % 2**32


@given(symbol=st.text(max_size=60), partitions=st.integers(1, 1_000))
def test_partition_is_that_of_librdkafka(symbol: str, partitions: int) -> None:
    assert partition_of(symbol, partitions) == confluent_kafka.murmur2(symbol.encode(), partitions)


@given(
    symbols=st.lists(st.sampled_from([None, "", "BTC-USDT", "ETH-USDT", "ÆØÅ-🚀", "X\x00Y"])),
    partitions=st.integers(1, 5),
)
def test_a_batch_is_split_whole_and_in_order(symbols: list[str | None], partitions: int) -> None:
    rows = pa.record_batch({"symbol": pa.array(symbols, pa.string()), "at": range(len(symbols))})
    parts = list(split(rows, partitions))

    assert [partition for partition, _ in parts] == sorted({partition_of(each or "", partitions) for each in symbols})
    for partition, part in parts:
        mine = [at for at, symbol in enumerate(symbols) if partition_of(symbol or "", partitions) == partition]
        assert part.column("at").to_pylist() == mine
