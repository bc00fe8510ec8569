"""SQL over a data directory: the views `ticks`, `scores`, `anomalies` and `anomaly_states` in DuckDB."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa

from engine.errors import Misconfigured
from storage.dataset import TABLES, dataset_files, read_cursors
from storage.scans import said

_TABLE_OF: Final = {"ticks": "ticks", "scores": "scores", "states_without_id": "anomalies"}


@contextmanager
def answer(folder: Path, question: str, **values: object) -> Iterator[pa.RecordBatchReader]:
    """The rows that one SELECT, its `$name` bound, finds in what is committed; a table without files yet is empty.

    It can change nothing and reads no other file. Raises Misconfigured where it is no such question.
    """
    connection = duckdb.connect()
    try:
        _show(connection, folder)
        _expect_select(connection, question)
        yield connection.sql(question, params=values or None).to_arrow_reader()
    except duckdb.Error as error:
        raise Misconfigured(f"query: {said(error)}") from error
    finally:
        connection.close()


def _show(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    if not folder.is_dir():
        raise Misconfigured(f"{folder}: there is no such folder; name the dataset with --data")
    cursors = read_cursors(folder)
    seen: list[str] = []
    for view, table in _TABLE_OF.items():
        files = [str(path) for path in dataset_files(folder, table, cursors)]
        if files:
            connection.read_parquet(files, union_by_name=True, hive_partitioning=False).create_view(view)
        else:
            connection.from_arrow(TABLES[table].empty_table()).create(view)
        seen += files
    connection.execute(resources.files("sql").joinpath("query", "anomalies.sql").read_text("utf-8"))
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET allowed_paths = $files", {"files": seen})
    connection.execute("SET enable_external_access = false; SET lock_configuration = true")


def _expect_select(connection: duckdb.DuckDBPyConnection, question: str) -> None:
    """A COPY could write over the very files that may be read."""
    kinds = [statement.type for statement in connection.extract_statements(question)]
    if kinds != [duckdb.StatementType.SELECT]:
        raise Misconfigured('query: must be one SELECT, such as "SELECT * FROM anomalies"')
