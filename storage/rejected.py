"""What is set aside in a destination's own words: where it lay in the log, why, and its bytes."""

from collections.abc import Sequence
from typing import Final

import polars as pl
import pyarrow as pa

from engine import schema
from engine.batch import Parked

REJECTED: Final = pa.schema(
    [
        pa.field("partition", pa.int32(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("payload", pa.binary(), nullable=False),
    ]
)


def rows_of(parked: Sequence[Parked]) -> pl.DataFrame:
    """One row for each message, with the columns of REJECTED."""
    columns = {name: [getattr(one, name) for one in parked] for name in REJECTED.names}
    return schema.frame(pa.table(columns, schema=REJECTED))
