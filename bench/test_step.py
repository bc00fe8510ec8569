"""What a micro-batch costs with warm, full windows: windows alone, with z, the whole step."""

from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import NamedTuple

import polars as pl
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench import ticks
from bench.windows import Series, measure, step_all, windows
from engine.rules import Rules
from engine.step import step

pytestmark = pytest.mark.bench


class Load(NamedTuple):
    """Batches of `rows`, one a round, from a log of `ticks_per_second`."""

    rows: int
    ticks_per_second: int
    rounds: int

    @property
    def warm_rows(self) -> int:
        """Ticks that fill the windows before the first round."""
        return self.ticks_per_second * ticks.WINDOW_MS // 1_000 * 6 // 5


Batch = Callable[[], object]
"""Takes the next batch in."""
LOADS = (Load(20, 200, 500), Load(1_000, 10_000, 100), Load(10_000, 10_000, 30))
WARM_ROWS = 10_000


@cache
def log_of(load: Load) -> pl.DataFrame:
    return ticks.log(load.warm_rows + load.rows * load.rounds, load.ticks_per_second)


def windows_alone(load: Load, rules: Rules) -> Iterator[Batch]:
    series, into = Series(log_of(load), rules), windows()
    for batch, _ in series.batches(WARM_ROWS, 0, load.warm_rows):
        into.measure(batch)
    for batch, _ in series.batches(load.rows, load.warm_rows):
        yield partial(into.measure, batch)


def windows_and_z(load: Load, rules: Rules) -> Iterator[Batch]:
    series, into = Series(log_of(load), rules), windows()
    for batch in series.batches(WARM_ROWS, 0, load.warm_rows):
        measure(into, *batch)
    for batch in series.batches(load.rows, load.warm_rows):
        yield partial(measure, into, *batch)


def whole_step(load: Load, rules: Rules) -> Iterator[Batch]:
    log = log_of(load)
    state = step_all(log[: load.warm_rows], rules, WARM_ROWS)
    for batch in ticks.batches(log[load.warm_rows :], load.rows):
        yield partial(step, state, batch, now_us=0)


@pytest.mark.parametrize("load", LOADS, ids=lambda load: f"{load.rows} ticks")
@pytest.mark.parametrize("stage", [windows_alone, windows_and_z, whole_step])
def test_micro_batch(
    benchmark: BenchmarkFixture, load: Load, stage: Callable[[Load, Rules], Iterator[Batch]], rules: Rules
) -> None:
    batches = stage(load, rules)
    benchmark.group = f"micro-batch of {load.rows:,} ticks"
    benchmark.pedantic(  # type: ignore[no-untyped-call]
        lambda batch: batch(), setup=lambda: ((next(batches),), {}), rounds=load.rounds
    )
