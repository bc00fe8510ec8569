"""Each folder's map, the docstring of its `__init__.py`, names what is there; each file of the engine has its test."""

import ast
import re
from pathlib import Path

import pytest

from tests.house.rooms import ROOMS, ROOT, sources, tree

PACKAGES = [path for path in sources(*ROOMS) if path.name == "__init__.py"]
OPEN = {Path("engine/detectors"), Path("feeds/exchanges"), Path("feeds/simulator/venues"), Path("storage/sinks")}
"""Folders that grow by one new file and no other edit: their maps need not name it."""

DECLARATIONS = {"batch", "errors", "ports"}
"""Files of the engine that declare and do nothing."""


def told(package: Path) -> str:
    return ast.get_docstring(tree(package)) or ""


def files(package: Path) -> set[str]:
    """The modules and packages beside an `__init__.py`."""
    folder = ROOT / package.parent
    modules = {path.name for path in folder.glob("*.py") if path != ROOT / package}
    return modules | {f"{path.parent.name}/" for path in folder.glob("*/__init__.py")}


@pytest.mark.parametrize("package", [each for each in PACKAGES if each.parent not in OPEN], ids=str)
def test_a_map_names_every_file_of_its_folder(package: Path) -> None:
    assert {name for name in files(package) if name not in told(package)} == set()


@pytest.mark.parametrize("package", PACKAGES, ids=str)
def test_a_map_names_nothing_that_is_not_there(package: Path) -> None:
    named = set(re.findall(r"(?<![\w/.])[\w/]+\.(?:py|toml|sql)\b", told(package)))
    assert {name for name in named if not ((ROOT / package.parent / name).exists() or (ROOT / name).exists())} == set()


@pytest.mark.parametrize("package", PACKAGES, ids=str)
def test_a_map_begins_with_a_sentence(package: Path) -> None:
    assert re.match(r"[A-Z].{20,}", told(package))


def test_each_file_of_the_engine_has_its_test() -> None:
    files = {path.stem for path in (ROOT / "engine").glob("*.py")}
    tests = {path.stem.removeprefix("test_") for path in (ROOT / "tests" / "engine").glob("test_*.py")}
    assert files - tests == DECLARATIONS | {"__init__", "cli"}  # Commands are tested from outside, in tests/live.
