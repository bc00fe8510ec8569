"""Settings: defaults, a file, the environment and flags, each above the one before; and what can be wrong."""

from pathlib import Path
from typing import Any

import pytest

from engine import settings
from engine.errors import Misconfigured


def loaded(*sets: str, file: Path | None = None, **environ: str) -> settings.Loaded:
    return settings.load(file, sets, environ)


def problems(*sets: str, file: Path | None = None, **environ: str) -> tuple[str, ...]:
    with pytest.raises(Misconfigured) as refused:
        loaded(*sets, file=file, **environ)
    return refused.value.problems


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "tickstream.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_each_layer_stands_above_the_one_before(tmp_path: Path) -> None:
    file = written(tmp_path, "[loop]\ndrain_ms = 1\nrows_max = 1\nsnapshot_ms = 1\n")
    found = loaded("loop.snapshot_ms=3", file=file, TICKSTREAM_LOOP__ROWS_MAX="2", TICKSTREAM_LOOP__SNAPSHOT_MS="2")
    assert found.settings.loop == settings.Loop(drain_ms=1, rows_max=2, batches_waiting_max=2, snapshot_ms=3)
    origins = {
        name: found.origins[f"loop.{name}"] for name in ("batches_waiting_max", "drain_ms", "rows_max", "snapshot_ms")
    }
    assert list(origins.values()) == ["default", str(file), "TICKSTREAM_LOOP__ROWS_MAX", "--set"]


def test_a_part_of_a_table_leaves_the_rest_of_it(tmp_path: Path) -> None:
    spike = loaded(file=written(tmp_path, "[detectors.spike]\nwindow_ms = 5\n")).settings.detectors["spike"]
    assert (spike["window_ms"], spike["threshold"]) == (5, 2.5)


def test_a_detector_can_be_added_in_any_layer() -> None:
    found = loaded("detectors.fast.use=zscore", "detectors.fast.window_ms=1000").settings.detectors
    assert found["fast"] == {"use": "zscore", "window_ms": 1_000}
    assert "spike" in found


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("data.dir=/srv/ticks", "/srv/ticks"),
        ('data.dir="a = b"', "a = b"),
        ("data.dir = spaced ", "spaced"),
        ("data.dir=a=b", "a=b"),
    ],
)
def test_a_flag_is_a_toml_value_or_plain_text(flag: str, value: str) -> None:
    assert loaded(flag).settings.data.dir == value


def test_lists_and_quoted_keys_can_be_set() -> None:
    found = loaded('feeds.symbols=["BTC-USD"]', 'windows.price_decimals_of."SHIB-USDT"=10').settings
    assert (found.feeds.symbols, found.windows.price_decimals_of) == (("BTC-USD",), {"SHIB-USDT": 10})


@pytest.mark.parametrize("flag", ["loop.drain_ms", "=5", "", "  =5"])
def test_a_flag_that_is_no_pair_is_refused_with_an_example(flag: str) -> None:
    assert problems(flag) == (f"--set {flag}: expected key=value, such as --set loop.drain_ms=50",)


def test_every_problem_is_told_at_once() -> None:
    found = problems("loop.drain_ms=-1", "loop.rows=5", "bus.kafka.bootstap=here", "metrics.host=7", "lop.drain_ms=1")
    assert set(found) == {
        "loop.drain_ms: expected `int` >= 1",
        "loop.rows: no such setting; did you mean rows_max?",
        "bus.kafka.bootstap: no such setting; did you mean bootstrap?",
        "metrics.host: expected `str`, got `int`",
        "lop: no such setting; did you mean loop?",
    }


@pytest.mark.parametrize(
    ("flag", "told"),
    [
        ("loop.drain_ms=fast", "loop.drain_ms: expected `int`, got `str`"),
        ("loop.drain_ms=1.5", "loop.drain_ms: expected `int`, got `float`"),
        ("loop=5", "loop: expected `object`, got `int`"),
        ("logs.level=loud", "logs.level: invalid enum value 'loud'"),
        ("bus.prefix=a b", "bus.prefix: expected `str` matching regex '^[a-zA-Z0-9._-]{1,100}$'"),
        ("metrics.engine_port=70000", "metrics.engine_port: expected `int` <= 65535"),
        ("windows.price_decimals=16", "windows.price_decimals: expected `int` <= 15"),
        ("feeds.symbols=BTC-USD", "feeds.symbols: expected `array`, got `str`"),
        ("nothing.like.this=1", "nothing: no such setting; `tickstream settings` lists them all"),
    ],
)
def test_a_wrong_value_is_named_by_its_path(flag: str, told: str) -> None:
    assert problems(flag) == (told,)


def test_the_environment_is_held_to_the_same_types() -> None:
    assert problems(TICKSTREAM_LOOP__DRAIN_MS="soon") == ("loop.drain_ms: expected `int`, got `str`",)
    assert problems(TICKSTREAM_LOOP__DRAINS="1")[0].startswith("loop.drains: no such setting")


def test_other_variables_of_the_environment_are_let_be() -> None:
    found = loaded(TICKSTREAM_TEST_DSN="x", HOME="/", TICKSTREAM="y")
    assert set(found.origins.values()) == {"default"}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"[loop\n", "is not TOML"),
        (b"\xff\xfe[", "is not UTF-8 text; save it as UTF-8"),
        (b"drain_ms = 1\n", "drain_ms: no such setting"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes, told: str) -> None:
    assert told in problems(file=written(tmp_path, content))[0]


def test_a_file_that_is_not_there_or_no_file_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.toml", tmp_path):
        assert problems(file=path)[0].startswith(f"{path}: cannot be read")


def test_a_file_of_another_system_is_read(tmp_path: Path) -> None:
    content = b"\xef\xbb\xbf[loop]\r\ndrain_ms = 7\r\n"
    assert loaded(file=written(tmp_path, content)).settings.loop.drain_ms == 7


def test_every_setting_is_shown_with_value_and_origin() -> None:
    rows = {path: (value, origin) for path, value, origin in settings.shown(loaded("loop.drain_ms=7"))}
    assert rows["loop.drain_ms"] == (7, "--set")
    assert rows["loop.rows_max"] == (100_000, "default")
    assert rows["detectors.spike.threshold"] == (2.5, "default")


@pytest.mark.parametrize(
    ("flag", "path", "value"),
    [
        ("sinks.timescale.dsn=postgresql://me:hunter2@db/ticks", "sinks.timescale.dsn", "postgresql://me:***@db/ticks"),
        ("sinks.timescale.dsn=postgresql://me@db/ticks", "sinks.timescale.dsn", "postgresql://me@db/ticks"),
        ("sinks.hook.token=hunter2", "sinks.hook.token", "***"),
    ],
)
def test_secrets_are_not_shown(flag: str, path: str, value: Any) -> None:
    rows = {path: value for path, value, _ in settings.shown(loaded(flag))}
    assert rows[path] == value
    assert "hunter2" not in str(rows)


def test_a_secret_is_the_text_of_its_file(tmp_path: Path) -> None:
    path = written(tmp_path, "hunter2\n")
    assert settings.read_secret(str(path), "bus.kafka.password_file") == "hunter2"


@pytest.mark.parametrize("content", [None, b"\xff"])
def test_a_secret_that_cannot_be_read_is_named_by_its_setting(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "absent" if content is None else written(tmp_path, content)
    with pytest.raises(Misconfigured, match=r"bus\.kafka\.password_file: .* cannot be read"):
        settings.read_secret(str(path), "bus.kafka.password_file")
