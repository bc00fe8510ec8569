"""Who may import whom (the map of rooms), and where each library lives."""

import sys
from collections.abc import Iterator

from tests.house.rooms import ROOMS, imports, module, sources

LEVELS = {
    "core": (
        *("schema", "columns", "batch", "compiled", "keys", "order", "kernel", "window", "series", "statistics"),
        *("expressions", "detectors", "rules", "scoring", "episodes", "progress", "step"),
    ),
    "errors": ("errors",),
    "doors": ("settings", "parts", "ports"),
    "shell": ("loop", "writer", "latency", "clock"),
    "wiring": ("evaluation", "commands", "cli"),
}
"""The modules of engine/ by level."""

CONTRACT = {"engine.schema", "engine.batch", "engine.errors", "engine.settings", "engine.ports", "engine.parts"}
"""All that feeds and storage know of the engine."""

MAY_IMPORT = {
    "core": {"core", "errors"},
    "errors": set[str](),
    "doors": {"core", "errors", "doors"},
    "shell": {"core", "errors", "doors", "shell", "observability"},
    "wiring": {"core", "errors", "doors", "shell", "wiring", "feeds", "storage", "observability"},
    "feeds": {"feeds", "observability"},
    "storage": {"storage", "sql", "observability"},
    "observability": {"observability"},
    "sql": set[str](),
}

HOMES = {
    "numba": "core",
    "websockets": "feeds",
    "confluent_kafka": "storage",
    "adbc_driver_manager": "storage",
    "adbc_driver_postgresql": "storage",
    "duckdb": "storage",
    "prometheus_client": "observability",
    "typer": "wiring",
    "matplotlib": "wiring",
}
SHARED = {"msgspec", "numpy", "polars", "pyarrow"}
PURE = {
    "abc",
    "collections",
    "contextlib",
    "pickle",
    "functools",
    "hashlib",
    "heapq",
    "itertools",
    "json",
    "math",
    "re",
    "typing",
}
"""Of the standard library, what the core may know: nothing that reads, writes, waits or looks at a clock."""

FILES = [path for path in sources(*ROOMS) if path.name != "__init__.py" or path.parent.name != "engine"]


def room(name: str) -> str:
    """The room of one of our modules, in engine/ its level."""
    first, *rest = name.split(".")
    if first != "engine":
        return first
    return next(level for level, modules in LEVELS.items() if rest[0] in modules)


def ours(name: str) -> bool:
    return name.partition(".")[0] in ROOMS


def outside() -> Iterator[tuple[str, str, str]]:
    """Each file, its room and the top name of each library it imports."""
    for path in FILES:
        for name in imports(path):
            if not ours(name):
                yield str(path), room(module(path)), name.partition(".")[0]


def may_import(here: str, name: str) -> bool:
    return room(name) in MAY_IMPORT[here] or (here in {"feeds", "storage"} and name in CONTRACT)


def test_a_room_imports_only_what_lies_below_it() -> None:
    inside = [(str(path), room(module(path)), name) for path in FILES for name in filter(ours, imports(path))]
    assert [(path, name) for path, here, name in inside if not may_import(here, name)] == []


def test_nobody_imports_the_command_line() -> None:
    assert [str(path) for path in FILES if "engine.cli" in imports(path)] == []


def test_a_library_lives_in_one_room() -> None:
    astray = [
        (path, library)
        for path, here, library in outside()
        if library not in sys.stdlib_module_names and library not in SHARED and HOMES.get(library) != here
    ]
    assert astray == []


def test_the_core_does_no_input_or_output() -> None:
    pure = PURE | SHARED | {library for library, home in HOMES.items() if home == "core"}
    assert [(path, library) for path, here, library in outside() if here == "core" and library not in pure] == []


def test_the_map_is_complete() -> None:
    assert {room(module(path)) for path in FILES} == MAY_IMPORT.keys()
