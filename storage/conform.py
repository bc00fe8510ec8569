"""Columns from outside made into ours: picked by name, widened where nothing is lost, refused otherwise; pure."""

from typing import Final

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from engine.errors import Rejected

_DEFAULTS: Final = {"missing": 0}
"""Columns that hold no nulls and may still be absent, with what stands in for them."""


def conform(rows: pa.Table, wanted: pa.Schema, *, bytes_max: int) -> pa.Table:
    """The columns of `wanted` out of rows that were decoded but not yet trusted.

    Unknown columns are left out and missing optional ones are null. Text that unpacks to more than `bytes_max`, as
    from dictionaries or views, is refused. Raises Rejected.
    """
    repeated = {name for name in wanted.names if len(rows.schema.get_all_field_indices(name)) > 1}
    if repeated:
        raise Rejected("columns", f"more than one column is called {', '.join(sorted(repeated))}")
    known = rows.select([name for name in wanted.names if name in rows.schema.names])
    try:
        known.validate(full=True)
    except pa.ArrowInvalid as error:
        raise Rejected("invalid", str(error)) from error
    return pa.Table.from_arrays([_column(known, field, bytes_max) for field in wanted], schema=wanted)


def _column(rows: pa.Table, field: pa.Field, bytes_max: int) -> pa.ChunkedArray:
    default = _DEFAULTS.get(field.name)
    if field.name not in rows.schema.names:
        if not field.nullable and default is None:
            raise Rejected("columns", f"there is no column {field.name}")
        return pa.chunked_array([pa.repeat(pa.scalar(default, field.type), rows.num_rows)])
    given = _cast(rows[field.name], field, bytes_max)
    return given if default is None or given.null_count == 0 else pc.fill_null(given, default)


def _cast(given: pa.ChunkedArray, field: pa.Field, bytes_max: int) -> pa.ChunkedArray:
    if given.type == field.type:
        return given
    if not _widens(given.type, field.type):
        raise Rejected("types", f"{field.name} is {given.type}; {field.type} is expected")
    if _unpacked_bytes(given) > bytes_max:
        raise Rejected("too_large", f"{field.name} unpacks to more than {bytes_max} bytes")
    try:
        return _plain(given).cast(field.type)
    except pa.ArrowInvalid as error:  # A time between two microseconds, an integer past the end.
        raise Rejected("types", f"{field.name}: {error}") from error


def _widens(given: pa.DataType, ours: pa.DataType) -> bool:
    """Whether every value of one type that fits the other stays what it was."""
    if isinstance(given, pa.BaseExtensionType):
        return False
    if pa.types.is_null(given):
        return True
    if pa.types.is_string(ours):
        return _is_text(given.value_type if pa.types.is_dictionary(given) else given)
    if pa.types.is_timestamp(ours):
        return bool(pa.types.is_timestamp(given) and given.tz)  # A time without a zone is anybody's guess.
    return bool(pa.types.is_integer(given))  # A float32 is not the decimal that it was written as.


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _unpacked_bytes(given: pa.ChunkedArray) -> int:
    """How long texts become that share their bytes: those of dictionaries and views."""
    if pa.types.is_dictionary(given.type):
        return sum(_total(_lengths(each.dictionary)) + _total(_lengths(each)) for each in given.chunks)
    return sum(_total(_lengths(each)) for each in given.chunks) if pa.types.is_string_view(given.type) else 0


def _lengths(texts: pa.Array) -> pa.Array:
    """How many bytes each text has."""
    if pa.types.is_dictionary(texts.type):
        return _lengths(texts.dictionary).take(texts.indices)
    if pa.types.is_string_view(texts.type):
        return pl.Series(texts).str.len_bytes().to_arrow()  # Arrow itself cannot tell.
    return pc.binary_length(texts)


def _total(lengths: pa.Array) -> int:
    return int(pc.sum(lengths).as_py() or 0)


def _plain(given: pa.ChunkedArray) -> pa.ChunkedArray:
    """Dictionaries looked up; Arrow itself does so for some types of text only."""
    if not pa.types.is_dictionary(given.type):
        return given
    chunks = [chunk.dictionary.cast(pa.large_string()).take(chunk.indices) for chunk in given.chunks]
    return pa.chunked_array(chunks, type=pa.large_string())
