"""A log into files: all of it, once, however often the capture was ended."""

import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import polars as pl
import pytest

from engine import schema
from engine.errors import Misconfigured
from engine.settings import Data
from storage import dataset, ipc
from storage.bus.kafka_publisher import KafkaPublisher
from storage.bus.kafka_source import KafkaSource
from storage.bus.topics import make_topics
from storage.capture import capture
from storage.recording import read
from storage.sinks.parquet import Parquet
from tests.contracts.buses import bus_settings
from tests.contracts.test_bus import ticks
from tests.fakes import FakeClock

GIVE_UP_SECONDS = 60.0


def into(folder: Path, rows_max: int = 500) -> Parquet:
    return Parquet(data=Data(dir=str(folder)), rows_max=rows_max, flush_ms=600_000, compression="zstd")


def never() -> bool:
    return False


def captured(folder: Path) -> pl.DataFrame:
    return pl.concat(read([folder])).sort(schema.PLACE.names)


def publish(publisher: KafkaPublisher, *frames: pl.DataFrame) -> None:
    for frame in frames:
        publisher.publish(ipc.batch_of(frame, schema.TICK))
    publisher.flush()


def test_a_topic_is_captured_once_however_often_one_goes_on(kafka: str, tmp_path: Path) -> None:
    bus = bus_settings(kafka)
    make_topics(bus)
    given = [ticks(300, seed=seed) for seed in range(6)]
    with closing(KafkaPublisher(bus)) as publisher, closing(KafkaSource(bus, clock=FakeClock())) as source:
        taken = []
        for part in (given[:2], [], given[2:]):
            publish(publisher, *part)
            with into(tmp_path).open() as files:
                taken.append(capture(source, files, rows_max=100, wait_ms=200, is_stopped=never, to_end=True))
        source.seek({})
        log = schema.empty(schema.LOG)
        while log.height < sum(taken):
            log = pl.concat([log, source.drain(rows_max=10_000, wait_ms=5_000).ticks])

    assert taken == [600, 0, 1_200]
    back = captured(tmp_path)
    assert back.drop("ts_drained").equals(log.sort(schema.PLACE.names).drop("ts_drained"))
    assert len(list(tmp_path.rglob("*.parquet"))) > 4


def test_what_cannot_be_read_lies_beside_the_ticks(kafka: str, tmp_path: Path) -> None:
    bus = bus_settings(kafka, "bus.partitions=1", "bus.kafka.message_rows_max=10")
    make_topics(bus)
    with closing(KafkaPublisher(bus_settings(kafka, "bus.partitions=1", f"bus.prefix={bus.prefix}"))) as publisher:
        publish(publisher, ticks(5), ticks(50), ticks(5))
    with closing(KafkaSource(bus, clock=FakeClock())) as source, into(tmp_path).open() as files:
        assert capture(source, files, rows_max=100, wait_ms=200, is_stopped=never, to_end=True) == 10
    [rejected] = dataset.dataset_files(tmp_path, "rejected")
    assert pl.read_parquet(rejected).select("partition", "offset", "reason").rows() == [(0, 1, "too_many_rows")]


def test_two_captures_into_one_folder_are_refused(tmp_path: Path) -> None:
    with into(tmp_path).open(), pytest.raises(Misconfigured, match="in use"), into(tmp_path).open():
        pass


CAPTURE = """
import sys
from pathlib import Path
from storage.bus.kafka_source import KafkaSource
from storage.capture import capture
from tests.contracts.buses import bus_settings
from tests.fakes import FakeClock
from tests.storage.test_capture import into
bus = bus_settings(sys.argv[1], f"bus.prefix={sys.argv[2]}")
with into(Path(sys.argv[3]), rows_max=40).open() as files:
    capture(KafkaSource(bus, clock=FakeClock()), files, rows_max=20, wait_ms=10, is_stopped=lambda: False)
"""


def test_a_capture_that_is_killed_again_and_again_doubles_and_loses_nothing(kafka: str, tmp_path: Path) -> None:
    bus = bus_settings(kafka)
    make_topics(bus)
    given = [ticks(40, seed=seed) for seed in range(200)]
    with closing(KafkaPublisher(bus)) as publisher:
        publish(publisher, *given)
    for kills in range(1, 6):
        with subprocess.Popen(
            [sys.executable, "-c", CAPTURE, kafka, bus.prefix, str(tmp_path)], env=os.environ | {"PYTHONPATH": "."}
        ) as process:
            wait_for_files(tmp_path, 30 * kills)
            process.send_signal(signal.SIGKILL)
    with closing(KafkaSource(bus, clock=FakeClock())) as source, into(tmp_path).open() as files:
        capture(source, files, rows_max=100, wait_ms=200, is_stopped=never, to_end=True)

    back = captured(tmp_path)
    assert back["trade_id"].sort().equals(pl.concat(given)["trade_id"].sort())
    assert not list(tmp_path.rglob("*.tmp"))


def wait_for_files(folder: Path, count: int) -> None:
    give_up = time.monotonic() + GIVE_UP_SECONDS
    while len(list(folder.rglob("*.parquet"))) < count:
        assert time.monotonic() < give_up
        time.sleep(0.01)
