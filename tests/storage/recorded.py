"""A recording with everything that was found in it, by tests/laws/reference.py, written by the sinks themselves."""

import random
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
from msgspec import Struct

from engine import schema
from engine.batch import Cursor, Findings
from engine.settings import Data
from storage.sinks.parquet import Parquet
from tests.laws import reference, strategies

OFTEN: dict[str, Any] = {
    "window_ms": 10_000,
    "count_min": 5,
    "quiet_ms": 4_000,
    "episode_ms_max": 30_000,
    "horizon_ms": 50_000,
}
SPIKE = strategies.document("spike", 1.5, **OFTEN)
STRICT = strategies.document("spike", 2.0, **OFTEN)
SLOW = strategies.document("slow", 1.0, **OFTEN | {"window_ms": 20_000, "baseline": "inclusive", "cooldown_ms": 1_000})

VOLUME = strategies.document("spike", **OFTEN | {"sql": "abs(z_size_5s) + sum_signed * 1e-3"})
RUSH = strategies.document("spike", **OFTEN | {"sql": "sum_signed_20s / range_size", "size_decimals": 1})

Rule = Mapping[str, Any]


class Recorded(Struct, frozen=True):
    """A log and its findings as frames, with the rules by digest."""

    ticks: pl.DataFrame
    scores: pl.DataFrame
    anomalies: pl.DataFrame
    rules: Mapping[str, str]

    @property
    def next_offsets(self) -> dict[int, int]:
        """The cursors when all is taken."""
        ends = self.ticks.group_by("partition").agg(pl.col("offset").max() + 1)
        return dict(ends.iter_rows())

    def findings(self) -> Findings:
        """All of it as one step gives it."""
        cursors = {partition: Cursor(end) for partition, end in self.next_offsets.items()}
        return Findings(self.ticks, self.scores, self.anomalies, cursors, self.rules, counts={})

    def write(self, folder: Path) -> None:
        """The embedded dataset of it."""
        recipe = Parquet(Data(str(folder)), rows_max=10**9, flush_ms=10**9, compression="zstd")
        with recipe.open() as sink:
            sink.write(self.findings())
            sink.flush()


def recorded(*documents: Rule, rows: int = 600) -> Recorded:
    """A lively log under these rules."""
    log = lively_log(rows)
    scores, anomalies = reference.score(log, documents)
    return Recorded(log, scores, anomalies, {each["digest"]: strategies.text_of(each) for each in documents})


def lively_log(rows: int) -> pl.DataFrame:
    """Two partitions in messages of three rows, two exchanges, a jump now and then."""
    draw, of_sizes = random.Random(5), random.Random(6)
    names = ["BTC-USDT", "PEPE-USDT"]
    prices = {name: strategies.SYMBOLS[name] for name in names}
    taken = dict.fromkeys(names, 0)
    made: list[dict[str, Any]] = []
    for at in range(rows):
        now = strategies.START_US + at * 100_000
        symbol, exchange = draw.choice(names), draw.choice(("binance", "coinbase"))
        prices[symbol] *= 1 + draw.gauss(0, 1e-4) + draw.choice([0] * 30 + [0.003, -0.003])
        place = divmod(taken[symbol], 3)
        taken[symbol] += 1
        made.append(
            dict(zip(("offset", "row"), place, strict=True))
            | {"partition": names.index(symbol), "exchange": exchange, "symbol": symbol, "ts_event": now}
            | {"ts_received": now, "trade_id": at, "price": round(prices[symbol], 8)}
            | {"size": of_sizes.choice((0.25, 1.0, 3.5, None)), "side": of_sizes.choice(("buy", "sell", None))}
            | {"missing": 0, "ts_appended": now, "ts_drained": now}
        )
    return strategies.frame_of(made)


def spliced(before: Recorded, after: Recorded, from_offset: int) -> Recorded:
    """As if the rules had been changed between two messages; scores only."""
    scores = [
        before.scores.filter(pl.col("offset") < from_offset),
        after.scores.filter(pl.col("offset") >= from_offset),
    ]
    return Recorded(before.ticks, pl.concat(scores), schema.empty(schema.ANOMALY), {**before.rules, **after.rules})


def changed(frame: pl.DataFrame, row: int, column: str, value: Any) -> pl.DataFrame:
    """The frame with one value changed."""
    values: Sequence[Any] = frame[column].to_list()
    return frame.with_columns(pl.Series(column, [*values[:row], value, *values[row + 1 :]], frame.schema[column]))


def pieces(whole: Recorded, count: int) -> Iterator[Findings]:
    """The same as `count` steps give it, one after another."""
    ends = [{at: end * step // count for at, end in whole.next_offsets.items()} for step in range(count + 1)]

    def between(rows: pl.DataFrame, column: str, firsts: dict[int, int], lasts: dict[int, int]) -> pl.DataFrame:
        first, last = (pl.col("partition").replace_strict(each) for each in (firsts, lasts))
        return rows.filter(pl.col(column) >= first, pl.col(column) < last)

    for firsts, lasts in pairwise(ends):
        tables = ((whole.ticks, "offset"), (whole.scores, "offset"), (whole.anomalies, "at_offset"))
        ticks, scores, anomalies = (between(rows, column, firsts, lasts) for rows, column in tables)
        yield Findings(ticks, scores, anomalies, {at: Cursor(end) for at, end in lasts.items()}, whole.rules, counts={})
