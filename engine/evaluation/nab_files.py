"""The Numenta Anomaly Benchmark as it lies on disk: `data/<category>/<name>.csv` and `labels/combined_windows.json`."""

import gzip
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
from msgspec import Struct

from engine import schema
from engine.columns import Ints, ints
from engine.errors import Misconfigured

LABELS = "labels/combined_windows.json"
_SYMBOL_BYTES_MAX = 64
_Labels = Mapping[str, Sequence[tuple[str, str]]]


class Series(Struct, frozen=True):
    """A series as ticks (columns of LOG), and the first and last row of each labelled window, in order."""

    name: str
    ticks: pl.DataFrame
    windows: tuple[tuple[int, int], ...]


def is_there(folder: Path) -> bool:
    """Whether the folder holds a benchmark of this kind."""
    return (folder / LABELS).is_file()


def read(folder: Path) -> Iterator[Series]:
    """The series that have both labels and data. Raises Misconfigured, naming the file that cannot be used."""
    labels = _labels(folder / LABELS)
    files = {name: file for name in sorted(labels) if (file := _file(folder / "data" / name))}
    if not files:
        raise Misconfigured(f"{folder}: none of the series of {LABELS} lies under data/")
    for name, file in files.items():
        ticks = _ticks(file, Path(name).stem)
        yield Series(name, ticks, _rows_of(labels[name], ints(ticks["ts_event"]), f"{folder / LABELS}: {name}"))


def _labels(path: Path) -> _Labels:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, list[tuple[str, str]]])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{path}: cannot be read as labels ({error}); restore the file") from error


def _file(path: Path) -> Path | None:
    """The file itself, or the same compressed."""
    return next((each for each in (path, path.with_name(f"{path.name}.gz")) if each.is_file()), None)


def _ticks(path: Path, stem: str) -> pl.DataFrame:
    """The points, in order of time, as trades of one key; a timestamp without a zone is taken for UTC."""
    try:
        packed = path.read_bytes()
        text = gzip.decompress(packed) if path.suffix == ".gz" else packed
        points = pl.read_csv(text, schema_overrides={"timestamp": pl.String, "value": pl.Float64})
        points = points.select("value", time=pl.col("timestamp").str.to_datetime(time_unit="us", time_zone="UTC"))
    except (pl.exceptions.PolarsError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise Misconfigured(f"{path}: cannot be read as timestamp,value ({_first_line(error)})") from error
    if points.null_count().sum_horizontal().item():
        raise Misconfigured(f"{path}: a timestamp or value is missing; restore the file")
    key = {"exchange": pl.lit("nab"), "symbol": pl.lit(_symbol(stem))}
    told = points.sort("time", maintain_order=True).select(
        **key, ts_event="time", price="value", missing=pl.lit(0, pl.Int32)
    )
    return pl.concat([schema.empty(schema.LOG), told], how="diagonal")


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _symbol(stem: str) -> str:
    """The name of the series as one that a symbol may have."""
    legal = re.sub(r"[\x00-\x20\x7f]", "_", stem).encode()[:_SYMBOL_BYTES_MAX]
    return legal.decode(errors="ignore")


def _rows_of(windows: Sequence[tuple[str, str]], times: Ints, path: str) -> tuple[tuple[int, int], ...]:
    """Each window's first and last row. Of several rows at its last time the first is the last, as in NAB."""
    try:
        bounds = np.array(windows, "datetime64[us]").astype(np.int64).reshape(-1, 2)
    except ValueError as error:
        raise Misconfigured(f"{path}: {error}") from error
    first, last = np.searchsorted(times, np.sort(bounds, axis=0).T, "left")
    last -= ~np.isin(bounds[:, 1], times)
    if (first > last).any() or (first[1:] <= last[:-1]).any():
        raise Misconfigured(f"{path}: a window holds no row, or overlaps another")
    return tuple(zip(first.tolist(), last.tolist(), strict=True))
