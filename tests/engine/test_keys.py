"""Keys of the log as small numbers."""

import numpy as np
import polars as pl
import pytest

from engine.columns import NEVER
from engine.keys import Keys

BTC, ETH = (0, "binance", "BTC-USDT"), (0, "binance", "ETH-USDT")


def keys() -> Keys:
    return Keys(lambda symbol: (1e2, 1e3) if symbol.startswith("ETH") else (1e8, 1e0))


def of_rows(known: Keys, *names: tuple[int, str | None, str | None]) -> list[int]:
    partition, exchange, symbol = zip(*names, strict=True)
    numbers: list[int] = known.of_rows(
        pl.Series(partition, dtype=pl.Int32),
        pl.Series(exchange, dtype=pl.String),
        pl.Series(symbol, dtype=pl.String),
    ).tolist()
    return numbers


def test_a_name_keeps_its_number() -> None:
    known = keys()
    first = of_rows(known, BTC, ETH, BTC)
    assert first == [first[0], first[1], first[0]]
    assert of_rows(known, ETH, BTC) == [first[1], first[0]]
    assert [known.name(number) for number in first[:2]] == [BTC, ETH]


def test_one_symbol_in_two_partitions_or_on_two_venues_is_two_keys() -> None:
    numbers = of_rows(keys(), BTC, (1, *BTC[1:]), (0, "kraken", BTC[2]))
    assert len(set(numbers)) == 3


def test_a_row_without_a_name_has_no_key() -> None:
    known = keys()
    assert of_rows(known, (0, None, "BTC-USDT"), (0, "binance", None)) == [-1, -1]
    assert len(known) == 0


@pytest.mark.parametrize("name", ["", " ", "BTC USDT", "BTC\n", "\x00", "BTC\x7f", "a" * 65, "\u00e9" * 33])
def test_what_cannot_be_a_name_has_no_key(name: str) -> None:
    known = keys()
    assert of_rows(known, (0, name, "BTC-USDT"), (0, "binance", name)) == [-1, -1]
    assert len(known) == 0


@pytest.mark.parametrize("name", ["a", "!", "a" * 64, "\u00e9" * 32, "\x80", "\u00a0"])
def test_names_at_the_bounds_have_keys(name: str) -> None:
    assert -1 not in of_rows(keys(), (0, name, "BTC-USDT"), (0, "binance", name))


def test_names_are_told_apart_by_the_thousand() -> None:
    names = [(partition, f"venue-{partition % 7}", f"S{at}") for at in range(2_000) for partition in (0, 3)]
    known = keys()
    assert [known.name(number) for number in of_rows(known, *names)] == names
    assert len(known) == len(names)


def test_each_symbol_has_its_own_scale() -> None:
    known = keys()
    numbers = of_rows(known, BTC, ETH)
    assert (known.scale[numbers].tolist(), known.size_scale[numbers].tolist()) == ([1e8, 1e2], [1e0, 1e3])


def test_a_freed_number_is_given_out_again_and_remembers_nothing() -> None:
    known = keys()
    number = known.number(BTC)
    known.latest_id[number], known.latest[number], known.clock[number] = 7, 8, 9
    known.free(np.array([number]))
    assert len(known) == 0
    assert known.number(ETH) == number
    assert (known.latest_id[number], known.latest[number], known.clock[number]) == (NEVER, NEVER, NEVER)
    assert known.number(BTC) != number


def test_keys_of_a_partition_are_the_live_ones() -> None:
    known = keys()
    btc, eth, other = of_rows(known, BTC, ETH, (1, *BTC[1:]))
    known.free(np.array([eth]))
    assert known.of_partition(0).tolist() == [btc]
    assert known.of_partition(1).tolist() == [other]
