"""The columns of TickStream."""

import polars as pl
import pyarrow as pa
import pytest

from engine import schema


@pytest.mark.parametrize("columns", [schema.LOG, schema.SCORE, schema.ANOMALY])
def test_rows_of_a_table_survive_the_way_through_polars(columns: pa.Schema) -> None:
    assert schema.empty(columns).to_arrow().schema.names == columns.names
    assert schema.empty(columns).to_arrow().cast(columns).schema == columns


@pytest.mark.parametrize("columns", [schema.LOG, schema.SCORE, schema.ANOMALY])
def test_every_time_is_in_microseconds_of_utc(columns: pa.Schema) -> None:
    times = {field.type for field in columns if field.name.startswith("ts_")}
    assert times == {pa.timestamp("us", tz="UTC")}


def test_what_a_replay_leaves_out_are_columns_of_results() -> None:
    assert set(schema.ANOMALY.names) >= schema.UNPROVEN
    assert "ts_event" not in schema.UNPROVEN


def test_a_frame_of_arrow_rows_is_a_frame() -> None:
    assert schema.frame(pa.table({"price": [1.0]})).equals(pl.DataFrame({"price": [1.0]}))
