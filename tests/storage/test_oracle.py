"""What the oracle reads, and what it refuses. What it computes: tests/laws/test_oracle_agrees.py."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from engine.errors import Misconfigured
from storage import oracle
from storage.files import put
from storage.scans import Rows
from tests.laws.strategies import document, text_of
from tests.storage.recorded import SPIKE, lively_log

LOG = lively_log(60)
BARE = pa.table({"exchange": ["x", "x"], "symbol": ["A", "A"], "ts": [1_000_000, 2_000_000], "price": [1.0, 2.0]})


def log_of(ticks: Rows) -> list[tuple[Any, ...]]:
    with oracle.opened() as opened:
        opened.take_ticks(ticks)
        return opened.connection.table("log").select("partition", "offset", "row", "ts_event", "price").fetchall()


def arrow(rows: pa.Table, path: Path, *, stream: bool = False) -> Path:
    with (
        pa.OSFile(str(path), "wb") as file,
        (pa.ipc.new_stream if stream else pa.ipc.new_file)(file, rows.schema) as out,
    ):
        out.write_table(rows, max_chunksize=1)
    return path


def parquet(rows: pa.Table, path: Path) -> Path:
    put(rows, path)
    return path


def test_files_without_places_are_messages_in_the_order_given(tmp_path: Path) -> None:
    files = [
        parquet(BARE, tmp_path / "b.parquet"),
        arrow(BARE, tmp_path / "c.arrow"),
        arrow(BARE, tmp_path / "a.arrows", stream=True),
        parquet(BARE, tmp_path / "a.parquet"),
    ]
    assert log_of(files) == [(0, at, row, (row + 1) * 10**6, row + 1.0) for at in range(4) for row in range(2)]


def test_files_with_places_keep_them(tmp_path: Path) -> None:
    later, earlier = LOG.to_arrow().slice(30), LOG.to_arrow().slice(0, 30)
    files = [parquet(later, tmp_path / "1.parquet"), arrow(earlier, tmp_path / "2.arrow")]
    assert log_of(files) == log_of(LOG.to_arrow().to_reader())
    assert [row[:3] for row in log_of(files)] == LOG.sort("partition", "offset", "row").select(
        "partition", "offset", "row"
    ).rows()


def test_columns_that_a_file_lacks_are_null(tmp_path: Path) -> None:
    full = BARE.append_column("trade_id", pa.array([7, 8])).append_column("size", pa.array([1.0, 2.0]))
    full = full.append_column("side", pa.array(["buy", None]).dictionary_encode())
    with oracle.opened() as opened:
        opened.take_ticks([parquet(BARE, tmp_path / "a.parquet"), parquet(full, tmp_path / "b.parquet")])
        rows = opened.connection.table("log").select("trade_id", "size", "side", "missing", "ts_received").fetchall()
    assert rows == [(None,) * 5, (None,) * 5, (7, 1.0, "buy", None, None), (8, 2.0, None, None, None)]


def test_names_of_files_are_not_patterns(tmp_path: Path) -> None:
    wanted, other = tmp_path / "[ab]*?.parquet", tmp_path / "a.parquet"
    assert len(log_of([parquet(BARE, wanted), parquet(BARE, other)])) == 4
    assert len(log_of([wanted])) == 2


@pytest.mark.parametrize("content", [b"", b"PAR1 and no more", b"price,size\n"])
def test_a_file_of_something_else_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.parquet").write_bytes(content)
    with pytest.raises(Misconfigured, match="cannot be read") as told:
        log_of([parquet(BARE, tmp_path / "good.parquet"), tmp_path / "bad.parquet"])
    assert "bad.parquet" in str(told.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"absent\.parquet"):
        log_of([tmp_path / "absent.parquet"])


def test_a_place_told_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="told twice"):
        log_of([parquet(LOG.to_arrow(), tmp_path / "a.parquet"), parquet(LOG.to_arrow(), tmp_path / "b.parquet")])


@pytest.mark.parametrize("sql", ["case when size >= 1 then abs(z) / 1.5 end", "n", "abs(price - mean) / std"])
def test_an_expression_sees_the_tick_and_what_was_measured(sql: str) -> None:
    rule = document(sql=sql, window_ms=10_000, count_min=5)
    scores = found(rule, LOG, "scores")
    assert any(row["score"] is not None for row in scores)


def test_a_score_that_is_no_number_is_null_and_flags_nothing() -> None:
    scores = found(document(sql="z / 0.0 - z / 0.0", window_ms=10_000, count_min=5), LOG, "scores")
    assert {(row["score"], row["flagged"]) for row in scores} == {(None, False)}


@pytest.mark.parametrize("sql", ["abs(zz)", "abs(z", "1 / z ; select 1", "price || 'x'"])
def test_an_expression_that_cannot_be_computed_is_named(sql: str) -> None:
    with pytest.raises(Misconfigured, match=f"rules {SPIKE['digest']}: .*cannot be computed"):
        found(SPIKE | {"sql": sql}, LOG, "scores")


def test_nothing_is_scored_before_there_are_enough_ticks() -> None:
    scores = found(document(sql="price * 1e9", window_ms=3_000, count_min=3), LOG, "scores")
    assert {row["n"] < 3 for row in scores} == {True, False}
    assert all((row["score"] is None) == (row["n"] < 3) for row in scores)


def test_nothing_is_scored_while_a_key_is_new() -> None:
    rule = document(sql="price * 1e9", count_min=0, warm_up_ms=3_000)
    rows = [row for row in found(rule, LOG, "scores") if (row["exchange"], row["symbol"]) == ("binance", "BTC-USDT")]
    since = [row["ts_event"] - rows[0]["ts_event"] for row in rows]
    assert timedelta(seconds=3) in since
    assert [row["score"] is None for row in rows] == [each < timedelta(seconds=3) for each in since]


def test_a_move_from_nothing_to_nothing_is_null() -> None:
    flat = LOG.filter(pl.col("symbol") == "BTC-USDT").with_columns(price=pl.lit(0.0))
    told = found(document(sql="n_size", count_min=1), flat, "anomalies")
    assert told
    assert {row["move_bps"] for row in told} == {None}


def test_a_flag_without_a_mean_belongs_to_no_episode() -> None:
    rule = document(sql="price * 1e9", window_ms=1, count_min=0)
    assert [row["flagged"] for row in found(rule, LOG[:1], "scores")] == [True]
    assert found(rule, LOG[:1], "anomalies") == []


def found(rule: Mapping[str, Any], log: pl.DataFrame, table: str) -> Sequence[dict[str, Any]]:
    with oracle.opened() as opened:
        opened.take_ticks(log.to_arrow().to_reader())
        opened.take_rules({rule["digest"]: text_of(rule)})
        opened.recompute()
        rows: list[dict[str, Any]] = opened.connection.table(table).to_arrow_table().to_pylist()
        return rows
