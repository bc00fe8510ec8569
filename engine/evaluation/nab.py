"""How the Numenta Anomaly Benchmark scores detections.

After Lavin and Ahmad, "Evaluating Real-time Anomaly Detection Algorithms", ICMLA 2015, and NAB 1.1. The first 15 % of
a series, at most 750 rows, are on probation and do not count. A row is a detection where its anomaly score, from 0 to
1, reaches the threshold. A window earns what its first detection is worth: 1 at the window's first row, falling along a
sigmoid towards 0 at its last; a window without one costs. A detection outside costs the more the further it lies behind
the window before it, and its whole weight where there is none. The threshold is the best over the corpus, for each
profile. In the end 0 is the score of no detection at all, 100 that of one at the first row of every window.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from engine.columns import Floats, Ints, Places

PROBATION, PROBATION_ROWS_MAX = 0.15, 750
STEEPNESS = 5.0
FAR = 3.0
"""In window lengths: further behind a window a false detection costs its whole weight."""
OUTSIDE = -1


class Profile(NamedTuple):
    """What a window found earns, what a false detection and a window missed cost."""

    found: float
    false: float
    missed: float


PROFILES: Mapping[str, Profile] = {
    "standard": Profile(1.0, 0.11, 1.0),
    "reward_low_FP_rate": Profile(1.0, 0.22, 1.0),
    "reward_low_FN_rate": Profile(1.0, 0.11, 2.0),
}


class Rows(NamedTuple):
    """Rows that count: their anomaly score, the number of their window or OUTSIDE, what a detection there is worth."""

    anomaly: Floats
    window: Ints
    worth: Floats


class Sweep(NamedTuple):
    """A corpus' score by threshold. Thresholds fall; the first is infinite, where nothing is detected."""

    threshold: Floats
    score: Floats

    @property
    def nothing(self) -> float:
        """The score without any detection."""
        return float(self.score[0])

    @property
    def best(self) -> float:
        """The highest score."""
        return float(self.score.max())

    @property
    def threshold_best(self) -> float:
        """The highest threshold that gives it."""
        return float(self.threshold[self.score.argmax()])

    def at(self, threshold: float) -> float:
        """The score at any threshold."""
        return float(self.score[np.searchsorted(-self.threshold, -threshold, "right") - 1])


def rows_of(anomaly: Floats, windows: Sequence[tuple[int, int]], first_number: int = 0) -> Rows:
    """The rows of a series that count. Windows (first and last row, in order) are numbered from `first_number`."""
    at = np.arange(len(anomaly))
    window, worth = np.full(len(at), OUTSIDE), np.full(len(at), -1.0)
    for number, (first, last) in enumerate(windows, first_number):
        inside, behind = at[first : last + 1], at[last + 1 :]
        window[inside] = number
        worth[inside] = _sigmoid((inside - last - 1) / (last - first + 1)) / _sigmoid(np.array(-1.0))
        distance = (behind - last) / (last - first) if last > first else np.full(len(behind), np.inf)
        worth[behind] = np.where(distance > FAR, -1.0, _sigmoid(np.minimum(distance, FAR)))
    counted = at >= min(int(PROBATION * len(at)), PROBATION_ROWS_MAX)
    return Rows(anomaly[counted], window[counted], worth[counted])


def _sigmoid(position: Floats) -> Floats:
    """From 1 down to -1, through 0 at the end of a window; `position` is counted in window lengths from there."""
    worth: Floats = 2.0 / (1.0 + np.exp(STEEPNESS * position)) - 1.0
    return worth


def sweep(rows: Rows, profile: Profile) -> Sweep:
    """The score of the corpus at every threshold that changes it."""
    falling = np.argsort(-rows.anomaly, kind="stable")
    anomaly, window, worth = (column[falling] for column in rows)
    gain = worth * profile.false
    numbers = np.unique(window[window != OUTSIDE])
    for number in numbers:
        inside = np.flatnonzero(window == number)
        earned = np.maximum.accumulate(worth[inside] * profile.found)
        gain[inside] = np.diff(earned, prepend=-profile.missed)
    nothing = -profile.missed * len(numbers)
    ends = np.flatnonzero(np.diff(anomaly, append=-np.inf))  # The last row at each threshold.
    return Sweep(np.append(np.inf, anomaly[ends]), np.append(nothing, nothing + np.cumsum(gain)[ends]))


def of_detections(rows: Rows, at: Places, profile: Profile) -> float:
    """The score of the corpus where just the rows at these places are detections."""
    window, worth = rows.window[at], rows.worth[at]
    earned = dict.fromkeys(np.unique(rows.window).tolist(), -profile.missed)
    earned[OUTSIDE] = profile.false * float(worth[window == OUTSIDE].sum())
    for number, value in zip(window.tolist(), (worth * profile.found).tolist(), strict=True):
        if number != OUTSIDE:
            earned[number] = max(earned[number], value)
    return sum(earned.values())


def normalised(score: float, nothing: float, windows: int, profile: Profile) -> float | None:
    """A score where no detection is 0 and a perfect detector 100; None where there is no window."""
    return 100.0 * (score - nothing) / (profile.found * windows - nothing) if windows else None
