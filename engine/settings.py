"""Every knob, typed. Values come from defaults.toml, a file, the environment and flags, each above the one before."""

import difflib
import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct

from engine.errors import Misconfigured

PREFIX = "TICKSTREAM_"

Tree: TypeAlias = dict[str, Any]
Count: TypeAlias = Annotated[int, Meta(ge=1)]
Milliseconds: TypeAlias = Annotated[int, Meta(ge=0, le=3_155_760_000_000)]  # a century
Port: TypeAlias = Annotated[int, Meta(ge=0, le=65_535)]
Decimals: TypeAlias = Annotated[int, Meta(ge=0, le=15)]
Positive: TypeAlias = Annotated[float, Meta(gt=0, le=1e9)]


class Section(Struct, frozen=True, forbid_unknown_fields=True):
    """A table of the settings file."""


class Data(Section, frozen=True):
    dir: str


class Feeds(Section, frozen=True):
    exchanges: tuple[str, ...]
    symbols: tuple[str, ...]
    rows_max: Count
    flush_ms: Milliseconds
    frames_waiting_max: Count


class Connection(Section, frozen=True):
    open_timeout_ms: Count
    silence_ms: Count
    backoff_base_ms: Count
    backoff_max_ms: Count
    stable_ms: Milliseconds
    frame_bytes_max: Count


class Simulator(Section, frozen=True):
    seed: int
    ticks_per_second: Positive
    rate: Positive
    jumps_per_hour: Annotated[float, Meta(ge=0)]
    host: str
    port_binance: Port
    port_coinbase: Port
    port_kraken: Port


class MemoryBus(Section, frozen=True):
    rows_max: Count
    bytes_max: Count


class KafkaBus(Section, frozen=True):
    bootstrap: str
    group: str
    replication: Count
    retention_ms: Annotated[int, Meta(ge=-1)]
    message_bytes_max: Count
    message_rows_max: Count
    username: str
    password_file: str
    ca_file: str
    plaintext: bool


class Bus(Section, frozen=True):
    partitions: Count
    prefix: Annotated[str, Meta(pattern="^[a-zA-Z0-9._-]{1,100}$")]
    memory: MemoryBus
    kafka: KafkaBus


class Order(Section, frozen=True):
    future_ms: Milliseconds
    late_ms: Milliseconds


class Windows(Section, frozen=True):
    price_decimals: Decimals
    price_decimals_of: dict[str, Decimals]
    size_decimals: Decimals
    size_decimals_of: dict[str, Decimals]


class Loop(Section, frozen=True):
    drain_ms: Count
    rows_max: Count
    batches_waiting_max: Count
    snapshot_ms: Count


class Writer(Section, frozen=True):
    backoff_base_ms: Count
    backoff_max_ms: Count
    close_timeout_ms: Milliseconds


class Chosen(Section, frozen=True):
    sinks: tuple[str, ...]


class Metrics(Section, frozen=True):
    host: str
    feeds_port: Port
    engine_port: Port
    lag_seconds_max: Positive


class Logs(Section, frozen=True):
    level: Literal["debug", "info", "warning", "error"]
    format: Literal["auto", "console", "json"]


class Settings(Section, frozen=True):
    """All settings. Tables of the open folders (`exchanges`, `detectors`, `sinks`) are read by the part they name."""

    data: Data
    feeds: Feeds
    exchanges: dict[str, Tree]
    connection: Connection
    simulator: Simulator
    bus: Bus
    order: Order
    windows: Windows
    detectors: dict[str, Tree]
    loop: Loop
    writer: Writer
    run: Chosen
    engine: Chosen
    sinks: dict[str, Tree]
    metrics: Metrics
    logs: Logs


class Loaded(Struct, frozen=True):
    """The settings with the merged tree they were read from and each value's origin by its path."""

    settings: Settings
    tree: Tree
    origins: Mapping[str, str]


def load(file: Path | None = None, sets: Iterable[str] = (), environ: Mapping[str, str] | None = None) -> Loaded:
    """Merge defaults, file, environment and `key=value` flags. Raises Misconfigured with every problem found."""
    tree: Tree = {}
    origins: dict[str, str] = {}
    for origin, layer in _layers(file, sets, os.environ if environ is None else environ):
        _merge(tree, layer, origin, origins)
    return Loaded(_typed(tree), tree, origins)


