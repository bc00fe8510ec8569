"""Flag a price far from a mean that forgets what lies further back.

score = |price - m| / std / threshold, with m the mean of the last `window_ms` under weights that halve with each
quarter of the window: 1, 1/2, 1/4 and 1/8. That is an exponentially weighted mean with a half-life of a quarter window,
in four steps and cut off at its end (Roberts, "Control chart tests based on geometric moving averages", Technometrics 1
(1959) 239-250); four nested windows make it, so it is exact and nothing is left of what is gone. std is that of the
window. No unit. Cost: four windows.
"""

from engine.detectors import Detector, Edge, number

_NESTED = ((1, "5e-1"), (2, "25e-2"), (3, "125e-3"), (4, "125e-3"))
"""Quarters of the window, and how much more a trade weighs for lying within so many."""


class Ewma(Detector, frozen=True):
    """`threshold` is the distance, in standard deviations, at which the score is 1.0."""

    threshold: Edge

    def score(self) -> str:
        """The distance in thresholds. Means are taken from the price first: of a flat baseline that is exact."""
        spans = [(f"{max(self.window_ms * quarters // 4, 1)}ms", weight) for quarters, weight in _NESTED]
        weights = " + ".join(f"{weight} * n_{span}" for span, weight in spans)
        off = " + ".join(f"{weight} * n_{span} * coalesce(price - mean_{span}, 0e0)" for span, weight in spans)
        return f"abs(({off}) / ({weights})) / std / {number(self.threshold)}"


part: type[Detector] = Ewma
