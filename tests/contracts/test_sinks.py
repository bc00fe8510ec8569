"""Every sink: rows and cursor go down together, once, whatever comes twice or half way."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import count

import msgspec
import pytest
from msgspec.structs import replace

from engine import parts
from engine.batch import Cursor, Findings
from engine.errors import Unavailable
from engine.ports import Writing
from tests.conftest import TIMESCALE_DSN
from tests.contracts.destinations import Destination, InFolder, InPostgres, InTopics, same_bits, write_when_it_answers
from tests.services.postgres import Databases
from tests.storage.sinks.made import RULES, findings, parked

LOCAL = {"parquet"}
NUMBERS = count()


@pytest.fixture(
    params=[
        pytest.param(name, marks=() if name in LOCAL else pytest.mark.live) for name in parts.names("storage.sinks")
    ]
)
def destination(request: pytest.FixtureRequest) -> Iterator[Destination]:
    """A fresh place for each file in storage/sinks; its service is started only where it is wanted."""
    if request.param == "parquet":
        yield InFolder(request.getfixturevalue("tmp_path") / "data")
    if request.param == "timescale":
        server = None if TIMESCALE_DSN else request.getfixturevalue("server")
        databases = Databases(server.dsn if server else TIMESCALE_DSN)
        yield InPostgres(databases.fresh(), server)
        databases.drop()
    if request.param == "kafka":
        yield InTopics(request.getfixturevalue("broker"), f"sinks-{next(NUMBERS)}")


def test_rows_come_back_with_the_same_bits(destination: Destination) -> None:
    made = findings({0: (0, 20), 3: (100, 115)})
    with destination.recipe().open() as sink:
        sink.write(made)
        sink.flush()
    assert same_bits(destination.read("scores"), made.scores)
    assert same_bits(destination.read("anomalies"), made.anomalies)
    assert destination.rules() == RULES


def test_cursor_moves_with_the_rows_and_outlives_the_connection(destination: Destination) -> None:
    with destination.recipe().open() as sink:
        assert sink.cursors() == {}
        sink.write(findings({0: (0, 3), 1: (0, 5)}))
        sink.write(findings({0: (3, 9)}, state=b"later"))
        sink.flush()
        assert sink.cursors() == {0: Cursor(9, b"later9"), 1: Cursor(5, b"state \x00\xff5")}
    with destination.recipe().open() as sink:
        assert sink.cursors() == {0: Cursor(9, b"later9"), 1: Cursor(5, b"state \x00\xff5")}


def test_the_same_findings_again_change_nothing(destination: Destination) -> None:
    made = findings({0: (0, 6), 1: (0, 6)})
    for _ in range(2):
        with destination.recipe().open() as sink:
            for _ in range(2):
                sink.write(replace(made, parked=(parked(0, 2),)))
            sink.flush()
    assert same_bits(destination.read("scores"), made.scores)
    assert same_bits(destination.read("anomalies"), made.anomalies)
    assert destination.parked() == [(0, 2, "not_arrow: ünreadable", b"\x00\x01\xff bytes")]


def test_of_findings_that_overlap_only_the_new_part_is_written(destination: Destination) -> None:
    with destination.recipe().open() as sink:
        sink.write(findings({0: (0, 7), 1: (0, 2)}))
        overlap = findings({0: (2, 12), 1: (0, 2), 2: (5, 8)})
        sink.write(replace(overlap, parked=(parked(0, 6), parked(0, 7), parked(1, 1), parked(2, 5))))
        sink.flush()
        assert {at: cursor.next_offset for at, cursor in sink.cursors().items()} == {0: 12, 1: 2, 2: 8}
    whole = findings({0: (0, 12), 1: (0, 2), 2: (5, 8)})
    assert same_bits(destination.read("scores"), whole.scores)
    assert same_bits(destination.read("anomalies"), whole.anomalies)
    assert [one[:2] for one in destination.parked()] == [(0, 7), (2, 5)]


def test_an_anomaly_belongs_to_the_row_that_brought_its_state_about(destination: Destination) -> None:
    with destination.recipe().open() as sink:
        sink.write(findings({0: (0, 5)}))
        later = findings({0: (5, 10)})
        assert later.anomalies["offset"].min() < 5 <= later.anomalies["at_offset"].min()  # type: ignore[operator]
        sink.write(later)
        sink.flush()
    assert same_bits(destination.read("anomalies"), findings({0: (0, 10)}).anomalies)


def test_a_cursor_that_is_not_above_the_own_changes_nothing(destination: Destination) -> None:
    with destination.recipe().open() as sink:
        sink.write(findings({0: (0, 5)}))
        sink.write(findings({0: (2, 5)}, state=b"other"))
        sink.write(findings({0: (1, 3)}, state=b"other"))
        sink.flush()
        assert sink.cursors() == {0: Cursor(5, b"state \x00\xff5")}
    assert same_bits(destination.read("scores"), findings({0: (0, 5)}).scores)


def test_a_cursor_moves_without_rows(destination: Destination) -> None:
    with destination.recipe().open() as sink:
        sink.write(findings({}))
        sink.write(replace(findings({0: (0, 0)}), cursors={0: Cursor(4, b"")}))
        sink.flush()
    with destination.recipe().open() as sink:
        assert sink.cursors() == {0: Cursor(4, b"")}
    assert destination.read("scores").num_rows == 0


def test_of_two_engines_one_is_told_and_nothing_is_doubled(destination: Destination) -> None:
    made = findings({0: (0, 6)})
    with destination.recipe().open() as first:
        first.write(findings({0: (0, 2)}))
        first.flush()
        with pytest.raises(destination.second_gets):
            both_write(first, destination, made)
    with destination.recipe().open() as sink:
        sink.write(made)
        sink.flush()
    assert same_bits(destination.read("scores"), made.scores)


def both_write(first: Writing, destination: Destination, made: Findings) -> None:
    with destination.recipe().open() as second:
        second.write(made)
        first.write(made)


def test_what_fails_is_done_when_it_is_tried_again(destination: Destination) -> None:
    with destination.recipe().open() as sink:
        sink.write(findings({0: (0, 4)}))
        sink.flush()
        until_seen(destination, findings({0: (0, 4)}))
        destination.fail()
        try:
            with pytest.raises(Unavailable):
                sink.write(findings({0: (4, 9), 1: (0, 3)}))
        finally:
            destination.mend()
        write_when_it_answers(sink, findings({0: (4, 9), 1: (0, 3)}))
        sink.write(findings({0: (7, 12)}))
        sink.flush()
    whole = findings({0: (0, 12), 1: (0, 3)})
    assert same_bits(destination.read("scores"), whole.scores)
    assert same_bits(destination.read("anomalies"), whole.anomalies)


def until_seen(destination: Destination, made: Findings) -> None:
    """Kafka marks a transaction as committed a moment after the commit; a broker killed in between may never do so."""
    while not same_bits(destination.read("scores"), made.scores):
        time.sleep(0.05)


def test_nothing_is_lost_or_doubled_when_the_engine_is_killed(destination: Destination) -> None:
    use = type(destination.recipe()).__module__.rpartition(".")[2]
    recipe = msgspec.json.encode(destination.recipe()).decode()
    for kill_after in (1, 3, 2, None):
        written = run_until_killed([use, recipe, "100"], kill_after)
    assert written[-1] == "100"
    whole = findings({0: (0, 100), 1: (0, 100)})
    assert same_bits(destination.read("scores"), whole.scores)
    assert same_bits(destination.read("anomalies"), whole.anomalies)


def run_until_killed(arguments: list[str], kill_after: int | None) -> list[str]:
    """Run the writing program; kill it at once when it has told of so many writes."""
    command = [sys.executable, "-m", "tests.contracts.writing", *arguments]
    told = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        for line in program.stdout:
            told.append(line.strip())
            if len(told) == kill_after:
                program.kill()
    assert program.returncode == (0 if kill_after is None else -signal.SIGKILL)
    return told
