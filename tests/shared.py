"""Data that lies beside the checkout."""

from pathlib import Path

import pytest

SHARED = Path(__file__).parents[2] / "shared"


def shared(relative: str) -> Path:
    """A file beside the checkout; the test is skipped where it is absent."""
    path = SHARED / relative
    if not path.exists():
        pytest.skip(f"{path} is absent")
    return path
