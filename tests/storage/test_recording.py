"""Tick files as a log: whatever they are called and however they were cut, the log is what was written."""

import random
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import schema
from engine.errors import Misconfigured
from storage import files
from storage.files import Span
from storage.recording import Recording, read
from tests.laws.strategies import logs
from tests.shared import shared

LOG = schema.empty(schema.LOG)


def whole(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    return pl.concat([LOG, *frames])


def ticks(rows: int, first_id: int = 0) -> pa.Table:
    """A tick file as other programs write it."""
    return pa.table(
        {
            "ts": pa.array(range(first_id, first_id + rows), pa.int64()),
            "exchange": ["binance"] * rows,
            "symbol": ["BTCUSDT"] * rows,
            "price": [1.5] * rows,
            "trade_id": pa.array(range(first_id, first_id + rows), pa.int64()),
        }
    )


def put(path: Path, rows: pa.Table, kind: str = "parquet") -> Path:
    if kind == "parquet":
        pq.write_table(rows, path, row_group_size=7)
    elif kind == "arrow":
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, rows.schema) as writer:
            writer.write_table(rows, max_chunksize=7)
    else:
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, rows.schema) as writer:
            writer.write_table(rows, max_chunksize=7)
    return path


@pytest.mark.parametrize("kind", ["parquet", "arrow", "arrows"])
def test_a_file_without_places_is_one_message_numbered_in_the_order_given(tmp_path: Path, kind: str) -> None:
    second = put(tmp_path / f"a.{kind}", ticks(10, first_id=20), kind)
    first = put(tmp_path / f"b.{kind}", ticks(20), kind)

    rows = whole(list(read([first, second])))

    assert rows.schema == LOG.schema
    assert rows["trade_id"].to_list() == list(range(30))
    assert rows["ts_event"].cast(pl.Int64).to_list() == list(range(30))
    assert rows.select("partition", "offset").unique().sort("offset").rows() == [(0, 0), (0, 1)]
    assert rows["row"].to_list() == [*range(20), *range(10)]
    assert rows.select("ts_received", "size", "side", "ts_appended", "ts_drained").null_count().row(0) == (30,) * 5
    assert rows["missing"].to_list() == [0] * 30


def test_files_with_places_keep_them_and_symbols_stay_as_they_are(tmp_path: Path) -> None:
    placed = ticks(3).append_column("partition", pa.array([7] * 3)).append_column("offset", pa.array([4, 4, 9]))
    path = put(tmp_path / "x.parquet", placed.append_column("row", pa.array([0, 1, 0], pa.int8())))
    [rows] = read([path])
    assert rows.select("partition", "offset", "row", "symbol").rows() == [
        (7, 4, 0, "BTCUSDT"),
        (7, 4, 1, "BTCUSDT"),
        (7, 9, 0, "BTCUSDT"),
    ]


def test_times_in_other_units_are_taken_where_they_are_exact(tmp_path: Path) -> None:
    times = pa.array([1_500, 2_500], pa.int64()).cast(pa.timestamp("ms", "Europe/Oslo"))
    rows = ticks(2).drop_columns("ts").append_column("ts_event", times)
    assert whole(list(read([put(tmp_path / "x.parquet", rows)])))["ts_event"].cast(pl.Int64).to_list() == [
        1_500_000,
        2_500_000,
    ]


@settings(deadline=None, max_examples=60)
@given(log=logs(rows_max=60), seed=st.integers(0, 2**32))
def test_however_a_log_is_cut_into_files_the_log_comes_back(log: pl.DataFrame, seed: int) -> None:
    chance = random.Random(seed)
    log = log.sort(schema.PLACE.names)
    with TemporaryDirectory() as name:
        folder = Path(name)
        for (partition,), rows in log.partition_by("partition", as_dict=True).items():
            offsets = rows["offset"].to_list()
            ends = sorted({*chance.sample(offsets, min(3, rows.height)), offsets[-1] + 1})
            for first, end in pairwise([0, *ends]):
                part = rows.filter(pl.col("offset").is_between(first, end, closed="left"))
                for path, piece in files.by_date(part, folder / "ticks", {partition: Span(partition, first, end)}):
                    files.put(piece, path)
        back = whole(list(read([folder])))
        offset = chance.randrange(max(log["offset"].to_list()) + 2)
        later = whole(list(Recording(folder).read(dict.fromkeys(range(3), offset), rows_max=5)))
    assert back.equals(log)
    assert later.equals(log.filter(pl.col("offset") >= offset))


