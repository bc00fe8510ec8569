"""Messages of Arrow IPC: what we write comes back, what others write is taken or refused, nothing crashes."""

import contextlib
import random
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import schema
from engine.errors import Rejected
from storage import ipc

BYTES_MAX, ROWS_MAX = 100_000, 1_000
NULLABLE = pa.schema([field.with_nullable(True) for field in schema.TICK])


def decode(payload: bytes | None) -> pa.RecordBatch:
    return ipc.decode(payload, schema.TICK, bytes_max=BYTES_MAX, rows_max=ROWS_MAX)


def reason(payload: bytes | None) -> str:
    with pytest.raises(Rejected) as caught:
        decode(payload)
    return caught.value.reason


def ticks(**columns: Any) -> pa.Table:
    """Two ticks, with other columns or without those given as None."""
    times = pa.array([1_723_161_255_000_000, 1_723_161_255_001_000], pa.int64()).cast(pa.timestamp("us", "UTC"))
    given = {
        "exchange": ["binance", "kraken"],
        "symbol": ["BTC-USDT", "ÆØÅ-🚀"],
        "ts_event": times,
        "ts_received": times,
        "trade_id": [1, 2**63 - 1],
        "price": [0.1, -0.0],
        "size": [1e300, None],
        "side": ["buy", None],
        "missing": [0, 7],
    }
    arrays = {
        name: column if isinstance(column, pa.Array) else pa.array(column, NULLABLE.field(name).type)
        for name, column in {**given, **columns}.items()
        if column is not None
    }
    return pa.table(arrays)


def stream(*batches: pa.RecordBatch | pa.Table, codec: str | None = None) -> bytes:
    """A stream as any Arrow writer makes it."""
    out = pa.BufferOutputStream()
    with pa.ipc.new_stream(out, batches[0].schema, options=pa.ipc.IpcWriteOptions(compression=codec)) as writer:
        for rows in batches:
            writer.write(rows)
    return bytes(out.getvalue())


def test_rows_come_back_bit_for_bit() -> None:
    rows = ticks(price=[float("nan"), float("-inf")]).cast(schema.TICK).to_batches()[0]
    back = decode(ipc.encode(rows))
    assert back.schema == schema.TICK
    assert [column.to_pylist() for column in back.columns if column.type != pa.float64()] == [
        column.to_pylist() for column in rows.columns if column.type != pa.float64()
    ]
    bits = [np.asarray(each.column("price")).view(np.int64).tolist() for each in (back, rows)]
    assert bits[0] == bits[1]


@pytest.mark.parametrize("wanted", [schema.SCORE, schema.ANOMALY, schema.LOG])
def test_results_travel_as_ticks_do(wanted: pa.Schema) -> None:
    payload = ipc.encode(ipc.batch_of(schema.empty(wanted), wanted))
    assert ipc.decode(payload, wanted, bytes_max=BYTES_MAX, rows_max=1).schema == wanted


def test_the_message_of_another_library_is_read() -> None:
    out = pl.DataFrame(schema.frame(ticks())).write_ipc_stream(None)
    assert decode(out.getvalue()).to_pylist() == ticks().to_pylist()


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (None, "empty"),
        (b"", "empty"),
        (b"\x00" * 64, "cut"),
        (random.Random(1).randbytes(500), "not_arrow"),
        (b'{"price": 1}', "not_arrow"),
        (b"PAR1" * 50, "not_arrow"),
        (b"x" * (BYTES_MAX + 1), "too_large"),
    ],
)
def test_what_is_no_stream_is_refused(payload: bytes | None, expected: str) -> None:
    assert reason(payload) == expected


def test_a_stream_cut_at_any_byte_is_refused() -> None:
    whole = stream(ticks())
    decode(whole)
    for end in range(1, len(whole)):
        assert reason(whole[:end]) in {"not_arrow", "cut"}


@pytest.mark.parametrize("after", [b"\x00", b"\xff\xff\xff\xff\x00\x00\x00\x00", stream(ticks())])
def test_bytes_after_the_stream_are_refused(after: bytes) -> None:
    assert reason(stream(ticks()) + after) == "cut"


@given(st.data())
def test_flipped_bytes_give_rows_or_a_reason(data: st.DataObject) -> None:
    mutated = bytearray(data.draw(st.sampled_from([stream(ticks()), stream(ticks(symbol=_dictionary()))])))
    for _ in range(data.draw(st.integers(1, 4))):
        mutated[data.draw(st.integers(0, len(mutated) - 1))] = data.draw(st.integers(0, 255))
    try:
        rows = decode(bytes(mutated))
    except Rejected:
        return
    assert rows.schema == schema.TICK
    schema.frame(rows).hash_rows()


def test_metadata_that_points_anywhere_is_refused() -> None:
    whole = stream(ticks())
    for at in range(0, len(whole) - 8, 4):
        for value in (0, 2**31 - 1, 2**32 - 1, 1 << 30):
            mutated = whole[:at] + struct.pack("<I", value) + whole[at + 4 :]
            with contextlib.suppress(Rejected):
                schema.frame(decode(mutated)).hash_rows()


