"""Rows <-> the bytes of a message: one Arrow IPC stream with one record batch; pure.

What comes from outside is decoded only after its size and row count are known to be sane, and trusted only after a
full validation: a corrupted stream crashes readers that skip it.
"""

import struct
from collections.abc import Iterator
from typing import Final

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from engine.errors import Rejected
from storage.conform import conform

CONTENT_TYPE: Final = b"application/vnd.apache.arrow.stream"

_END: Final = b"\xff\xff\xff\xff\x00\x00\x00\x00"
_UNPACKED_FACTOR: Final = 8  # Texts of a message may unpack to so many times its largest size.
_OPTIONS: Final = pa.ipc.IpcReadOptions(use_threads=False, ensure_alignment=pa.ipc.Alignment.DataTypeSpecific)
_MESSAGE_HEADER, _DICTIONARY_DATA, _BATCH_LENGTH, _BATCH_COMPRESSION = 2, 1, 0, 3  # Slots in Arrow's own tables.


def encode(rows: pa.RecordBatch) -> bytes:
    """The message of a record batch. Not compressed here: Kafka's client does that better."""
    out = pa.BufferOutputStream()
    with pa.ipc.new_stream(out, rows.schema) as writer:
        writer.write_batch(rows)
    return bytes(out.getvalue())


def batch_of(rows: pl.DataFrame, wanted: pa.Schema) -> pa.RecordBatch:
    """A frame as one record batch with exactly the columns of `wanted`."""
    columns = [rows[field.name].to_arrow().cast(field.type) for field in wanted]
    return pa.RecordBatch.from_arrays(columns, schema=wanted)


def pieces(rows: pa.RecordBatch, *, bytes_max: int, rows_max: int) -> Iterator[tuple[pa.RecordBatch, bytes]]:
    """Cut rows into messages within both limits. Raises Rejected where a single row is too large."""
    for at in range(0, rows.num_rows, rows_max):
        yield from _halves(rows.slice(at, rows_max), bytes_max)


def _halves(rows: pa.RecordBatch, bytes_max: int) -> Iterator[tuple[pa.RecordBatch, bytes]]:
    message = encode(rows)
    if len(message) <= bytes_max:
        yield rows, message
    elif rows.num_rows == 1:
        raise Rejected("too_large", f"one row takes {len(message)} bytes; a message holds {bytes_max}")
    else:
        half = rows.num_rows // 2
        yield from _halves(rows.slice(0, half), bytes_max)
        yield from _halves(rows.slice(half), bytes_max)


def headers(rows: pa.RecordBatch, schema_name: str, time: str = "ts_event") -> list[tuple[str, bytes]]:
    """The headers of a message with these rows; times in µs since 1970, left out where no row has one."""
    bounds = pc.min_max(rows.column(time).cast(pa.int64())).as_py()
    told = {"rows": rows.num_rows, "min-ts": bounds["min"], "max-ts": bounds["max"]}
    numbers = [(name, str(value).encode()) for name, value in told.items() if value is not None]
    return [("content-type", CONTENT_TYPE), ("schema", schema_name.encode()), *numbers]


def decode(payload: bytes | None, wanted: pa.Schema, *, bytes_max: int, rows_max: int) -> pa.RecordBatch:
    """The rows of a message with exactly the columns of `wanted`; several record batches are taken as one.

    Raises Rejected where it is no such stream, is cut, is larger than the limits or holds other columns. Nulls where
    none may be are left for the engine to set aside row by row.
    """
    if not payload:
        raise Rejected("empty", "the message has no value" if payload is None else "the message has no bytes")
    if len(payload) > bytes_max:
        raise Rejected("too_large", f"{len(payload)} bytes; a message holds {bytes_max}")
    try:
        _check_envelope(payload, rows_max)
        with pa.ipc.open_stream(payload, options=_OPTIONS) as stream:
            rows = stream.read_all()
        return _one_batch(conform(rows, wanted, bytes_max=bytes_max * _UNPACKED_FACTOR))
    except (pa.ArrowException, ValueError, OSError, MemoryError, struct.error) as error:
        raise Rejected("not_arrow", str(error)) from error


def _one_batch(rows: pa.Table) -> pa.RecordBatch:
    batches = rows.combine_chunks().to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], schema=rows.schema)


def _check_envelope(payload: bytes, rows_max: int) -> None:
    """See that the stream is whole and stays within `rows_max`, from its metadata alone."""
    source, rows = pa.BufferReader(payload), 0
    for message in pa.ipc.MessageReader.open_stream(source):
        if message.type not in {"dictionary", "record batch"}:
            continue
        batch = _Table.root(message.metadata.to_pybytes()).below(_MESSAGE_HEADER)
        if message.type == "dictionary":
            batch = batch.below(_DICTIONARY_DATA)
        length = batch.int64(_BATCH_LENGTH)
        rows += length if message.type == "record batch" else 0
        if not 0 <= length <= rows_max or rows > rows_max:
            raise Rejected("too_many_rows", f"{length} rows; a message holds {rows_max}")
        if batch.has(_BATCH_COMPRESSION):  # A small message could unpack to any size.
            raise Rejected("compressed", "the record batch is compressed; let the Kafka client compress instead")
    if source.tell() != len(payload) or not payload.endswith(_END):
        raise Rejected("cut", "the stream does not end where the message does")


class _Table:
    """A table of a flatbuffer, the format of Arrow's metadata: a vtable tells where each field lies."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data, self._at = data, at
        self._vtable = at - self._read("<i", at)

    @classmethod
    def root(cls, data: bytes) -> "_Table":
        return cls(data, int(struct.unpack_from("<I", data)[0]))

    def has(self, slot: int) -> bool:
        return self._place(slot) != self._at

    def int64(self, slot: int) -> int:
        return self._read("<q", self._place(slot)) if self.has(slot) else 0

    def below(self, slot: int) -> "_Table":
        place = self._place(slot)
        return _Table(self._data, place + self._read("<I", place))

    def _place(self, slot: int) -> int:
        """Where the field lies; the table's own place where it is absent."""
        entry = 4 + 2 * slot
        known = entry < self._read("<H", self._vtable)
        return self._at + (self._read("<H", self._vtable + entry) if known else 0)

    def _read(self, kind: str, at: int) -> int:
        if at < 0:
            raise Rejected("not_arrow", "the metadata points outside of itself")
        return int(struct.unpack_from(kind, self._data, at)[0])
