"""Loops over rows, compiled to machine code at first use and kept in a cache beside the source, or the user's.

A compiled function calls compiled functions of its own file only: the cache looks at no other file for changes.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pickle import UnpicklingError
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

from engine.errors import Misconfigured

_Function = TypeVar("_Function", bound=Callable[..., Any])
_Item = TypeVar("_Item", bound="np.generic[Any]")


def compiled(function: _Function) -> _Function:
    """Compile a function of arrays and numbers. It lets other threads run, and divides by zero as numpy does."""
    return _made(function)


def inlined(function: _Function) -> _Function:
    """Compile a function that compiled ones call for every row: it becomes part of them."""
    return _made(function, forceinline=True)


def _made(function: _Function, **options: bool) -> _Function:
    compile_it = partial(numba.njit, nogil=True, error_model="numpy", **options)
    try:
        made = compile_it(cache=True)(function)
    except RuntimeError:  # No folder to keep it in that can be written to.
        made = compile_it()(function)
    return cast("_Function", made)


@contextmanager
def compiling(function: Callable[..., Any]) -> Iterator[None]:
    """Call compiled functions for the first time. Raises Misconfigured where what was kept of them cannot be read.

    `function` is any of them.
    """
    try:
        yield
    except (EOFError, UnpicklingError) as error:
        folder = cast("Any", function).stats.cache_path
        raise Misconfigured(
            f"what was compiled cannot be read any more; delete the files *.nbi and *.nbc in {folder}"
        ) from error


def given(column: NDArray[_Item]) -> NDArray[_Item]:
    """The column as compiled functions take what they only read: of one kind, or each kind would be compiled anew."""
    column = np.ascontiguousarray(column).view()
    column.flags.writeable = False
    return column