@pytest.mark.parametrize("rows", [-1, ROWS_MAX + 1, 2**62, 2**63 - 1])
def test_an_absurd_row_count_is_refused_before_decoding(rows: int) -> None:
    batch = pa.RecordBatch.from_pydict({"nothing": pa.nulls(77)})
    forged = stream(batch).replace(struct.pack("<q", 77), struct.pack("<q", rows))
    assert reason(forged) == "too_many_rows"


def test_record_batches_together_stay_below_the_limit() -> None:
    many = ticks().take([0] * 600)
    assert decode(stream(many)).num_rows == 600
    assert reason(stream(many, many)) == "too_many_rows"


def test_two_record_batches_are_one_message() -> None:
    assert decode(stream(ticks(), ticks())).column("trade_id").to_pylist() == [1, 2**63 - 1] * 2


def test_no_rows_are_no_fault() -> None:
    assert decode(stream(ticks().slice(0, 0))).schema == schema.TICK
    assert decode(ipc.encode(ticks().to_batches()[0].slice(0, 0))).num_rows == 0


@pytest.mark.parametrize("codec", ["lz4", "zstd"])
def test_a_compressed_record_batch_is_refused_before_it_unpacks(codec: str) -> None:
    assert reason(stream(ticks(symbol=["A" * 900] * 2), codec=codec)) == "compressed"


def test_an_unknown_codec_is_refused() -> None:
    assert reason(stream(ticks(), codec="lz4").replace(b"lz4", b"zzz")) == "compressed"


def test_columns_are_found_by_name_and_unknown_ones_ignored() -> None:
    turned = ticks().select(schema.TICK.names[::-1]).append_column("venue_note", pa.array(["a", "b"]))
    assert decode(stream(turned)).to_pylist() == ticks().to_pylist()


def test_missing_optional_columns_are_null_and_missing_is_none() -> None:
    rows = decode(stream(ticks(ts_received=None, trade_id=None, size=None, side=None, missing=None)))
    assert rows.schema == schema.TICK
    assert [rows.column(name).null_count for name in ("ts_received", "trade_id", "size", "side")] == [2] * 4
    assert rows.column("missing").to_pylist() == [0, 0]


@pytest.mark.parametrize("name", ["exchange", "symbol", "ts_event", "price"])
def test_a_column_that_must_be_there_is_named(name: str) -> None:
    with pytest.raises(Rejected, match=f"columns: there is no column {name}"):
        decode(stream(ticks(**{name: None})))


def test_a_column_given_twice_is_refused() -> None:
    assert reason(stream(ticks().append_column("price", pa.array([1.0, 2.0])))) == "columns"


def _dictionary(values: pa.DataType = pa.string()) -> pa.Array:  # noqa: B008
    texts = pa.array(["BTC-USDT", "ÆØÅ-🚀"]).cast(values)
    return pa.DictionaryArray.from_arrays(pa.array([0, 1], pa.int8()), texts)


TEXTS = pa.array(["BTC-USDT", "ÆØÅ-🚀"])
TIMES = ticks()["ts_event"].combine_chunks()


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("symbol", TEXTS.cast(pa.large_string())),
        ("symbol", TEXTS.cast(pa.string_view())),
        ("symbol", _dictionary()),
        ("symbol", _dictionary(pa.large_string())),
        ("symbol", _dictionary(pa.string_view())),
        ("ts_event", TIMES.cast(pa.timestamp("ns", "UTC"))),
        ("ts_event", TIMES.cast(pa.timestamp("ms", "UTC"))),
        ("ts_event", TIMES.cast(pa.timestamp("us", "Asia/Tokyo"))),
        ("missing", pa.array([0, 7], pa.int64())),
        ("missing", pa.array([0, 7], pa.uint8())),
        ("trade_id", pa.array([1, 2**63 - 1], pa.uint64())),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else value,
)
def test_types_that_lose_nothing_are_taken(name: str, column: pa.Array) -> None:
    rows = decode(stream(ticks(**{name: column})))
    assert rows.schema == schema.TICK
    assert rows.to_pylist() == ticks().to_pylist()