def _layers(file: Path | None, sets: Iterable[str], environ: Mapping[str, str]) -> Iterator[tuple[str, Tree]]:
    yield "default", tomllib.loads(resources.files("engine").joinpath("defaults.toml").read_text("utf-8"))
    if file is not None:
        yield str(file), _read(file)
    for name in sorted(environ):
        if name.startswith(PREFIX) and "__" in name:
            path = name.removeprefix(PREFIX).lower().split("__")
            yield name, _nested(path, _value(environ[name]))
    for text in sets:
        key, equals, value = text.partition("=")
        if not equals or not all(_keys(key.strip()) or [""]):
            raise Misconfigured(f"--set {text}: expected key=value, such as --set loop.drain_ms=50")
        yield "--set", _nested(_keys(key.strip()), _value(value.strip()))


def _read(file: Path) -> Tree:
    try:
        return tomllib.loads(file.read_text("utf-8-sig"))
    except OSError as error:
        raise Misconfigured(f"{file}: cannot be read ({error.strerror}); give a readable file with --config") from error
    except UnicodeDecodeError as error:
        raise Misconfigured(f"{file}: is not UTF-8 text; save it as UTF-8") from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise Misconfigured(f"{file}: is not TOML: {error}") from error


def _keys(dotted: str) -> list[str]:
    """Split a dotted key; a part in quotes may hold dots."""
    return [part.strip('"') for part in re.findall(r'"[^"]*"|[^.]+', dotted)]


def _value(text: str) -> Any:
    """A TOML value, or the text itself where it is none."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (tomllib.TOMLDecodeError, RecursionError):
        return text


def _nested(path: list[str], value: Any) -> Tree:
    for key in reversed(path):
        value = {key: value}
    return dict(value)


def _merge(tree: Tree, layer: Tree, origin: str, origins: dict[str, str], path: str = "") -> None:
    for key, value in layer.items():
        here = f"{path}.{key}" if path else key
        if isinstance(value, dict):
            below = tree.get(key)
            if not isinstance(below, dict):
                below = tree[key] = {}
            _merge(below, value, origin, origins, here)
        else:
            tree[key] = value
            origins[here] = origin


def _typed(tree: Tree) -> Settings:
    problems = list(_unknown(tree, Settings, ""))
    sections = {}
    for name, kind in _fields(Settings).items():
        if name in tree:
            try:
                sections[name] = msgspec.convert(tree[name], kind, strict=True)
            except msgspec.ValidationError as error:
                if "unknown field" not in str(error):
                    problems.append(_readable(error, name))
    if problems:
        raise Misconfigured(*problems)
    return Settings(**sections)


def _unknown(tree: Tree, kind: type[Section], path: str) -> Iterator[str]:
    """Name every key that no setting has, with the one it was probably meant to be."""
    fields = _fields(kind)
    for key, value in tree.items():
        here = f"{path}.{key}" if path else key
        if key not in fields:
            yield f"{here}: no such setting{did_you_mean(key, fields)}"
        elif isinstance(fields[key], type) and issubclass(fields[key], Section) and isinstance(value, dict):
            yield from _unknown(value, fields[key], here)


def _fields(kind: type[Section]) -> dict[str, Any]:
    return {field.name: field.type for field in msgspec.structs.fields(kind)}


def did_you_mean(key: str, known: Iterable[str]) -> str:
    """A hint at the nearest known name, or at the command that lists them."""
    near = difflib.get_close_matches(key, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else "; `tickstream settings` lists them all"


def _readable(error: msgspec.ValidationError, section: str) -> str:
    """`what - at $.path` as `section.path: what`."""
    what, _, at = str(error).partition(" - at `$")
    return f"{section}{at.rstrip('`')}: {what[:1].lower()}{what[1:]}"


def read_secret(path: str, setting: str) -> str:
    """The text of a secret's file, without its line end. Raises Misconfigured, naming the setting."""
    try:
        return Path(path).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{setting}: {path} cannot be read; give a readable text file") from error


def shown(loaded: Loaded) -> list[tuple[str, Any, str]]:
    """Each setting's path, value and origin, in the order of the tables; secrets masked."""
    return [(path, _masked(path, value), loaded.origins.get(path, "default")) for path, value in _leaves(loaded.tree)]


def _leaves(tree: Tree, path: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        here = f"{path}.{key}" if path else key
        if isinstance(value, dict):
            yield from _leaves(value, here)
        else:
            yield here, value


def _masked(path: str, value: Any) -> Any:
    """A value without the password in it."""
    if path.rpartition(".")[2] in {"password", "token", "secret"} and value:
        return "***"
    if isinstance(value, str) and "://" in value:
        value = re.sub(r"(://[^:@/?]*):.*@", r"\1:***@", value)
        return re.sub(r"(?i)([?&][^=&]*(?:password|secret|token)[^=&]*=)[^&]*", r"\1***", value)
    return value
