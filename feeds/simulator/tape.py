"""A recorded market, played again: original ids and event times, original spacing divided by `rate`."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import polars as pl

from engine.errors import Misconfigured
from feeds.simulator.assets import canonical
from feeds.simulator.market import VENUES, Trade

_ROWS_AT_ONCE = 10_000
_LOT = 1e-8
_LATEST_US = 7_258_118_400_000_000  # the year 2200


class Tape:
    """The trades of a Parquet file, in the order of the file.

    Its columns: `ts` (µs, UTC) or `ts_event`, `exchange`, `symbol`, `price`; where known `size`, `side`, `trade_id`.
    Venues always name a side: a trade with none is sent as a buy, one with no size as the smallest.
    """

    def __init__(self, path: Path, rate: float) -> None:
        """Raises Misconfigured where the file cannot be played."""
        self._rows = _prepared(_read(path), path)
        self._rate = rate
        pairs = self._rows.select("venue", "symbol").unique(maintain_order=True).rows()
        self.symbols = tuple(dict.fromkeys(symbol for _, symbol in pairs))
        self.awaited: Mapping[str, frozenset[str]] = {
            venue: frozenset(symbol for at, symbol in pairs if at == venue) for venue, _ in pairs
        }

    def __len__(self) -> int:
        return len(self._rows)

    def trades(self, start_us: int) -> Iterator[tuple[int, Trade]]:
        """A trade is due when the latest time up to its row has come: the file's order is kept where times go back."""
        for rows in self._rows.iter_slices(_ROWS_AT_ONCE):
            for after_us, *trade in rows.iter_rows():
                yield start_us + int(after_us / self._rate), Trade(*trade)


def _read(path: Path) -> pl.DataFrame:
    try:
        return pl.read_parquet(path, glob=False)
    except OSError as error:
        raise Misconfigured(f"{path}: cannot be read ({error.strerror or error}); give a Parquet file") from error
    except pl.exceptions.PolarsError as error:
        raise Misconfigured(f"{path}: is not a whole Parquet file; give one with a row for each trade") from error


def _prepared(rows: pl.DataFrame, path: Path) -> pl.DataFrame:
    """The fields of Trade, with the time since the first trade before them."""
    time = "ts" if "ts" in rows.columns else "ts_event"
    lacking = [name for name in (time, "exchange", "symbol", "price") if name not in rows.columns]
    if lacking:
        raise Misconfigured(f"{path}: has no column {', '.join(lacking)}; a tape has ts, exchange, symbol and price")
    if rows.is_empty():
        raise Misconfigured(f"{path}: holds no trades")
    trades = _typed(rows, time, path)
    first_us = trades.item(0, "time_us")
    return trades.select((pl.col("time_us").cum_max() - first_us).alias("after_us"), *Trade._fields)


def _typed(rows: pl.DataFrame, time: str, path: Path) -> pl.DataFrame:
    absent = [pl.lit(None).alias(name) for name in ("size", "side", "trade_id") if name not in rows.columns]
    stamp = pl.col(time).dt.timestamp("us") if rows.schema[time].is_temporal() else pl.col(time)
    try:
        trades = rows.with_columns(absent).select(
            pl.col("exchange").cast(pl.String).alias("venue"),
            pl.col("symbol").cast(pl.String),
            stamp.cast(pl.Int64).alias("time_us"),
            pl.col("trade_id").cast(pl.Int64),
            pl.col("price").cast(pl.Float64),
            pl.col("size").cast(pl.Float64).fill_null(_LOT),
            pl.when(_lower("side") == "sell").then(pl.lit("sell")).otherwise(pl.lit("buy")).alias("side"),
        )
    except pl.exceptions.PolarsError as error:
        raise Misconfigured(f"{path}: a column has the wrong type: {str(error).splitlines()[0]}") from error
    return _named(_whole(trades, path))


def _lower(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.String).str.to_lowercase()


def _whole(trades: pl.DataFrame, path: Path) -> pl.DataFrame:
    whole = pl.all_horizontal(
        pl.col("venue", "symbol").is_not_null(),
        pl.col("time_us").is_between(0, _LATEST_US).fill_null(value=False),
        pl.col("price", "size").is_finite().fill_null(value=False),
    )
    broken = trades.select((~whole).arg_true().first()).item()
    if broken is not None:
        raise Misconfigured(
            f"{path}: row {broken} has no exchange, symbol, time in µs since 1970, or finite price and size"
        )
    return trades


def _named(trades: pl.DataFrame) -> pl.DataFrame:
    """Venues and symbols by our names; running ids for trades that have none."""
    venues = {name: _venue(name) for name in trades["venue"].unique()}
    symbols = {name: canonical(name) for name in trades["symbol"].unique()}
    named = trades.with_columns(pl.col("venue").replace_strict(venues), pl.col("symbol").replace_strict(symbols))
    running = pl.int_range(1, pl.len() + 1).over("venue", "symbol")
    return named.with_columns(pl.col("trade_id").fill_null(running))


def _venue(exchange: str) -> str:
    """The venue that plays an exchange: kraken for kraken_futures, binance for those that no venue is named after."""
    return next((venue for venue in VENUES if exchange.startswith(venue)), "binance")
