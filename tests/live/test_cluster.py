"""Simulated exchanges → feed → Kafka → engine → PostgreSQL and Kafka, as processes, on a real tape."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import polars as pl
import pyarrow as pa
import pytest
from adbc_driver_postgresql import dbapi

from engine import schema
from engine.settings import Settings, load
from storage.bus.reading import read_topic
from tests.laws.same import assert_same
from tests.live.commands import Command, eventually, ran, told
from tests.shared import shared

TAPE = "data/tapes/norm/binance_spot_btcusdt_20240808-09.parquet"
IDENTITY = ["partition", "offset", "row", "exchange", "symbol", "detector"]


@pytest.mark.timeout(600)
def test_every_tick_of_a_tape_is_scored_once_and_proven(
    kafka: str, postgres: Callable[[], str], tmp_path: Path
) -> None:
    tape = shared(TAPE)
    dsn = postgres()
    common = [
        f"--set=bus.prefix=t{uuid4().hex}",
        f"--set=bus.kafka.bootstrap={kafka}",
        f"--set=sinks.timescale.dsn={dsn}",
        "--set=metrics.feeds_port=0",
        "--set=metrics.engine_port=0",
    ]
    settings = load(None, [each.removeprefix("--set=") for each in common], {}).settings
    assert ran(tmp_path / "migrate", "migrate", *common).process.returncode == 0

    with running(tmp_path / "engine", "engine", *common) as engine:
        with running(tmp_path / "simulate", "simulate", f"--tape={tape}", "--rate=20") as simulate:
            eventually(simulate, lambda: "kraken" in simulate.out)
            urls = [f"--set={line}" for line in simulate.out.splitlines()]
            of_tape = ['--set=feeds.exchanges=["binance"]', '--set=feeds.symbols=["BTC-USDT"]']
            with running(tmp_path / "feed", "feed", *common, *urls, *of_tape) as feed:
                assert simulate.wait() == 0, simulate.err
                assert feed.stop(signal.SIGTERM) == 0, feed.err
        captured = ran(tmp_path / "capture", "capture", f"--out={tmp_path / 'ticks'}", "--to-end", *common)
        assert captured.process.returncode == 0, captured.err
        eventually(engine, lambda: count(dsn) >= len(pl.read_parquet(tape)))
        assert engine.stop(signal.SIGTERM) == 0, engine.err

    ids = pl.read_parquet(tape)["trade_id"].sort()
    stored = in_postgres(dsn)
    assert stored["trade_id"].sort().to_list() == ids.to_list()
    assert_same(in_topic(settings), stored)
    for name, where in (("database", [f"--dsn={dsn}"]), ("topic", ["--topic"])):
        replayed = ran(tmp_path / name, "replay", f"--ticks={tmp_path / 'ticks'}", *where, "--json", *common)
        assert replayed.process.returncode == 0, replayed.out + replayed.err
        report = told(replayed)
        assert report["rows"] == len(ids)
        assert [report[key] for key in ("missing", "extra", "integers_differ", "floats_differ")] == [0, 0, 0, 0]
        assert report["anomalies"] > 0


@contextmanager
def running(folder: Path, *arguments: str) -> Iterator[Command]:
    """A process that is gone at the end."""
    command = Command(folder, *arguments)
    try:
        yield command
    finally:
        command.close()


def count(dsn: str) -> int:
    with dbapi.connect(dsn) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM tickstream.scores")
        return int(cursor.fetchone()[0])


def in_postgres(dsn: str) -> pl.DataFrame:
    with dbapi.connect(dsn) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT * FROM tickstream.scores")
        rows = cursor.fetch_arrow_table()
    return sorted_scores(rows.select(schema.SCORE.names).cast(schema.SCORE))


def in_topic(settings: Settings) -> pl.DataFrame:
    batches = [rows for _, _, rows in read_topic(settings.bus, "scores")]
    return sorted_scores(pa.Table.from_batches(batches))


def sorted_scores(rows: pa.Table) -> pl.DataFrame:
    return schema.frame(rows).sort(IDENTITY)
