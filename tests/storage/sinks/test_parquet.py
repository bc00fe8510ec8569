"""The embedded dataset: what a crash leaves, who may write, and what a reader meets in between."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest
from msgspec.structs import replace

from engine import schema
from engine.batch import Cursor
from engine.errors import Misconfigured, Unavailable
from engine.settings import Data, load
from storage import dataset
from storage.files import Span, put
from storage.recipes import sinks
from storage.sinks.parquet import Dataset, Parquet
from tests.contracts.destinations import InFolder, same_bits
from tests.storage.sinks.made import findings, parked

HOLD = """
import sys
from pathlib import Path
from storage.dataset import owned
with owned(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def there(tmp_path: Path) -> InFolder:
    return InFolder(tmp_path / "data")


@contextmanager
def opened(there: InFolder, **fields: object) -> Iterator[Dataset]:
    with replace(there.recipe(), **fields).open() as sink:
        assert isinstance(sink, Dataset)
        yield sink


def files(there: InFolder) -> list[str]:
    return sorted(str(path.relative_to(there.folder)) for path in there.folder.rglob("*") if path.is_file())


def test_the_settings_name_it(tmp_path: Path) -> None:
    settings = load(sets=[f"data.dir={tmp_path}/data"], environ={}).settings
    with sinks(("parquet",), settings)["parquet"].open() as sink:
        sink.write(findings({0: (0, 2)}))
        sink.flush()
    assert dataset.read_cursors(tmp_path / "data")[0].next_offset == 2


def test_files_lie_by_date_and_tell_their_offsets(there: InFolder) -> None:
    with opened(there) as sink:
        sink.write(replace(findings({0: (0, 3)}), parked=(parked(0, 1),)))
        sink.write(findings({0: (3, 5), 2: (7, 9)}))
    first, second, third = Span(0, 0, 3).file_name(), Span(0, 3, 5).file_name(), Span(2, 0, 9).file_name()
    dates = ("date=2024-08-08", "date=2024-08-09")
    assert f"rejected/{first}" in files(there)
    for name in (first, second, third):
        assert any(f"ticks/{date}/{name}" in files(there) for date in dates)
        assert any(f"scores/{date}/{name}" in files(there) for date in dates)
    for table, time in (("ticks", "ts_event"), ("scores", "ts_event"), ("anomalies", "ts_onset")):
        for path in dataset.dataset_files(there.folder, table):
            [date] = schema.frame(pq.ParquetFile(path).read())[time].dt.date().unique()
            assert path.parent.name == f"date={date}"


def test_ticks_are_kept_as_they_lay_in_the_log_even_without_a_price(there: InFolder) -> None:
    made = findings({0: (0, 6)})
    odd = made.ticks.with_columns(
        price=pl.when(pl.col("offset") == 2).then(None).otherwise("price"),
        ts_event=pl.when(pl.col("offset") == 3).then(None).otherwise("ts_event"),
    )
    with opened(there) as sink:
        sink.write(replace(made, ticks=odd))
    assert same_bits(there.read("ticks"), odd)


def test_findings_wait_for_rows_or_time_and_a_reader_sees_only_what_is_committed(there: InFolder) -> None:
    now = [0.0]
    there.folder.mkdir()
    sink = Dataset(there.folder, rows_max=20, flush_ms=2_000, compression="zstd", monotonic=lambda: now[0])
    sink.write(findings({0: (0, 4)}))
    now[0] = 1.9
    sink.write(findings({}))
    assert (files(there), sink.cursors()) == ([], {})
    now[0] = 2.0
    sink.write(findings({}))
    assert sink.cursors()[0].next_offset == 4
    sink.write(findings({0: (4, 5)}))
    assert sink.cursors()[0].next_offset == 4
    sink.write(findings({0: (5, 14)}))  # 20 scores wait.
    assert sink.cursors()[0].next_offset == 14
    assert same_bits(there.read("scores"), findings({0: (0, 14)}).scores)


def test_what_a_crash_left_is_deleted_and_the_rest_stays(there: InFolder) -> None:
    with opened(there) as sink:
        sink.write(findings({0: (0, 3)}))
    kept = files(there)
    leftovers = [
        there.folder / "scores" / "date=2024-08-08" / Span(0, 3, 9).file_name(),
        there.folder / "anomalies" / "date=2024-08-08" / Span(7, 0, 2).file_name(),
        there.folder / "progress" / "p00000.json.tmp",
        there.folder / "ticks" / "date=2024-08-08" / f"{Span(0, 3, 9).file_name()}.tmp",
    ]
    for path in leftovers:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"torn")
    assert same_bits(there.read("scores"), findings({0: (0, 3)}).scores)
    with opened(there):
        assert files(there) == kept


