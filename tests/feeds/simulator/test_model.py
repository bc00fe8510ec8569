from collections import Counter

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from engine.errors import Misconfigured
from feeds.simulator.market import VENUES, Trade
from feeds.simulator.model import Model
from tests.feeds.simulator.talking import BUILT_IN, START_US, first, simulator, some

SYMBOLS = BUILT_IN.feeds.symbols
THRESHOLD = BUILT_IN.detectors["spike"]["threshold"]
WARM = BUILT_IN.detectors["spike"]["count_min"]


def frame(trades: list[Trade]) -> pl.DataFrame:
    return pl.DataFrame(trades, schema=Trade._fields, orient="row")


def scores(trades: list[Trade], window_us: int = 60_000_000) -> pl.DataFrame:
    """Each trade's z against those before it in its window; rows of full windows only."""
    keyed = frame(trades).partition_by("venue", "symbol")
    return pl.concat([one.with_columns(pl.Series("z", _z(one, window_us))) for one in keyed]).filter(
        pl.col("z").is_not_nan()
    )


def _z(trades: pl.DataFrame, window_us: int) -> NDArray[np.float64]:
    time, price = trades["time_us"].to_numpy(), trades["price"].to_numpy()
    start = np.searchsorted(time, time - window_us, side="right")
    return np.array(
        [
            (price[row] - price[begin:row].mean()) / price[begin:row].std(ddof=1) if row - begin >= WARM else np.nan
            for row, begin in enumerate(start)
        ]
    )


def test_a_seed_gives_the_same_market_whenever_it_starts() -> None:
    model = Model(simulator(), SYMBOLS)
    later = [trade for _, trade in zip(range(5_000), model.trades(START_US + 3_600_000_000), strict=False)]
    assert len(later) == 5_000
    moved = [
        trade._replace(time_us=trade.time_us - 3_600_000_000, trade_id=trade.trade_id - 3_600_000_000)
        for _, trade in later
    ]
    assert moved == some(model, 5_000) == some(Model(simulator(), SYMBOLS), 5_000)
    assert some(Model(simulator(seed=8), SYMBOLS), 100) != some(model, 100)


def test_as_many_ticks_come_as_set_split_over_all_venues_and_symbols() -> None:
    trades = first(Model(simulator(), SYMBOLS), seconds=600)
    assert 0.85 < len(trades) / 600 / BUILT_IN.simulator.ticks_per_second < 1.15
    venues = Counter(trade.venue for trade in trades)
    assert [venue for venue, _ in venues.most_common()] == list(VENUES)
    assert len({(trade.venue, trade.symbol) for trade in trades}) == len(VENUES) * len(SYMBOLS)


def test_a_rate_of_ten_lets_ten_times_as_much_happen_at_the_same_times_of_day() -> None:
    slow, fast = (some(Model(simulator(rate=rate), SYMBOLS), 2_000) for rate in (1.0, 10.0))
    assert [trade.price for trade in slow] == [trade.price for trade in fast]
    for before, after in zip(slow, fast, strict=True):
        assert after.time_us - START_US == (before.time_us - START_US) // 10


def test_trades_are_due_at_their_own_times_and_these_never_go_back() -> None:
    due = [each for _, each in zip(range(5_000), Model(simulator(), SYMBOLS).trades(START_US), strict=False)]
    times = [trade.time_us for _, trade in due]
    assert times == [at_us for at_us, _ in due] == sorted(times)
    assert times[0] >= START_US


def test_ids_rise_by_one_from_the_clocks_microseconds() -> None:
    trades = frame(some(Model(simulator(), SYMBOLS), 20_000))
    for key in trades.partition_by("venue", "symbol"):
        assert key["trade_id"].to_list() == list(range(START_US, START_US + len(key)))


def test_a_busy_run_is_followed_by_higher_ids() -> None:
    busy = first(Model(simulator(ticks_per_second=20_000.0), ("BTC-USDT",)), seconds=1.0)
    end_us = START_US + 1_000_000
    _, later = next(Model(simulator(), ("BTC-USDT",)).trades(end_us))
    assert max(trade.trade_id for trade in busy) < later.trade_id < 2**53


def test_prices_stand_on_ticks_and_sizes_on_lots() -> None:
    for trade in some(Model(simulator(), ("BTC-USDT",)), 5_000):
        assert trade.price == round(trade.price, 1)
        assert trade.size == round(trade.size, 5)
        assert trade.size >= 1e-5


