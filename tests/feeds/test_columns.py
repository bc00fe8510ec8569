"""Ticks in, one record batch out."""

from engine.schema import TICK
from feeds.columns import TickColumns
from feeds.exchanges import Tick

TICKS = [Tick("BTC-USD", 1_000 + n, 2_000 + n, n, 100.0 + n, 0.5, "buy", n % 3) for n in range(5)]


def test_rows_carry_the_ticks_and_their_exchange() -> None:
    columns = TickColumns("kraken")
    columns.take(TICKS)
    batch = columns.batch(10)
    assert batch.schema == TICK
    batch.validate(full=True)
    assert batch.num_rows == 5
    assert [value.value for value in batch["ts_event"]] == [1_000, 1_001, 1_002, 1_003, 1_004]
    assert [value.value for value in batch["ts_received"]] == [2_000, 2_001, 2_002, 2_003, 2_004]
    plain = batch.drop_columns(["ts_event", "ts_received"]).to_pylist()
    assert plain[4] == {
        "exchange": "kraken",
        "symbol": "BTC-USD",
        "trade_id": 4,
        "price": 104.0,
        "size": 0.5,
        "side": "buy",
        "missing": 1,
    }


def test_oldest_rows_go_first_and_the_others_stay() -> None:
    columns = TickColumns("kraken")
    columns.take(TICKS[:2])
    columns.take(TICKS[2:])
    assert columns.batch(3)["trade_id"].to_pylist() == [0, 1, 2]
    assert len(columns) == 2
    assert columns.batch(3)["trade_id"].to_pylist() == [3, 4]
    assert len(columns) == 0


def test_no_ticks_are_a_batch_of_no_rows() -> None:
    batch = TickColumns("kraken").batch(3)
    assert (batch.num_rows, batch.schema) == (0, TICK)
