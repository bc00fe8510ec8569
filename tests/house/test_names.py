"""What is left out: empty names, unfinished work."""

import ast
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

from tests.house.rooms import ROOMS, ROOT, sources, tree

EMPTY = {"util", "utils", "helper", "helpers", "manager", "managers", "common", "base", "misc"}
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK|WIP)\b")
EVERYWHERE = sources(*ROOMS, "tests", "bench")


def names(path: Path) -> Iterator[str]:
    """The names of the file, its classes and its functions; tests are sentences and may say `base and quote`."""
    yield path.stem
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith(
            "test_"
        ):
            yield node.name


def words(name: str) -> set[str]:
    """The words of snake_case or CamelCase."""
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])", name)}


def functions(node: ast.AST, *, in_protocol: bool = False) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function that is no part of a Protocol."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) and not in_protocol:
            yield child
        is_protocol = isinstance(child, ast.ClassDef) and "Protocol" in ast.unparse(ast.Tuple(child.bases))
        yield from functions(child, in_protocol=is_protocol)


def is_stub(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether it ends in `...`, `pass` or NotImplementedError; a docstring alone may say that nothing is to be done."""
    last = ast.unparse(function.body[-1])
    return last in {"...", "pass"} or "NotImplementedError" in last


def comments(path: Path) -> Iterator[str]:
    with (ROOT / path).open("rb") as file:
        yield from (token.string for token in tokenize.tokenize(file.readline) if token.type == tokenize.COMMENT)


def test_names_say_what_a_thing_does() -> None:
    assert [(str(path), name) for path in EVERYWHERE for name in names(path) if words(name) & EMPTY] == []


def test_nothing_is_left_to_do() -> None:
    left = [(str(path), each) for path in EVERYWHERE for each in comments(path) if UNFINISHED.search(each)]
    assert left == []


def test_no_function_is_a_stub() -> None:
    stubs = [(str(path), each.name) for path in sources(*ROOMS) for each in functions(tree(path)) if is_stub(each)]
    assert stubs == []


def test_words_are_found_in_both_ways_of_writing() -> None:
    assert words("SinkManager") == {"sink", "manager"}
    assert words("read_IPCBase_util") == {"read", "ipc", "base", "util"}
    assert not words("_basement") & EMPTY