def test_orders_fill_in_bursts_of_one_time_and_one_side() -> None:
    trades = frame(first(Model(simulator(), ("BTC-USDT",)), seconds=300)).filter(pl.col("venue") == "binance")
    bursts = trades.group_by("time_us").agg(pl.len(), pl.col("side").n_unique())
    fills = bursts["len"].to_numpy()
    tied = fills[fills > 1].sum() / fills.sum()
    assert 0.4 < tied < 0.9
    assert fills.max() > 50
    assert np.mean(bursts["side"].to_numpy() == 1) > 0.999


def test_sizes_follow_a_log_normal_law_about_the_same_worth_for_every_symbol() -> None:
    for symbol in ("BTC-USDT", "SOL-USDT"):
        trades = frame(first(Model(simulator(), (symbol,)), seconds=120))
        logs = np.log(trades["size"].to_numpy() * trades["price"].to_numpy())
        assert abs(logs.mean() - np.log(300.0)) < 0.1
        assert 1.3 < logs.std() < 1.7
        assert abs(np.mean(((logs - logs.mean()) / logs.std()) ** 3)) < 0.3


def test_takers_follow_the_move() -> None:
    trades = frame(first(Model(simulator(ticks_per_second=2_000.0), ("BTC-USDT",)), seconds=120))
    buys = pl.col("side") == "buy"
    seconds = (
        trades.filter(pl.col("venue") == "binance")
        .group_by(pl.col("time_us") // 1_000_000)
        .agg(ask=pl.col("price").filter(buys).mean(), bought=buys.mean())
        .sort("time_us")
        .drop_nulls()
    )
    moves = np.diff(seconds["ask"].to_numpy())
    assert np.corrcoef(moves, seconds["bought"].to_numpy()[1:])[0, 1] > 0.2


def test_venues_lag_each_other() -> None:
    busy = simulator(ticks_per_second=3_000.0, jumps_per_hour=360.0)
    trades = frame(first(Model(busy, ("BTC-USDT",)), seconds=90))
    steps = pl.DataFrame({"step": range(1, 90 * 20)})

    def moves(venue: str) -> NDArray[np.float64]:
        quoted = trades.filter(pl.col("venue") == venue).group_by(step=(pl.col("time_us") - START_US) // 50_000)
        prices = steps.join(quoted.agg(pl.col("price").mean()), on="step", how="left", maintain_order="left")["price"]
        return np.diff(prices.forward_fill().backward_fill().to_numpy())

    leader = moves("binance")

    def lag(venue: str) -> int:
        follower = moves(venue)
        return max(range(20), key=lambda steps: float(leader[: len(leader) - steps] @ follower[steps:]))

    assert [lag(venue) for venue in VENUES] == [0, 3, 8]


def test_someone_watching_for_a_minute_sees_anomalies_at_every_venue() -> None:
    flagged = scores(first(Model(simulator(), SYMBOLS), seconds=60)).filter(pl.col("z").abs() >= THRESHOLD)
    assert set(flagged["venue"]) == set(VENUES)
    assert flagged.select("venue", "symbol").n_unique() >= 4


def test_jumps_are_what_stands_out() -> None:
    wild, calm = (
        np.abs(scores(first(Model(simulator(jumps_per_hour=jumps), SYMBOLS), seconds=600))["z"].to_numpy())
        for jumps in (60.0, 0.0)
    )
    assert np.mean(wild >= THRESHOLD) > 5 * np.mean(calm >= THRESHOLD)
    assert wild.max() > 10 > calm.max()


def test_a_symbol_named_twice_trades_once_and_none_at_all_is_refused() -> None:
    assert Model(simulator(), ("BTC-USDT", "BTC-USDT")).symbols == ("BTC-USDT",)
    with pytest.raises(Misconfigured, match=r"feeds\.symbols"):
        Model(simulator(), ())


@pytest.mark.parametrize("symbols", [("BTC-USDT",), ("😀-BTC", "NONSENSE-USDT"), tuple(f"S{n}-USD" for n in range(50))])
def test_any_symbols_can_be_traded(symbols: tuple[str, ...]) -> None:
    trades = some(Model(simulator(ticks_per_second=5_000.0), symbols), 5_000)
    assert {trade.symbol for trade in trades} <= set(symbols)
    assert all(trade.price > 0 and trade.size > 0 for trade in trades)
