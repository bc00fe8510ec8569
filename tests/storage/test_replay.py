"""A replay proves what is right, and names what is not."""

import math
import struct
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
import polars as pl
import pyarrow as pa
import pytest
from msgspec.structs import replace as replace_fields

from engine.batch import Cursor
from engine.commands.replay import as_text
from engine.errors import Misconfigured
from engine.settings import Data
from storage import stored
from storage.dataset import put_cursor
from storage.files import put, span_of
from storage.migrations import migrate
from storage.replay import Report, replay
from storage.sinks.parquet import Parquet
from storage.sinks.timescale import Timescale
from storage.stored import Stored
from tests.storage.recorded import RUSH, SLOW, SPIKE, STRICT, VOLUME, Recorded, Rule, changed, pieces, recorded, spliced

PLAIN = recorded(SPIKE, SLOW)


def held_against(ticks: pl.DataFrame, found: Recorded, *, anomalies: bool = True) -> Report:
    streams = (frame.to_arrow().to_reader() for frame in (ticks, found.scores, found.anomalies))
    log, scores, states = streams
    return replay(log, Stored(scores, states if anomalies else None, found.rules))


def of_dataset(folder: Path) -> Report:
    return replay(*stored.in_dataset(folder))


def alter(folder: Path, table: str, change: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
    """Change the first file of a table."""
    path = min((folder / table).rglob("*.parquet"))
    put(change(pl.read_parquet(path)).to_arrow(), path)


def flipped(value: float) -> float:
    """The float whose lowest bit is the other one."""
    (bits,) = struct.unpack("<q", struct.pack("<d", value))
    found: float = struct.unpack("<d", struct.pack("<q", bits ^ 1))[0]
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    PLAIN.write(tmp_path / "data")
    return tmp_path / "data"


def test_what_was_stored_is_proven(folder: Path) -> None:
    report = of_dataset(folder)
    assert report == Report(PLAIN.scores.height, PLAIN.anomalies.height, 0, 0, 0, 0, [])
    assert report.exit_code == 0
    assert {"open", "peak", "closed"} == set(PLAIN.anomalies["state"])


def test_one_bit_of_a_score_is_found_and_named(folder: Path) -> None:
    alter(folder, "scores", lambda rows: changed(rows, 40, "z", flipped(rows["z"][40])))
    report = of_dataset(folder)
    assert (report.floats_differ, report.integers_differ, report.missing, report.extra) == (1, 0, 0, 0)
    assert report.exit_code == 1
    row = pl.read_parquet(min((folder / "scores").rglob("*.parquet"))).row(40, named=True)
    named = report.first[0]
    assert {name: getattr(named, name) for name in ("offset", "row", "exchange", "symbol", "detector")} == {
        name: row[name] for name in ("offset", "row", "exchange", "symbol", "detector")
    }
    assert [told.column for told in named.columns] == ["z"]


def test_a_tick_altered_is_found(folder: Path) -> None:
    alter(folder, "ticks", lambda rows: changed(rows, 40, "price", rows["price"][40] * (1 + 1e-9)))
    report = of_dataset(folder)
    assert report.floats_differ > 0
    assert report.exit_code == 1


def test_a_tick_taken_out_of_the_log_is_found(folder: Path) -> None:
    alter(folder, "ticks", lambda rows: rows[1:])
    assert of_dataset(folder).extra >= 2


@pytest.mark.parametrize(("was", "now"), [('"cooldown_ms": 0', '"cooldown_ms": 1'), ("abs(z) / 1.5", "abs(z) / 1.6")])
def test_a_setting_altered_is_found(folder: Path, was: str, now: str) -> None:
    path = folder / "rules" / f"{SPIKE['digest']}.json"
    path.write_text(path.read_text().replace(was, now))
    report = of_dataset(folder)
    assert report.integers_differ >= PLAIN.scores.height // 2
    assert "rules" in {told.column for told in report.first[0].columns}


@pytest.mark.parametrize("at", [0, 40, -1])
def test_a_row_dropped_is_found_and_named(folder: Path, at: int) -> None:
    row = pl.read_parquet(min((folder / "scores").rglob("*.parquet"))).row(at, named=True)
    alter(folder, "scores", lambda rows: rows.filter(pl.int_range(pl.len()) != at % rows.height))
    report = of_dataset(folder)
    assert (report.missing, report.extra, report.integers_differ, report.floats_differ) == (1, 0, 0, 0)
    assert (report.first[0].difference, report.first[0].detector) == ("missing", row["detector"])
    assert (report.first[0].offset, report.first[0].row) == (row["offset"], row["row"])


def test_a_partition_without_rows_of_one_detector_is_found() -> None:
    kept = PLAIN.scores.filter((pl.col("partition") != 1) | (pl.col("detector") != "slow"))
    report = held_against(PLAIN.ticks, msgspec.structs.replace(PLAIN, scores=kept))
    assert report.missing >= PLAIN.scores.height - kept.height > 0


def test_a_row_stored_twice_and_a_row_of_no_tick_are_extra() -> None:
    foreign = PLAIN.scores[7:8].with_columns(pl.lit("kraken").alias("exchange"))
    scores = pl.concat([PLAIN.scores, PLAIN.scores[7:8], PLAIN.scores[7:8], foreign])
    report = held_against(PLAIN.ticks, msgspec.structs.replace(PLAIN, scores=scores))
    assert (report.extra, report.missing, report.rows) == (3, 0, PLAIN.scores.height + 3)
    assert {named.difference for named in report.first} == {"extra"}


@pytest.mark.parametrize(
    ("column", "value"), [("severity", "calm"), ("at_row", 9), ("q", "1"), ("scope", "none"), ("ticks_flagged", 99)]
)
def test_an_anomaly_altered_is_found_and_named(folder: Path, column: str, value: object) -> None:
    alter(folder, "anomalies", lambda rows: changed(rows, 0, column, value))
    report = of_dataset(folder)
    assert (report.integers_differ, report.floats_differ) == (1, 0)
    assert (report.first[0].table, report.first[0].columns[0].column) == ("anomalies", column)
    assert report.first[0].columns[0].stored == str(value)


def test_an_anomaly_dropped_is_found(folder: Path) -> None:
    alter(folder, "anomalies", lambda rows: rows[1:])
    report = of_dataset(folder)
    assert (report.missing, report.first[0].table) == (1, "anomalies")


@pytest.mark.parametrize("value", [math.nan, None, math.inf, 0.0])
def test_null_nan_infinity_and_zero_are_all_different(value: float | None) -> None:
    report = held_against(PLAIN.ticks, msgspec.structs.replace(PLAIN, scores=changed(PLAIN.scores, 80, "z", value)))
    assert (report.floats_differ, report.integers_differ) == (1, 0)


def test_zeros_of_both_signs_are_different() -> None:
    sizes = PLAIN.ticks.with_columns(pl.lit(0.0).alias("size"))
    scores = PLAIN.scores.with_columns(pl.lit(0.0).alias("size"))
    report = held_against(sizes, msgspec.structs.replace(PLAIN, scores=changed(scores, 3, "size", -0.0)))
    assert report.floats_differ == 1


@pytest.mark.parametrize("rules", [(SPIKE, STRICT), (SPIKE, VOLUME), (VOLUME, RUSH)])
def test_each_row_is_held_against_its_own_rules(rules: tuple[Rule, Rule]) -> None:
    before, after = map(recorded, rules)
    found = spliced(before, after, from_offset=50)
    report = held_against(found.ticks, found, anomalies=False)
    assert report == Report(found.scores.height, 0, 0, 0, 0, 0, [])


@pytest.mark.parametrize("offset", [0, 49, 50, 99])
def test_a_message_missing_where_rules_change_is_found(offset: int) -> None:
    found = spliced(recorded(SPIKE), recorded(STRICT), from_offset=50)
    kept = found.scores.filter((pl.col("offset") != offset) | (pl.col("partition") != 0))
    report = held_against(found.ticks, msgspec.structs.replace(found, scores=kept), anomalies=False)
    assert report.missing == found.scores.height - kept.height > 0


def test_a_digest_changed_in_one_row_is_found() -> None:
    scores = changed(PLAIN.scores, 9, "rules", "0123456789abcdef")
    report = held_against(PLAIN.ticks, msgspec.structs.replace(PLAIN, scores=scores))
    assert (report.integers_differ, report.missing, report.extra) == (1, 0, 0)


def test_a_file_that_is_not_committed_is_left_out(folder: Path) -> None:
    for table in ("ticks", "scores"):
        path = min((folder / table).rglob("*.parquet"))
        path.with_name("p00000-00000000000000000000-00000000000000999999.parquet").write_bytes(path.read_bytes())
    assert of_dataset(folder).exit_code == 0


def written_in_pieces(folder: Path) -> None:
    """The same dataset in three flushes."""
    recipe = Parquet(Data(str(folder)), rows_max=10**9, flush_ms=10**9, compression="zstd")
    for piece in pieces(PLAIN, 3):
        with recipe.open() as sink:
            sink.write(piece)
            sink.flush()


def of_span(folder: Path, table: str, place: int) -> Path:
    """The file of partition 0 at this place of the log."""
    return sorted(path for path in (folder / table).rglob("p00000-*.parquet"))[place]


@pytest.mark.parametrize("place", [0, 1, -1], ids=["first", "middle", "last"])
def test_messages_removed_with_all_that_was_made_of_them_are_found(tmp_path: Path, place: int) -> None:
    written_in_pieces(tmp_path)
    assert of_dataset(tmp_path).exit_code == 0
    span = span_of(of_span(tmp_path, "ticks", place))
    for path in tmp_path.rglob(of_span(tmp_path, "ticks", place).name):
        path.unlink()
    report = of_dataset(tmp_path)
    assert span is not None
    assert (report.exit_code, report.missing >= span.end - span.first) == (1, True)
    named = report.first[0]
    assert (named.table, named.partition, named.offset) == ("ticks", 0, span.first)
    assert f"ticks: partition 0 offset {span.first}: missing up to offset {span.end - 1}" in as_text(report)


def test_messages_without_rows_are_not_missed(tmp_path: Path) -> None:
    recipe = Parquet(Data(str(tmp_path)), rows_max=10**9, flush_ms=10**9, compression="zstd")
    first, second = pieces(PLAIN, 2)
    ends = {partition: cursor.next_offset + 3 for partition, cursor in second.cursors.items()}
    nothing = replace_fields(
        second,
        ticks=second.ticks.clear(),
        scores=second.scores.clear(),
        anomalies=second.anomalies.clear(),
        cursors={partition: Cursor(end) for partition, end in ends.items()},
    )
    for findings in (first, second, nothing):
        with recipe.open() as sink:
            sink.write(findings)
            sink.flush()
    assert of_dataset(tmp_path).exit_code == 0


def test_a_partition_whose_progress_was_removed_or_set_back_is_found(tmp_path: Path) -> None:
    written_in_pieces(tmp_path)
    cursor = tmp_path / "progress" / "p00000.json"
    last, middle = (span_of(of_span(tmp_path, "ticks", place)) for place in (-1, -2))
    assert last is not None
    assert middle is not None
    put_cursor(tmp_path, 0, Cursor(middle.first))
    report = of_dataset(tmp_path)
    assert (report.exit_code, report.first[0].table, report.first[0].offset) == (1, "progress", last.first)
    cursor.unlink()
    assert of_dataset(tmp_path).exit_code == 1


def test_a_file_that_a_flush_has_just_put_in_place_is_no_difference(tmp_path: Path) -> None:
    written_in_pieces(tmp_path)
    last = span_of(of_span(tmp_path, "ticks", -1))
    assert last is not None
    put_cursor(tmp_path, 0, Cursor(last.first))
    assert of_dataset(tmp_path).exit_code == 0


def test_a_capture_may_go_further_than_what_was_stored() -> None:
    part = recorded(SPIKE)
    next_offsets = {partition: end // 2 for partition, end in part.next_offsets.items()}
    below = pl.col("offset") < pl.col("partition").replace_strict(next_offsets)
    scores = part.scores.filter(below).to_arrow().to_reader()
    report = replay(part.ticks.to_arrow().to_reader(), Stored(scores, None, part.rules, next_offsets))
    assert report.exit_code == 0


def test_score_files_carry_their_rules(tmp_path: Path) -> None:
    ticks, scores = tmp_path / "ticks.parquet", tmp_path / "scores.parquet"
    put(PLAIN.ticks.to_arrow(), ticks)
    notes = {"rules": msgspec.json.encode(PLAIN.rules).decode()}
    put(PLAIN.scores.with_row_index("seq").to_arrow().replace_schema_metadata(notes), scores)
    assert replay([ticks], stored.in_files([scores])).anomalies == 0
    put(PLAIN.anomalies.to_arrow(), stored.anomalies_beside(scores))
    report = replay([ticks], stored.in_files([scores]))
    assert (report.exit_code, report.anomalies) == (0, PLAIN.anomalies.height)


def test_rows_in_postgresql_are_proven(postgres: Callable[[], str], tmp_path: Path) -> None:
    dsn = postgres()
    migrate(dsn)
    with Timescale(dsn=dsn, dsn_file="", statement_timeout_ms=30_000, plaintext=False).open() as sink:
        sink.write(PLAIN.findings())
        sink.flush()
    ticks = tmp_path / "ticks.parquet"
    put(PLAIN.ticks.to_arrow(), ticks)
    with stored.in_database(dsn) as found:
        report = replay([ticks], found)
    assert report == Report(PLAIN.scores.height, PLAIN.anomalies.height, 0, 0, 0, 0, [])


def test_a_database_without_our_tables_is_told(postgres: Callable[[], str]) -> None:
    with pytest.raises(Misconfigured, match=r"tickstream\.rules"), stored.in_database(postgres()):
        pass


def test_a_dataset_of_no_scores_is_no_proof(folder: Path) -> None:
    alter(folder, "scores", lambda rows: rows[:0])
    for path in (folder / "scores").rglob("*.parquet"):
        path.unlink()
    assert of_dataset(folder).exit_code == 1


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({}, "rules .* of detector slow: are not there"),
        ({SPIKE["digest"]: "{}", SLOW["digest"]: "{}"}, "missing required field"),
        ({SPIKE["digest"]: "{", SLOW["digest"]: "{"}, SPIKE["digest"]),
    ],
)
def test_rules_that_cannot_be_used_are_told(rules: Mapping[str, str], said: str) -> None:
    with pytest.raises(Misconfigured, match=said):
        held_against(PLAIN.ticks, msgspec.structs.replace(PLAIN, rules=rules))