def test_whole_numbers_are_prices_and_short_ids_are_ids() -> None:
    rows = decode(stream(ticks(price=pa.array([3, 4], pa.int32()), trade_id=pa.array([5, 6], pa.int32()))))
    assert rows.column("price").to_pylist() == [3.0, 4.0]
    assert rows.column("trade_id").to_pylist() == [5, 6]


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("price", pa.array([0.1, 0.2], pa.float32())),
        ("price", pa.array(["0.1", "0.2"])),
        ("price", pa.array([2**53 + 1, 1], pa.int64())),
        ("price", pa.array([True, False])),
        ("trade_id", pa.array([1.0, 2.0])),
        ("trade_id", pa.array([1, 2**63], pa.uint64())),
        ("missing", pa.array([1, 2**31], pa.int64())),
        ("symbol", pa.array([b"BTC-USDT", b"\xff"])),
        ("symbol", pa.array([1, 2])),
        ("symbol", pa.array([1, 2]).dictionary_encode()),
        ("symbol", pa.array([["BTC"], ["ETH"]])),
        ("symbol", pa.RunEndEncodedArray.from_arrays(pa.array([2], pa.int32()), pa.array(["BTC-USDT"]))),
        ("symbol", pa.ExtensionArray.from_storage(pa.json_(), TEXTS)),
        ("ts_event", TIMES.cast(pa.int64())),
        ("ts_event", TIMES.cast(pa.timestamp("us"))),
        ("ts_event", pa.array([1_001, 2_000], pa.timestamp("ns", "UTC"))),
        ("ts_event", pa.array([2**62, 2_000], pa.timestamp("s", "UTC"))),
        ("ts_event", pa.array(["2024-08-09T00:00:00Z"] * 2)),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else value,
)
def test_types_that_could_lose_something_are_refused(name: str, column: pa.Array) -> None:
    with pytest.raises(Rejected, match=f"types: {name}"):
        decode(stream(ticks(**{name: column})))


def test_an_unregistered_extension_type_is_what_it_is_stored_as() -> None:
    noted = pa.field("symbol", pa.string(), metadata={"ARROW:extension:name": "venue.symbol"})
    rows = ticks()
    marked = rows.set_column(1, noted, rows["symbol"])
    assert decode(stream(marked)).column("symbol").to_pylist() == TEXTS.to_pylist()


@pytest.mark.parametrize("name", ["exchange", "symbol", "ts_event", "price"])
def test_nulls_where_none_may_be_are_left_to_the_engine(name: str) -> None:
    kind = NULLABLE.field(name).type
    assert decode(stream(ticks(**{name: pa.nulls(2, kind)}))).column(name).null_count == 2
    assert decode(stream(ticks(**{name: pa.nulls(2)}))).column(name).null_count == 2


def test_a_null_in_missing_means_none_are_known_to_be_missing() -> None:
    assert decode(stream(ticks(missing=[None, 3]))).column("missing").to_pylist() == [0, 3]


def test_text_that_is_not_utf8_is_refused() -> None:
    assert reason(stream(ticks(side=["LONGTEXT", None])).replace(b"LONGTEXT", b"LONG\xff\xfeXT")) == "invalid"


def test_a_damaged_column_that_nobody_asked_for_does_no_harm() -> None:
    noted = ticks().append_column("note", pa.array(["LONGTEXT", "b"]))
    assert decode(stream(noted).replace(b"LONGTEXT", b"LONG\xff\xfeXT")).num_rows == 2


def _views() -> pa.Array:
    return pl.Series(["A" * 20_000]).gather([0] * 1_000).to_arrow(compat_level=pl.CompatLevel.newest())


@pytest.mark.parametrize(
    "bomb",
    [
        lambda: pa.DictionaryArray.from_arrays(pa.array([0] * 1_000, pa.int8()), pa.array(["A" * 20_000])),
        _views,
    ],
    ids=["dictionary", "views"],
)
def test_texts_that_unpack_to_far_more_than_the_message_are_refused(bomb: Callable[[], pa.Array]) -> None:
    rows = ticks().take([0] * 1_000)
    assert reason(stream(rows.set_column(1, "symbol", bomb()))) == "too_large"


@given(rows_max=st.integers(1, 7), bytes_max=st.integers(3_000, 6_000), rows=st.integers(0, 40))
def test_pieces_respect_both_limits_and_lose_nothing(rows_max: int, bytes_max: int, rows: int) -> None:
    whole = ticks(symbol=["S" * 1_000, "B"]).take(pa.array([row % 2 for row in range(rows)], pa.int8()))
    batch = ipc.batch_of(schema.frame(whole), schema.TICK)
    cut = list(ipc.pieces(batch, bytes_max=bytes_max, rows_max=rows_max))
    assert all(len(message) <= bytes_max and 0 < piece.num_rows <= rows_max for piece, message in cut)
    assert [row for _, message in cut for row in decode(message).to_pylist()] == batch.to_pylist()


def test_a_single_row_that_is_too_large_is_refused() -> None:
    with pytest.raises(Rejected, match="too_large"):
        list(ipc.pieces(ticks().to_batches()[0], bytes_max=10, rows_max=10))


def test_headers_tell_kind_rows_and_bounds_of_event_time() -> None:
    told = dict(ipc.headers(ticks().to_batches()[0], "tick.v1"))
    assert told == {
        "content-type": b"application/vnd.apache.arrow.stream",
        "schema": b"tick.v1",
        "rows": b"2",
        "min-ts": b"1723161255000000",
        "max-ts": b"1723161255001000",
    }
    timeless = ticks(ts_event=pa.nulls(2, pa.timestamp("us", "UTC"))).to_batches()[0]
    assert set(dict(ipc.headers(timeless, "tick.v1"))) == {"content-type", "schema", "rows"}