def log_of(messages: Sequence[tuple[int, int, int]], day_us: int = 0) -> pl.DataFrame:
    """A log of partition, offset and rows; every other row lies on the next day."""
    places = [(partition, offset, row) for partition, offset, rows in messages for row in range(rows)]
    return pl.DataFrame(places, schema=schema.PLACE.names, orient="row").select(
        *(pl.col(name).cast(LOG.schema[name]) for name in schema.PLACE.names),
        exchange=pl.lit("binance"),
        symbol=pl.lit("BTC-USDT"),
        ts_event=((pl.col("row") % 2) * 86_400_000_000 + day_us).cast(LOG.schema["ts_event"]),
        **{name: pl.lit(None).cast(LOG.schema[name]) for name in ("ts_received", "trade_id")},
        price=pl.lit(1.0),
        **{name: pl.lit(None).cast(LOG.schema[name]) for name in ("size", "side")},
        missing=pl.lit(0).cast(pl.Int32),
        **{name: pl.lit(None).cast(LOG.schema[name]) for name in ("ts_appended", "ts_drained")},
    )


def recorded(folder: Path, log: pl.DataFrame, *spans: Span) -> Recording:
    for span in spans:
        inside = pl.col("partition").eq(span.partition) & pl.col("offset").is_between(span.first, span.end - 1)
        for path, rows in files.by_date(log.filter(inside), folder / "ticks", {span.partition: span}):
            files.put(rows, path)
    return Recording(folder)


def test_rows_of_a_message_that_lie_under_two_dates_come_back_in_their_order(tmp_path: Path) -> None:
    log = log_of([(0, 0, 5), (0, 1, 4), (1, 3, 6)])
    recording = recorded(tmp_path, log, Span(0, 0, 2), Span(1, 3, 4))
    assert len(list(tmp_path.rglob("*.parquet"))) == 4
    assert whole(list(read([tmp_path]))).equals(log)
    assert recording.bounds() == {0: (0, 2), 1: (3, 4)}


def test_a_recording_gives_whole_messages_from_one_offset_to_another(tmp_path: Path) -> None:
    log = log_of([(0, offset, 3) for offset in range(20)] + [(1, 0, 50)])
    recording = recorded(tmp_path, log, Span(0, 0, 7), Span(0, 7, 20), Span(1, 0, 1))

    frames = list(recording.read({0: 5, 1: 0}, {0: 17}, rows_max=8))

    assert whole(frames).equals(log.filter(pl.col("partition").eq(1) | pl.col("offset").is_between(5, 16)))
    for frame, following in pairwise(frames):
        assert frame.row(-1)[:2] != following.row(0)[:2]
    assert sorted({frame.height for frame in frames}) == [6, 50]


def test_a_partition_that_nobody_named_is_left_out(tmp_path: Path) -> None:
    recording = recorded(tmp_path, log_of([(0, 0, 3), (1, 0, 3)]), Span(0, 0, 1), Span(1, 0, 1))
    assert whole(list(recording.read({1: 0}, rows_max=10)))["partition"].unique().to_list() == [1]
    assert list(Recording(tmp_path / "nowhere").read({0: 0}, rows_max=10)) == []


