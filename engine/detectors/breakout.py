"""Flag a price beyond everything that the window has seen, far from its mean or by a large step.

score = (|z| + |z of the change|) / threshold where the price is above the highest or below the lowest one of the last
`window_ms`, else 0. Unlike a z-score alone it is raised by the first trades of an excursion and not by all of it. No
unit. Cost: two windows, of the price with extremes and of its changes.
"""

from typing import Literal

from engine.detectors import Detector, Edge, number


class Breakout(Detector, frozen=True, kw_only=True):
    """`threshold` is the sum of both standard scores at which the score is 1.0."""

    threshold: Edge
    baseline: Literal["prior"] = "prior"

    def score(self) -> str:
        """The sum in thresholds."""
        score = f"(abs(z) + coalesce(abs(z_change), 0e0)) / {number(self.threshold)}"
        return f"case when price > max or price < min then {score} else 0e0 end"


part: type[Detector] = Breakout
