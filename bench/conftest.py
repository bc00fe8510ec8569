"""The machine on top of every run, the figures below it; what several benches share."""

import os
import platform
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import polars as pl
import pytest
from msgspec.structs import replace

from bench import ticks
from engine import settings
from engine.commands.wiring import rules_from
from engine.rules import Rules

_FIGURES = pytest.StashKey[list[str]]()
_LIBRARIES = ("numpy", "polars", "pyarrow", "pytest-benchmark")

Tell = Callable[[str], None]


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_FIGURES] = []


def pytest_report_header() -> list[str]:
    versions = ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)
    return [
        f"machine: {_cpu_model()}, {len(os.sched_getaffinity(0))} cores, {platform.system()} {platform.machine()}",
        f"versions: Python {platform.python_version()}, {versions}; seed {ticks.SEED}",
    ]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    terminalreporter.section("figures")
    for line in [*pytest_report_header(), *config.stash[_FIGURES]]:
        terminalreporter.write_line(line)


def _cpu_model() -> str:
    """As Linux tells it; elsewhere what Python knows."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text("utf-8").splitlines() if cpuinfo.exists() else []
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.processor())


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Tell:
    """Say a figure at the end of the run."""
    return request.config.stash[_FIGURES].append


@pytest.fixture(scope="session")
def rules() -> Rules:
    """The built-in z-score, as everybody gets it."""
    built_in = settings.load(environ={}).settings
    return rules_from(replace(built_in, detectors={"spike": built_in.detectors["spike"]}))


@pytest.fixture(scope="session")
def log() -> pl.DataFrame:
    """Two million trades: 200 s, 600,000 trades in the windows once they are full."""
    return ticks.log(2_000_000)
