"""What `tickstream query` sees."""

import re
from pathlib import Path
from urllib.parse import unquote

import polars as pl
import pyarrow as pa
import pytest

from engine.errors import Misconfigured
from storage.query import answer
from tests.storage.recorded import SPIKE, Recorded, recorded

FOUND = recorded(SPIKE)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    FOUND.write(tmp_path)
    return tmp_path


def ask(folder: Path, question: str) -> pa.Table:
    with answer(folder, question) as rows:
        return rows.read_all()


@pytest.mark.parametrize(
    ("view", "rows"),
    [
        ("ticks", FOUND.ticks.height),
        ("scores", FOUND.scores.height),
        ("anomaly_states", FOUND.anomalies.height),
        ("anomalies", FOUND.anomalies.unique(["partition", "offset", "row", "exchange", "symbol", "detector"]).height),
    ],
)
def test_a_view_shows_what_is_committed(folder: Path, view: str, rows: int) -> None:
    leftover = min((folder / "scores").rglob("*.parquet"))
    leftover.with_name("p00000-00000000000000000000-00000000000000999999.parquet").write_bytes(leftover.read_bytes())
    assert ask(folder, f"SELECT count(*) AS rows FROM {view}")["rows"].to_pylist() == [rows]


def test_an_anomaly_shows_its_newest_state(folder: Path) -> None:
    assert "closed" in ask(folder, "SELECT state FROM anomalies")["state"].to_pylist()
    assert ask(folder, "SELECT ts_onset FROM anomalies")["ts_onset"].type == pa.timestamp("us", tz="UTC")


def test_a_table_without_files_is_empty(tmp_path: Path) -> None:
    rows = ask(tmp_path, "SELECT exchange, state, z FROM anomalies UNION ALL SELECT exchange, detector, z FROM scores")
    assert (rows.num_rows, rows.column_names) == (0, ["exchange", "state", "z"])


@pytest.mark.parametrize(
    "question",
    [
        "DROP VIEW scores",
        "SELECT 1; SELECT 2",
        "",
        "SELEC 1",
        "SELECT nonsense FROM scores",
        "EXPLAIN ANALYZE SELECT 1",
        "SELECT * FROM read_csv('/etc/passwd')",
        "FROM 'pyproject.toml'",
    ],
)
def test_anything_but_a_question_about_the_dataset_is_refused(folder: Path, question: str) -> None:
    with pytest.raises(Misconfigured, match="query: "):
        ask(folder, question)


def test_a_file_of_the_dataset_cannot_be_written_over(folder: Path) -> None:
    file = min((folder / "scores").rglob("*.parquet"))
    before = file.read_bytes()
    with pytest.raises(Misconfigured, match="must be one SELECT"):
        ask(folder, f"COPY (SELECT 1) TO '{file}' (FORMAT parquet, USE_TMP_FILE false)")
    assert file.read_bytes() == before


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="no such folder"):
        ask(tmp_path / "nowhere", "SELECT 1")


def test_an_id_is_one_word_that_tells_the_identity_again(tmp_path: Path) -> None:
    names = {"exchange": "a:b%3A", "symbol": "'; DROP/é-$x", "detector": 'my "own" spike'}
    anomalies = FOUND.anomalies.with_columns(**{name: pl.lit(text) for name, text in names.items()})
    Recorded(FOUND.ticks, FOUND.scores, anomalies, FOUND.rules).write(tmp_path)
    for row in ask(tmp_path, "FROM anomaly_states").to_pylist():
        *place, exchange, symbol, detector = map(unquote, row["id"].split(":"))
        assert [int(part) for part in place] == [row["partition"], row["offset"], row["row"]]
        assert (exchange, symbol, detector) == tuple(names.values())
        assert re.fullmatch(r"[\w.~%:-]+", row["id"], re.ASCII)


def test_an_anomaly_is_found_by_its_id(folder: Path) -> None:
    *_, last = ask(folder, "SELECT id FROM anomalies")["id"].to_pylist()
    with answer(folder, "SELECT id FROM anomalies WHERE id = $id", id=last) as rows:
        assert rows.read_all()["id"].to_pylist() == [last]
