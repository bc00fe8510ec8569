"""Compiled loops: once for every kind of input, with or without a folder for what was compiled."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import polars as pl
import pytest
from numba.core.dispatcher import Dispatcher

from engine import kernel, order
from engine.compiled import given
from engine.order import Order
from engine.step import State
from tests.engine.made import folded, log, rules, tick

ALONE = """
from engine.compiled import compiled
import numpy as np

@compiled
def total(values):
    return values.sum()

print(total(np.arange(4)))
"""


def test_no_kind_of_column_is_compiled_for_itself() -> None:
    fold = State(rules(), snapshot_ms=5_000)
    whole = log(*(tick(at, 100.0 + at % 3, trade_id=at) for at in range(40)))
    without = log(
        tick(50, None), tick(51, trade_id=None), tick(52, ts_received=None), tick(53, size=None), first_offset=40
    )
    for ticks in (whole, without, whole[::2], whole.reverse(), pl.concat([whole[:3], without[:2]], rechunk=False)):
        folded(fold, ticks)
        Order(fold.rules.order).judge(ticks)
    loops = [vars(order)["_judge"], vars(kernel)["measure"], vars(kernel)["statistics"]]
    assert [len(each.signatures) for each in loops] == [1, 1, 1]


@pytest.mark.parametrize("module", [order, kernel], ids=["order", "kernel"])
def test_a_compiled_function_calls_only_those_of_its_own_file(module: ModuleType) -> None:
    known = {name: each for name, each in vars(module).items() if isinstance(each, Dispatcher)}
    assert [name for name, each in known.items() if each.py_func.__module__ != module.__name__] == []


def test_what_is_given_cannot_be_written_to_and_lies_in_one_piece() -> None:
    column = given(np.arange(6)[::2])
    assert column.flags.c_contiguous
    with pytest.raises(ValueError, match="read-only"):
        column[0] = 1


def test_without_a_folder_to_keep_it_in_a_function_is_compiled_all_the_same(tmp_path: Path) -> None:
    script = tmp_path / "alone.py"
    script.write_text(ALONE)
    (tmp_path / "__pycache__").write_text("in the way")
    nowhere = {"HOME": "/dev/null", "XDG_CACHE_HOME": "/dev/null", "NUMBA_CACHE_LOCATOR_CLASSES": ""}
    environ = {**os.environ, **nowhere, "PYTHONPATH": str(Path.cwd())}
    done = subprocess.run([sys.executable, script], env=environ, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("6\n", 0)


STARTED = """
from engine import settings
from engine.commands.wiring import state_from
from engine.errors import Misconfigured
try:
    state_from(settings.load(environ={}).settings)
except Misconfigured as error:
    print(*error.problems)
"""


def test_where_what_was_compiled_is_torn_the_way_out_is_told(tmp_path: Path) -> None:
    shutil.copytree("engine", tmp_path / "engine", ignore=shutil.ignore_patterns("__pycache__"))
    environ = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    for kept in (True, False):
        done = subprocess.run(
            [sys.executable, "-c", STARTED], env=environ, cwd=tmp_path, capture_output=True, text=True, check=True
        )
        folder = tmp_path / "engine" / "__pycache__"
        assert done.stdout == "" if kept else f"delete the files *.nbi and *.nbc in {folder}" in done.stdout
        for index in folder.glob("*.nbi"):
            index.write_bytes(b"")
