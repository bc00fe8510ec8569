"""The episodes that another edge would have opened, from stored scores: no window is measured again."""

import numpy as np

from engine.columns import Floats, Ints, Places
from engine.compiled import compiled, given
from engine.detectors import Detector

EDGES = tuple(2.0 ** (sixth / 6) for sixth in range(-12, 25))
"""Scores that count as the edge of a flag, from 1/4 to 16, six to an octave; 1.0 is among them."""


def openings(clock: Ints, score: Floats, edge: float, detector: Detector) -> Places:
    """The places of the rows that open one key's episodes where a flag is a score of `edge` or more (DESIGN 6).

    `clock` and `score` are those of its rows in log order, the clock in us. Rows that cannot be flagged are left out or
    have a NaN for their score.
    """
    spans_us = [span * 1000 for span in (detector.quiet_ms, detector.episode_ms_max, detector.cooldown_ms)]
    return _openings(given(clock), given(score), edge, *spans_us)


@compiled
def _openings(clock: Ints, score: Floats, edge: float, quiet_us: int, longest_us: int, cooldown_us: int) -> Places:
    places = np.empty(len(clock), np.int64)
    count, is_open, first, last = 0, False, 0, 0
    for i in range(len(clock)):
        if not score[i] >= edge:
            continue
        now = clock[i]
        if now - last > quiet_us or now - first > longest_us:
            is_open = False
        if not is_open and (count == 0 or now - last >= cooldown_us):
            places[count], first, is_open = i, now, True
            count += 1
        if is_open:
            last = now
    return places[:count].copy()
