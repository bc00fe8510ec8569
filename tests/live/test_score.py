"""`tickstream score` against DuckDB's own computation, a million rows."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.laws.same import assert_same
from tests.live.commands import ran, told

ROWS = 1_000_000
FLAT_ROWS = 5_000


@pytest.mark.timeout(600)
def test_a_million_rows_equal_duckdb_to_the_bit_however_they_are_cut(tmp_path: Path) -> None:
    ticks = tmp_path / "ticks.parquet"
    hard_ticks().write_parquet(ticks)
    outs = []
    for rows in (100_000, 7_919):
        out = tmp_path / f"by_{rows}.parquet"
        scored = ran(tmp_path / f"score_{rows}", "score", str(ticks), f"--out={out}", f"--batch-rows={rows}", "--json")
        assert scored.process.returncode == 0, scored.err
        assert told(scored)["rows"] == ROWS
        outs.append(pl.read_parquet(out))
    assert_same(outs[1], outs[0], leave_out=["ts_scored"])
    scores = outs[0]
    assert scores["seq"].to_list() == list(range(ROWS))
    assert scores["z"].is_infinite().any()
    assert scores["flagged"].sum() > 1_000

    replayed = ran(
        tmp_path / "replay", "replay", f"--ticks={ticks}", f"--scores={tmp_path / 'by_100000.parquet'}", "--json"
    )
    assert replayed.process.returncode == 0, replayed.out + replayed.err
    report = told(replayed)
    assert report["rows"] == ROWS
    assert [report[key] for key in ("missing", "extra", "integers_differ", "floats_differ")] == [0, 0, 0, 0]


def hard_ticks() -> pl.DataFrame:
    """Ties, clocks skewed between venues, prices from 1e-8 to 1e6 in one batch, flat stretches, a drift of 50 %."""
    random = np.random.default_rng(11)
    venue, coin = random.integers(0, 3, ROWS), random.integers(0, 20, ROWS)
    ts = 1_723_161_255_000_000 + np.cumsum(random.choice([0, 0, 0, 1, 50, 200, 1_000], ROWS))
    skew_us = np.array([0, 900_000, -420_000_000])
    base = np.geomspace(1e-8, 4e5, 20)
    walk = np.exp(np.cumsum(random.normal(0, 1e-5, ROWS)))
    spike = np.where(random.random(ROWS) < 0.002, 1.01, 1.0)
    moving = base[coin] * walk * spike * np.linspace(1.0, 1.5, ROWS)
    flat = np.arange(ROWS) // FLAT_ROWS % 7 == 0
    price = np.maximum(np.where(flat, base[coin] * spike, moving).round(8), 1e-8)
    return pl.DataFrame(
        {
            "ts": ts + skew_us[venue],
            "exchange": np.array(["binance", "coinbase", "kraken"])[venue],
            "symbol": np.array([f"COIN{number}-USD" for number in range(20)])[coin],
            "price": price,
            "size": random.lognormal(-3, 1, ROWS).round(8),
            "trade_id": np.arange(ROWS),
        }
    )
