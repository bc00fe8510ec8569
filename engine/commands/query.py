"""DuckDB's answer about a dataset, as a table or as JSON lines."""

import json
import sys
from pathlib import Path

import polars as pl

from storage.query import answer


def query(folder: Path, question: str, *, as_json: bool) -> None:
    """Print the rows to standard output."""
    with answer(folder, question) as batches:
        if not as_json:
            rows = pl.from_arrow(batches.read_all())
            with pl.Config(
                tbl_rows=-1, tbl_cols=-1, tbl_hide_dataframe_shape=True, tbl_width_chars=60_000, fmt_str_lengths=80
            ):
                sys.stdout.write(f"{rows}\n")
            return
        for batch in batches:
            for row in batch.to_pylist():
                sys.stdout.write(json.dumps(row, default=str) + "\n")
