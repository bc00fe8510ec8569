"""DESIGN 2 to 6, decisions 1 and 4, once more, in the plainest Python: a loop over rows, whole numbers, no cleverness.

The engine and the DuckDB replay are both held to this file. `score` takes a log and the rules documents, each with
its digest under "digest", and gives scores and anomalies; columns that no run can repeat are null or 1970.
"""

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl
import pyarrow as pa

from engine import schema
from tests.laws.names import Names, divided, evaluated, measures, series_of, units

Rule = Mapping[str, Any]
Row = dict[str, Any]


def score(ticks: pl.DataFrame, rules: Sequence[Rule]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Every score and anomaly of a log, sorted by identity."""
    log = ticks.with_columns(pl.col("ts_event", "ts_received").cast(pl.Int64)).sort("partition", "offset", "row")
    partitions: dict[int, Partition] = {}
    for row in log.iter_rows(named=True):
        partitions.setdefault(row["partition"], Partition(rules)).take(row)
    by = ["partition", "offset", "row", "exchange", "symbol", "detector"]
    scores = _frame([row for each in partitions.values() for row in each.scores], schema.SCORE)
    anomalies = _frame([row for each in partitions.values() for row in each.anomalies], schema.ANOMALY)
    return scores.sort(by), anomalies.sort([*by, "revision"])


@dataclass
class Window:
    """The rows of a baseline, oldest first, with their sums."""

    rows: deque[Row] = field(default_factory=deque)
    x: int = 0
    xx: int = 0
    missing: int = 0

    def add(self, row: Row, sign: int = 1) -> None:
        self.x += sign * row["x"]
        self.xx += sign * row["x"] ** 2
        self.missing += sign * row["missing"]

    def forget_until(self, t: int) -> None:
        while self.rows and self.rows[0]["t"] <= t:
            self.add(self.rows.popleft(), -1)


@dataclass
class Key:
    """What is remembered of one exchange and symbol."""

    latest_id: int | None = None
    latest: int | None = None
    clock: int | None = None  # the log clock right after the last accepted row
    rows: list[Row] = field(default_factory=list)  # all accepted rows, oldest first
    windows: dict[str, Window] = field(default_factory=dict)


@dataclass
class Episode:
    flags: list[Row]
    peak: Row
    market: bool = False
    revision: int = 0
    is_open: bool = True


class Partition:
    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = rules
        self.clock: int | None = None
        self.keys: dict[tuple[str, str], Key] = {}
        self.episodes: dict[tuple[str, str, str], Episode] = {}  # the newest by exchange, symbol, detector
        self.near: dict[tuple[str, str], list[tuple[Row, Episode | None]]] = {}  # flags a window back, by the same
        self.at: Row = {}  # the place of the row being taken
        self.scores: list[Row] = []
        self.anomalies: list[Row] = []

    def take(self, row: Row) -> None:
        order = self.rules[0]  # the settings of order are the same in every document
        if not is_readable(row):
            return
        decimals, size_decimals = (
            order[f"{of}_decimals_of"].get(row["symbol"], order[f"{of}_decimals"]) for of in ("price", "size")
        )
        x = units(row["price"] * float(10**decimals))
        if x is None:
            return
        name = row["exchange"], row["symbol"]
        key = self.keys.setdefault(name, Key())
        if key.clock is not None and self.clock is not None and self.clock - key.clock > order["horizon_ms"] * 1000:
            key = self.keys[name] = Key()
        if row["trade_id"] is not None:
            if key.latest_id is not None and key.latest_id - 10**6 <= row["trade_id"] <= key.latest_id:
                return  # a duplicate
            key.latest_id = row["trade_id"]
        capped = row["ts_event"]
        if row["ts_received"] is not None:
            capped = min(capped, row["ts_received"] + order["future_ms"] * 1000)
        self.clock = capped if self.clock is None else max(self.clock, capped)
        if key.latest is not None and capped < key.latest - order["late_ms"] * 1000:
            return  # late
        key.latest = capped if key.latest is None else max(capped, key.latest)
        key.clock = self.clock
        self.at = {"at_offset": row["offset"], "at_row": row["row"]}
        self.end_episodes()
        row |= {"x": x, "t": key.latest, "clock": self.clock, "unit": float(10**decimals)}
        row |= {"missing": max(row["missing"] or 0, 0)}
        row |= series_of(row, x, key.rows[-1]["x"] if key.rows else None, decimals, size_decimals)
        for rule in self.rules:
            self.apply(rule, row.copy(), key.rows, key.windows.setdefault(rule["name"], Window()))
        key.rows.append(row)

    def apply(self, rule: Rule, row: Row, before: Sequence[Row], window: Window) -> None:
        window.forget_until(row["t"] - rule["window_ms"] * 1000)
        inclusive = rule["baseline"] == "inclusive"
        x, prior = row["x"], len(window.rows)
        n = prior + inclusive
        s = window.x - prior * x
        q = window.xx - 2 * x * window.x + prior * x * x
        holes = window.missing + row["missing"]
        window.add(row)
        window.rows.append(row)

        mean, std, z = measures(n, s, q, x, row["unit"])
        z = None if n < rule["count_min"] else z
        row |= {"n": n, "mean": mean, "std": std, "z": z}
        there_us = row["t"] - before[0]["t"] if before else 0
        is_warm = n >= rule["count_min"] and there_us >= rule["warm_up_ms"] * 1000
        value = evaluated(rule["sql"], Names(row, before, rule)) if is_warm else None
        flagged = value is not None and value >= 1.0
        if flagged and rule["move_bps_min"] > 0:
            flagged = (
                mean is not None and divided(abs(row["price"] - mean), abs(mean)) * 10000.0 >= rule["move_bps_min"]
            )
        row |= {"detector": rule["name"], "rules": rule["digest"], "score": value, "flagged": flagged}
        row |= {"coverage": n / (n + holes) if n + holes else None}
        if flagged or rule["keep"] == "all":
            self.scores.append(row | {"revision": 0, "ts_scored": 0})
        if flagged and mean is not None:
            up, move = row["price"] > mean, divided(row["price"] - mean, mean) * 10000.0
            row |= {"s": s, "q": q, "move_bps": None if math.isnan(move) else move, "direction": "up" if up else "down"}
            row |= {"first": window.rows[0], "last": window.rows[-1 if inclusive else -2]}
            self.flag(rule, row)

    def flag(self, rule: Rule, flag: Row) -> None:
        name = flag["exchange"], flag["symbol"], flag["detector"]
        episode = self.episodes.get(name)
        state = None
        if episode is not None and episode.is_open:
            episode.flags.append(flag)
            if flag["score"] > episode.peak["score"]:
                episode.peak, state = flag, "peak"
        elif episode is None or flag["clock"] - episode.flags[-1]["clock"] >= rule["cooldown_ms"] * 1000:
            episode = self.episodes[name] = Episode([flag], flag)
            state = "open"
        else:
            episode = None  # inside the cooldown
        since = flag["clock"] - rule["window_ms"] * 1000
        near = self.near[name[1:]] = [each for each in self.near.get(name[1:], []) if each[0]["clock"] >= since]
        for other, its_episode in near:
            if other["exchange"] != flag["exchange"] and other["direction"] == flag["direction"]:
                for each in (episode, its_episode):
                    if each is not None and each.is_open:
                        each.market = True
        near.append((flag, episode))
        if episode is not None and state is not None:
            self.write(episode, state)

    def end_episodes(self) -> None:
        assert self.clock is not None
        rules = {rule["name"]: rule for rule in self.rules}
        for (_, _, detector), episode in self.episodes.items():
            since_last, since_first = (self.clock - episode.flags[at]["clock"] for at in (-1, 0))
            quiet, longest = (rules[detector][name] * 1000 for name in ("quiet_ms", "episode_ms_max"))
            if episode.is_open and (since_last > quiet or since_first > longest):
                episode.is_open = False
                self.write(episode, "closed")

    def write(self, episode: Episode, state: str) -> None:
        first, peak, last = episode.flags[0], episode.peak, episode.flags[-1]
        row = peak | {name: first[name] for name in ("partition", "offset", "row")}
        row |= self.at | {"state": state, "revision": episode.revision, "ticks_flagged": len(episode.flags)}
        row |= {"ts_onset": first["t"], "ts_peak": peak["t"], "ts_end": last["t"]}
        row |= {"s": str(peak["s"]), "q": str(peak["q"]), "scope": "market" if episode.market else "venue"}
        row |= {"severity": "notice" if peak["score"] < 2 else "warning" if peak["score"] < 4 else "critical"}
        row |= {f"{end}_{part}": peak[end][part] for end in ("first", "last") for part in ("offset", "row")}
        self.anomalies.append(row | {"ts_received": None, "ts_appended": None, "ts_drained": None, "ts_scored": 0})
        episode.revision += 1


def is_readable(row: Row) -> bool:
    if any(row[name] is None for name in ("exchange", "symbol", "ts_event", "price")):
        return False
    times = row["ts_event"], row["ts_received"] or 0
    return is_name(row["exchange"]) and is_name(row["symbol"]) and all(0 <= time < 2**53 for time in times)


def is_name(text: str) -> bool:
    """1 to 64 bytes, none of them a space, a control character or DEL."""
    encoded = text.encode()
    return 1 <= len(encoded) <= 64 and not any(byte <= 0x20 or byte == 0x7F for byte in encoded)


def _frame(rows: list[Row], kind: pa.Schema) -> pl.DataFrame:
    types = schema.empty(kind).schema
    whole = {name: pl.Int64() if isinstance(dtype, pl.Datetime) else dtype for name, dtype in types.items()}
    columns = {name: [row[name] for row in rows] for name in types}
    return pl.DataFrame(columns, schema=whole).with_columns(pl.col(name).cast(types[name]) for name in types)
