"""How often a function runs, where the number of its calls is what a test is about."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any


def calls_of(function: Callable[..., object], run: Callable[[], object]) -> int:
    """How often `function` is called while `run` runs."""
    calls = 0

    def seen(frame: FrameType, event: str, _: Any) -> None:
        nonlocal calls
        calls += event == "call" and frame.f_code is function.__code__

    before = sys.getprofile()
    sys.setprofile(seen)
    try:
        run()
    finally:
        sys.setprofile(before)
    return calls
