"""Labelled folders with known answers."""

import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from engine.rules import Rules
from engine.step import State
from tests.engine import made

SECOND = 1_000_000
MINUTE, HOUR = 60 * SECOND, 3_600 * SECOND
EVENT_US = 1_600_000_000 * SECOND
QUIET = {"window_ms": 600_000, "threshold": 2.5, "count_min": 30}
"""Settings of a z-score that stays silent over a quiet walk."""


class Tape(NamedTuple):
    """An event's tape: ten hours with a trade every ten seconds; when the price jumps, against the event."""

    symbol: str
    jumps_us: Sequence[int] = ()
    onset_us: int | None = None


def pump_events(folder: Path, tapes: Sequence[Tape], known: Sequence[tuple[str, int]] = ()) -> Path:
    """A folder of pump events, all announced at EVENT_US, and of other events that are known."""
    (folder / "tapes").mkdir(parents=True)
    labels = []
    for tape in tapes:
        file = f"tapes/{tape.symbol}.parquet"
        walk(tape).write_parquet(folder / file)
        onset = None if tape.onset_us is None else EVENT_US + tape.onset_us
        labels.append(
            {"file": file, "symbol": tape.symbol, "event_ts": EVENT_US, "onset_ts": onset, "quality": "strong"}
        )
    pl.DataFrame(labels, schema_overrides={"onset_ts": pl.Int64}).write_csv(folder / "labels.csv")
    others = {"symbol": [symbol for symbol, _ in known], "event_ts": [EVENT_US + at for _, at in known]}
    pl.DataFrame(others, schema={"symbol": pl.String, "event_ts": pl.Int64}).write_csv(folder / "known_events.csv")
    return folder


def walk(tape: Tape) -> pl.DataFrame:
    """Prices that wander by a hundredth about 100, three units higher after each jump, in the form of a tape."""
    ts = EVENT_US + np.arange(-2 * HOUR, 8 * HOUR, 10 * SECOND)
    price = 100.0 + 0.01 * (np.arange(len(ts)) * 7 % 5)
    for at in tape.jumps_us:
        price += 3.0 * (ts >= EVENT_US + at)
    columns = {"ts": ts, "price": price.round(2), "size": 1.0}
    return pl.DataFrame(columns).with_columns(exchange=pl.lit("binance"), symbol=pl.lit(tape.symbol))


DAYS = (10 * HOUR - 10 * SECOND) / (24 * HOUR)
"""What a tape covers."""


def nab(folder: Path, series: Mapping[str, Sequence[float]], windows: Mapping[str, Sequence[tuple[int, int]]]) -> Path:
    """A folder as NAB's: values a minute apart; windows as their first and last row."""
    for name, values in series.items():
        file = folder / "data" / f"{name}.gz"
        file.parent.mkdir(parents=True, exist_ok=True)
        rows = [f"{clock(row)},{value}" for row, value in enumerate(values)]
        file.write_bytes(gzip.compress("\n".join(["timestamp,value", *rows, ""]).encode()))
    labels = {name: [[f"{clock(row)}.000000" for row in each] for each in told] for name, told in windows.items()}
    (folder / "labels").mkdir(parents=True, exist_ok=True)
    (folder / "labels" / "combined_windows.json").write_text(json.dumps(labels))
    return folder


def clock(minute: int) -> str:
    """The timestamp of a row."""
    return f"2020-01-{1 + minute // 1440:02d} {minute // 60 % 24:02d}:{minute % 60:02d}:00"


def rules(sections: Mapping[str, Mapping[str, Any]] | None = None, **changes: Any) -> Rules:
    """The z-score that stays silent over a quiet walk, with changes, or other detectors."""
    return made.rules(sections, **{**QUIET, **changes})


def fresh(rules: Rules) -> State:
    """A state that has seen nothing."""
    return State(rules, snapshot_ms=5_000)
