from itertools import pairwise
from math import sqrt
from random import Random

import numpy as np
from numpy.typing import NDArray

from feeds.simulator.prices import STEPS_PER_SECOND, Prices


def walked(seconds: int, jumps_per_hour: float = 0.0, paths: int = 2) -> NDArray[np.float64]:
    """Log prices, a row for each step and a column for each path."""
    prices = Prices(Random(11), [0.0] * paths, jumps_per_hour, remembered=1)
    rows = []
    for _ in range(seconds * STEPS_PER_SECOND):
        prices.step()
        rows.append([path.ago(0) for path in prices.paths])
    return np.array(rows)


def test_paths_move_together_but_not_as_one() -> None:
    moves = np.diff(walked(1_800)[::STEPS_PER_SECOND], axis=0)
    assert 0.5 < np.corrcoef(moves[:, 0], moves[:, 1])[0, 1] < 0.7


def test_storms_come_in_clusters() -> None:
    moves = np.diff(walked(1_800, paths=1)[:, 0])
    signs, sizes = moves, moves**2

    def echo(series: NDArray[np.float64], steps: int) -> float:
        return float(np.corrcoef(series[:-steps], series[steps:])[0, 1])

    assert abs(echo(signs, 1)) < 0.02
    assert echo(sizes, 1) > 0.1
    assert echo(sizes, 100) > 0.05


def test_extremes_are_likelier_than_in_a_normal_law() -> None:
    moves = np.diff(walked(1_800, paths=1)[:, 0])
    scaled = moves / moves.std()
    assert np.mean(scaled**4) > 3.5


def test_a_minutes_move_is_a_few_basis_points() -> None:
    moves = np.diff(walked(7_200, paths=1)[:, 0][:: 60 * STEPS_PER_SECOND])
    assert 2e-4 < moves.std() < 5e-4


def test_jumps_come_as_often_as_set() -> None:
    hours, per_hour = 2, 60.0
    moves = np.abs(np.diff(walked(hours * 3_600, per_hour, paths=1)[:, 0]))
    jumps = int((moves > 1e-3).sum())
    assert abs(jumps - hours * per_hour) < 3 * sqrt(hours * per_hour)


def test_a_path_remembers_where_it_stood() -> None:
    prices = Prices(Random(1), [1.0], jumps_per_hour=0.0, remembered=3)
    stood = [prices.paths[0].ago(0)]
    for _ in range(3):
        prices.step()
        stood.append(prices.paths[0].ago(0))
    assert [prices.paths[0].ago(steps) for steps in range(4)] == stood[::-1]
    assert all(before != after for before, after in pairwise(stood))