def test_files_whose_cursor_is_missing_are_not_taken_for_leftovers(there: InFolder) -> None:
    with opened(there) as sink:
        for end in (3, 6):
            sink.write(findings({0: (end - 3, end)}))
            sink.flush()
    (there.folder / "progress" / "p00000.json").unlink()
    kept = files(there)
    with pytest.raises(Misconfigured, match=r"p00000\.json covers"), opened(there):
        pass
    assert files(there) == kept


def test_files_of_a_person_are_left_alone(there: InFolder) -> None:
    with opened(there) as sink:
        sink.write(findings({0: (0, 3)}))
    own = there.folder / "scores" / "notes.parquet"
    own.write_bytes(b"mine")
    with opened(there):
        assert own.read_bytes() == b"mine"


def test_captured_ticks_that_no_engine_wrote_are_never_deleted(there: InFolder) -> None:
    captured = there.folder / "ticks" / "date=2024-08-08" / Span(0, 0, 9).file_name()
    put(findings({0: (0, 9)}).ticks.to_arrow(), captured)
    with pytest.raises(Misconfigured, match=r"data\.dir: .* that no engine wrote"), opened(there):
        pass
    assert captured.is_file()


def test_a_second_engine_is_refused_until_the_first_has_gone(there: InFolder) -> None:
    with opened(there), pytest.raises(Misconfigured, match=r"data\.dir: .* in use by another engine"), opened(there):
        pass
    with opened(there):
        pass


def test_a_killed_engine_holds_no_lock(there: InFolder) -> None:
    command = [sys.executable, "-c", HOLD, str(there.folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(Misconfigured, match="in use"), opened(there):
            pass
        other.kill()
    with opened(there):
        pass


def test_where_the_disk_refuses_the_same_findings_are_written_later(there: InFolder) -> None:
    with opened(there) as sink:
        sink.write(findings({0: (0, 3)}))
        blocked = there.folder / "anomalies" / "date=2024-08-09"
        blocked.parent.mkdir(exist_ok=True)
        if blocked.is_dir():
            blocked.rename(there.folder / "away")
        blocked.write_bytes(b"")
        for _ in range(2):
            with pytest.raises(Unavailable, match=r"parquet: .*date=2024-08-09.*: (File exists|Not a directory)"):
                sink.write(findings({0: (3, 40)}))
        assert sink.cursors()[0].next_offset == 3
        assert same_bits(there.read("scores"), findings({0: (0, 3)}).scores)
        blocked.unlink()
        if (there.folder / "away").is_dir():
            (there.folder / "away").rename(blocked)
        sink.write(findings({0: (3, 40)}))
    assert same_bits(there.read("scores"), findings({0: (0, 40)}).scores)
    assert same_bits(there.read("anomalies"), findings({0: (0, 40)}).anomalies)


def test_a_folder_that_cannot_be_made_is_told_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for name in ("file", "file/data"):
        with pytest.raises(Misconfigured, match=rf"data\.dir: .*{name}: "), opened(InFolder(tmp_path / name)):
            pass


def test_what_the_disk_refuses_at_the_opening_is_told_as_it_is() -> None:
    with pytest.raises(OSError, match=r"not permitted|Read-only") as raised, opened(InFolder(Path("/sys/nothing"))):
        pass
    assert raised.value.filename == "/sys/nothing"


def test_an_error_of_whoever_writes_is_not_the_disks(there: InFolder) -> None:
    with pytest.raises(ConnectionResetError), opened(there):
        raise ConnectionResetError


@pytest.mark.parametrize("text", ["", "{}", '{"next_offset": "x"}', '{"next_offset": 1, "state": "?"}', "[1]"])
def test_a_cursor_that_is_none_of_ours_is_refused_by_name(there: InFolder, text: str) -> None:
    path = there.folder / "progress" / "p00000.json"
    path.parent.mkdir(parents=True)
    path.write_text(text, "utf-8")
    with pytest.raises(Misconfigured, match=r"p00000\.json: is not a cursor of ours"), opened(there):
        pass


def test_progress_and_rules_are_readable_json(there: InFolder) -> None:
    with opened(there) as sink:
        sink.write(findings({3: (0, 2)}, state=b"\x00"))
    assert (there.folder / "progress" / "p00003.json").read_text() == '{"next_offset":2,"state":"ADI="}'
    assert dataset.read_cursors(there.folder) == {3: Cursor(2, b"\x002")}
    assert (there.folder / "rules" / "0011223344556677.json").read_text("utf-8").startswith('{"sql"')


@pytest.mark.parametrize("compression", ["zstd", "snappy", "lz4", "gzip", "none"])
def test_every_compression_named_works(there: InFolder, compression: str) -> None:
    with Parquet(Data(dir=str(there.folder)), rows_max=1, flush_ms=0, compression=compression).open() as sink:  # type: ignore[arg-type]
        sink.write(findings({0: (0, 3)}))
    assert same_bits(there.read("scores"), findings({0: (0, 3)}).scores)
