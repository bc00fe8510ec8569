"""A folder of labelled pumps: `labels.csv`, the tapes that it names, and `known_events.csv` where it is there."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl
from msgspec import Struct

from engine import schema
from engine.columns import Ints, ints
from engine.errors import Misconfigured
from engine.order import TIME_MAX_US
from storage import recording

LABELS, KNOWN = "labels.csv", "known_events.csv"
_EVENT = {"symbol": pl.String, "event_ts": pl.Int64}
_LABEL = {"file": pl.String, **_EVENT}
_ONSET = {"onset_ts": pl.Int64}


class Event(Struct, frozen=True):
    """A pump as labelled: its tape, when it was announced and, where that is known, when the price began to move."""

    file: str
    symbol: str
    event_us: int
    onset_us: int | None

    @property
    def start_us(self) -> int:
        """The onset, or the event where none is given."""
        return self.event_us if self.onset_us is None else self.onset_us


class PumpEvents(Struct, frozen=True):
    """What a folder's labels tell. `known_us` holds the times of all events known of a symbol, labelled ones too."""

    folder: Path
    events: tuple[Event, ...]
    known_us: Mapping[str, Ints]

    @property
    def files(self) -> Mapping[str, str]:
        """Each tape once, with its symbol."""
        return {event.file: event.symbol for event in self.events}


def is_there(folder: Path) -> bool:
    """Whether the folder holds labelled pumps."""
    return (folder / LABELS).is_file()


def read(folder: Path) -> PumpEvents:
    """The labels. Raises Misconfigured, naming the file that cannot be used."""
    labels = _table(folder / LABELS, _LABEL, _ONSET)
    if labels.is_empty():
        raise Misconfigured(f"{folder / LABELS}: holds no event")
    known = labels.select(*_EVENT)
    if (folder / KNOWN).exists():
        known = pl.concat([known, _table(folder / KNOWN, _EVENT, {})])
    by_symbol = known.unique().sort("event_ts").partition_by("symbol", as_dict=True, include_key=False)
    return PumpEvents(
        folder,
        tuple(Event(*row) for row in labels.iter_rows()),
        {str(symbol): ints(rows["event_ts"]) for (symbol,), rows in by_symbol.items()},
    )


def _table(
    path: Path, wanted: Mapping[str, type[pl.DataType]], optional: Mapping[str, type[pl.DataType]]
) -> pl.DataFrame:
    """The columns of a CSV file, the optional ones null where they are absent."""
    try:
        rows = pl.read_csv(path, schema_overrides={**wanted, **optional})
        rows = rows.with_columns(pl.lit(None, kind).alias(name) for name, kind in optional.items() if name not in rows)
        rows = rows.select(*wanted, *optional)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise Misconfigured(f"{path}: cannot be read as labels ({str(error).splitlines()[0]})") from error
    if torn := rows.select(*wanted).null_count().sum_horizontal().item():
        raise Misconfigured(f"{path}: {torn} values of {', '.join(wanted)} are missing; restore the file")
    if not rows["event_ts"].is_between(0, TIME_MAX_US, closed="left").all():
        raise Misconfigured(f"{path}: event_ts must be in microseconds since 1970")
    return rows


def ticks_of(folder: Path, file: str, symbol: str) -> pl.DataFrame:
    """A tape with the columns of LOG. Raises Misconfigured where it is torn, empty or another symbol's."""
    ticks = pl.concat([schema.empty(schema.LOG), *recording.read([folder / file])])
    if ticks.is_empty():
        raise Misconfigured(f"{folder / file}: holds no trades")
    if others := set(ticks["symbol"].unique()) - {symbol}:
        raise Misconfigured(f"{folder / file}: holds {', '.join(sorted(others))}; {LABELS} says {symbol}")
    return ticks


def days_of(ticks: pl.DataFrame) -> float:
    """The time from the first trade to the last, in days."""
    return float(np.ptp(ints(ticks["ts_event"]))) / 86_400e6