def bad_files(folder: Path) -> list[Path]:
    """Files that look like tick files and are none."""
    good = put(folder / "good.parquet", ticks(5_000)).read_bytes()
    arrow = put(folder / "good.arrow", ticks(5_000), "arrow").read_bytes()
    checked = folder / "checked.parquet"
    files.put(ticks(5_000), checked, compression="none")
    flipped = bytearray(checked.read_bytes())
    flipped[len(flipped) // 3] ^= 1
    bad = {
        "torn.parquet": good[: len(good) // 2],
        "headless.parquet": b"PAR1" + bytes(len(good)),
        "flipped.parquet": bytes(flipped),
        "empty.parquet": b"",
        "text.parquet": b"ts,exchange,symbol,price\n",
        "torn.arrow": arrow[: len(arrow) // 2],
        "torn.arrows": b"\xff\xff\xff\xff\x10\x00",
    }
    for name, content in bad.items():
        (folder / name).write_bytes(content)
    made = {
        "no_price.parquet": ticks(3).drop_columns("price"),
        "text_price.parquet": ticks(3).set_column(3, "price", pa.array(["1"] * 3)),
        "no_rows_no_price.parquet": ticks(0).drop_columns("price"),
        "naive.parquet": ticks(3).set_column(0, "ts_event", pa.array([1, 2, 3], pa.timestamp("us"))),
        "inexact.parquet": ticks(3).set_column(0, "ts_event", pa.array([1, 2, 3], pa.timestamp("ns", "UTC"))),
        "half_a_place.parquet": ticks(3).append_column("offset", pa.array([1, 2, 3])),
    }
    for path in (folder / "good.parquet", folder / "good.arrow", checked):
        path.unlink()
    return [*(folder / name for name in bad), *(put(folder / name, rows) for name, rows in made.items())]


def test_bad_files_in_a_folder_are_named_and_set_aside_and_the_rest_is_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bad = bad_files(tmp_path)
    put(tmp_path / "z.parquet", ticks(10))

    rows = whole(list(read([tmp_path])))

    named = {vars(record)["path"]: vars(record)["reason"] for record in caplog.records}
    assert sorted(named) == sorted(map(str, bad))
    assert all(reason for reason in named.values())
    assert rows.filter(pl.col("offset") == rows["offset"].max())["trade_id"].to_list() == list(range(10))


def test_a_bad_file_given_by_name_is_refused_in_one_sentence(tmp_path: Path) -> None:
    for path in [*bad_files(tmp_path), tmp_path / "absent.parquet"]:
        with pytest.raises(Misconfigured) as told:
            list(read([path]))
        assert str(told.value).startswith(f"{path}: cannot be read as ticks (")
        assert "\n" not in str(told.value)


def test_a_log_with_a_bad_file_in_it_is_not_read_on_over_the_hole(tmp_path: Path) -> None:
    recording = recorded(tmp_path, log_of([(0, 0, 3), (0, 1, 3)]), Span(0, 0, 1), Span(0, 1, 2))
    next(tmp_path.rglob("*.parquet")).write_bytes(b"PAR1")
    with pytest.raises(Misconfigured, match="cannot be read"):
        list(recording.read({0: 0}, rows_max=10))


def test_rows_out_of_the_order_of_the_log_are_refused(tmp_path: Path) -> None:
    log = log_of([(0, 0, 3), (0, 1, 3)])
    turned, whole_log = tmp_path / "turned.parquet", tmp_path / "whole.parquet"
    files.put(log.reverse().to_arrow(), turned)
    files.put(log.to_arrow(), whole_log)
    again = tmp_path / "again.parquet"
    files.put(log.to_arrow(), again)
    for given_files in ([turned], [whole_log, again]):
        with pytest.raises(Misconfigured, match="order of the log; give each file once"):
            list(read(given_files))


def test_a_file_is_read_once_however_often_it_is_meant(tmp_path: Path) -> None:
    put(tmp_path / "x.parquet", ticks(10))
    (tmp_path / "link.parquet").symlink_to(tmp_path / "x.parquet")
    given_paths = [tmp_path, tmp_path / "x.parquet", tmp_path / ".." / tmp_path.name / "x.parquet"]
    assert whole(list(read(given_paths))).height == 10


def test_of_a_dataset_only_ticks_are_read_and_no_half_written_file(tmp_path: Path) -> None:
    recorded(tmp_path, log_of([(0, 0, 3)]), Span(0, 0, 1))
    (tmp_path / "scores").mkdir()
    put(tmp_path / "scores" / "x.parquet", ticks(10))
    (tmp_path / "ticks" / "p.parquet.tmp").write_bytes(b"half")
    assert whole(list(read([tmp_path]))).height == 3


def test_large_files_come_in_pieces(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(ticks(250_000), path)
    frames = list(read([path]))
    assert max(frame.height for frame in frames) <= 100_000
    assert whole(frames)["row"].to_list() == list(range(250_000))


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("binance_spot_btcusdt_20240808-09", 19_904),
        ("kraken_futures_20210722", 1_003),
        ("gemini_ethusd_20210701", 25_222),
    ],
)
def test_real_tapes_are_read_whole(name: str, rows: int) -> None:
    tape = shared(f"data/tapes/norm/{name}.parquet")
    got = whole(list(read([tape])))
    assert got.height == rows
    assert got["ts_event"].cast(pl.Int64).to_list() == pq.read_table(tape)["ts"].to_pylist()