def test_an_expression_that_reaches_for_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("1\n")
    reaching = f"(select column0 from read_csv('{tmp_path / 'secret.csv'}', header = false))"
    rules = {digest: text.replace("abs(z) / 1.5", reaching) for digest, text in PLAIN.rules.items()}
    with pytest.raises(Misconfigured, match="cannot be computed"):
        held_against(PLAIN.ticks, msgspec.structs.replace(PLAIN, rules=rules))


def test_a_folder_that_is_no_dataset_is_told(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="holds no dataset"):
        of_dataset(tmp_path)


def test_a_torn_file_is_named(folder: Path) -> None:
    path = min((folder / "scores").rglob("*.parquet"))
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(Misconfigured, match=path.name):
        of_dataset(folder)


def test_rows_of_another_kind_are_told() -> None:
    rows = pa.table({"price": [1.0]})
    with pytest.raises(Misconfigured, match="holds no scores: there is no column partition"):
        replay(PLAIN.ticks.to_arrow().to_reader(), Stored(rows.to_reader(), None, PLAIN.rules))
    with pytest.raises(Misconfigured, match="holds no ticks: there is no column exchange, symbol"):
        replay(rows.to_reader(), Stored(PLAIN.scores.to_arrow().to_reader(), None, PLAIN.rules))
    with pytest.raises(Misconfigured, match="there are none"):
        replay([], Stored(PLAIN.scores.to_arrow().to_reader(), None, PLAIN.rules))


def test_a_report_is_json() -> None:
    told = msgspec.json.decode(msgspec.json.encode(held_against(PLAIN.ticks, PLAIN)))
    assert told | {"first": []} == told
    assert set(told) == {"rows", "anomalies", "missing", "extra", "integers_differ", "floats_differ", "first"}
