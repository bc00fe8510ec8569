"""Everything in one process, as a person would run it."""

import signal
import struct
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.live.commands import Command, eventually, ran, told

QUIET = ["--set=metrics.feeds_port=0", "--set=metrics.engine_port=0"]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a few seconds of `tickstream run` leave behind."""
    folder = tmp_path_factory.mktemp("embedded")
    data = folder / "data"
    command = ran(folder / "run", "run", f"--data={data}", "--for=6", "--set=simulator.ticks_per_second=600", *QUIET)
    assert command.process.returncode == 0, command.err
    assert "ticks scored" in command.err
    return data


def test_three_venues_are_scored_and_proven(dataset: Path, tmp_path: Path) -> None:
    scores = pl.read_parquet(dataset / "scores")
    assert set(scores["exchange"]) == {"binance", "coinbase", "kraken"}
    replayed = ran(tmp_path, "replay", f"--data={dataset}", "--json")
    assert replayed.process.returncode == 0, replayed.out
    assert told(replayed)["rows"] == len(scores)


def test_a_tape_is_scored_to_its_last_row_however_fast_it_is_played(tmp_path: Path) -> None:
    numbers = pl.int_range(1, 20_001, eager=True)
    rows = {"ts": 1_700_000_000_000_000 + 30_000 * numbers, "price": 60_000.0 + numbers % 100, "trade_id": numbers}
    tape = pl.DataFrame(rows).with_columns(exchange=pl.lit("binance"), symbol=pl.lit("BTC-USDT"), size=pl.lit(0.5))
    tape.write_parquet(tmp_path / "tape.parquet")
    played = f"--tape={tmp_path / 'tape.parquet'}"
    command = ran(tmp_path / "run", "run", played, "--rate=100000", f"--data={tmp_path / 'data'}", *QUIET)
    assert command.process.returncode == 0, command.err
    assert pl.read_parquet(tmp_path / "data" / "scores")["trade_id"].sort().equals(numbers, check_names=False)


def test_one_bit_of_one_z_is_found_and_named(dataset: Path, tmp_path: Path) -> None:
    path = max((dataset / "scores").rglob("*.parquet"), key=lambda each: each.stat().st_size)
    whole = path.read_bytes()
    rows = pq.read_table(path)
    at = next(number for number, z in enumerate(rows["z"].to_pylist()) if z is not None)
    try:
        pq.write_table(with_flipped_bit(rows, at), path)
        replayed = ran(tmp_path, "replay", f"--data={dataset}", "--json")
    finally:
        path.write_bytes(whole)
    assert replayed.process.returncode == 1
    report = told(replayed)
    assert report["floats_differ"] == 1
    [named] = report["first"]
    assert {name: named[name] for name in ("partition", "offset", "row", "exchange", "symbol")} == {
        name: rows[name][at].as_py() for name in ("partition", "offset", "row", "exchange", "symbol")
    }
    assert [column["column"] for column in named["columns"]] == ["z"]


def with_flipped_bit(rows: pa.Table, at: int) -> pa.Table:
    values = rows["z"].to_pylist()
    (bits,) = struct.unpack("<q", struct.pack("<d", values[at]))
    (values[at],) = struct.unpack("<d", struct.pack("<q", bits ^ 1))
    return rows.set_column(rows.schema.get_field_index("z"), "z", pa.array(values, pa.float64()))


def test_a_killed_engine_goes_on_where_it_was(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running(tmp_path / "first", "run", f"--data={data}", "--set=sinks.parquet.flush_ms=300", *QUIET) as first:
        eventually(first, lambda: len(list((data / "scores").rglob("*.parquet"))) > 6)
        first.process.send_signal(signal.SIGKILL)
        first.wait()
    assert ran(tmp_path / "second", "run", f"--data={data}", "--for=3", *QUIET).process.returncode == 0
    replayed = ran(tmp_path / "replay", "replay", f"--data={data}", "--json")
    assert replayed.process.returncode == 0, replayed.out


def test_a_signal_ends_it_in_order_and_a_second_engine_is_refused(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running(tmp_path / "first", "run", f"--data={data}", *QUIET) as first:
        eventually(first, lambda: "ticks/s" in first.err)
        second = ran(tmp_path / "second", "run", f"--data={data}", *QUIET)
        assert second.process.returncode == 78
        assert str(data) in second.err
        assert "Traceback" not in second.err
        assert first.stop(signal.SIGINT) == 0, first.err
    assert "ticks scored" in first.err


@contextmanager
def running(folder: Path, *arguments: str) -> Iterator[Command]:
    with closing(Command(folder, *arguments)) as command:
        yield command


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["run", "--set=detectors.spike.windw_ms=10"], 78, "did you mean window_ms?"),
        (["run", "--set=detectors.spike.threshold=0"], 78, "detectors.spike.threshold"),
        (["run", "--set=detectors.spike.use=zscor"], 78, "did you mean zscore?"),
        (["run", "--set=loop.drain_ms=fast"], 78, "loop.drain_ms"),
        (["run", "--set=feeds.exchanges=['bnance']"], 78, "did you mean binance?"),
        (["run", "--set=run.sinks=['parket']"], 78, "did you mean parquet?"),
        (["run", "--tape=/nowhere.parquet"], 78, "/nowhere.parquet"),
        (["run", "--config=/nowhere.toml"], 78, "/nowhere.toml"),
        (["run", "--data=/proc/nothing"], 78, "/proc/nothing"),
        (["engine", "--set=bus.kafka.bootstrap=127.0.0.1:1"], 69, "kafka"),
        (["engine", "--set=bus.kafka.bootstrap=kafka.example:9092"], 78, "bus.kafka"),
        (["migrate", "--dsn=postgresql://127.0.0.1:1/none"], 69, "postgresql"),
        (["replay"], 78, "--data DIR"),
        (["replay", "--data=/nowhere"], 78, "/nowhere"),
        (["score", "/nowhere.parquet", "--out=/tmp/never.parquet"], 78, "/nowhere.parquet"),
        (["score", "pyproject.toml", "--out=pyproject.toml"], 78, "one of the tick files"),
        (["score", "pyproject.toml", "--out=/dev/null"], 78, "is not a file"),
        (["run", "--set=..=5"], 78, "expected key=value"),
        (["run", "--set=detectors.spike.window_ms=99999999999999999"], 78, "detectors.spike.window_ms"),
        (["run", "--set=simulator.rate=inf"], 78, "simulator.rate"),
        (["run", "--for=-1"], 2, "--for"),
        (["query", "--data=/nowhere", "SELECT 1"], 78, "/nowhere"),
        (["run", "--nonsense"], 2, "nonsense"),
    ],
)
def test_what_a_user_can_cause_is_said_in_a_line(arguments: list[str], code: int, said: str, tmp_path: Path) -> None:
    command = ran(tmp_path, *arguments, environ={"COLUMNS": "200"})
    assert command.process.returncode == code, command.err
    assert said in command.err
    assert "Traceback" not in command.err


def test_settings_tell_their_origin_and_hide_secrets(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text("[loop]\ndrain_ms = 50\n", "utf-8")
    command = ran(
        tmp_path / "run",
        *("settings", "--json", f"--config={file}", "--set=sinks.timescale.dsn=postgresql://me:secret@127.0.0.1/db"),
        environ={"TICKSTREAM_LOOP__ROWS_MAX": "7"},
    )
    found = told(command)
    assert found["loop.drain_ms"] == {"value": 50, "origin": str(file)}
    assert found["loop.rows_max"] == {"value": 7, "origin": "TICKSTREAM_LOOP__ROWS_MAX"}
    assert found["loop.snapshot_ms"]["origin"] == "default"
    assert "secret" not in command.out


def test_doctor_names_what_is_wrong_and_where(tmp_path: Path) -> None:
    well = ran(tmp_path / "well", "doctor", "--json", f"--set=data.dir={tmp_path}", *QUIET)
    assert well.process.returncode == 0, well.out
    ill = ran(tmp_path / "ill", "doctor", "--set=bus.kafka.bootstrap=127.0.0.1:1", f"--set=data.dir={tmp_path}", *QUIET)
    assert ill.process.returncode == 69
    assert "PROBLEM  kafka" in ill.out
