"""Flag a window whose highest and lowest price lie far apart.

score = (high - low) / mean x 10000 / threshold_bps over the last `window_ms`: the width of the window in basis points.
Under the baseline `inclusive` the tick itself may be the extreme. Cost: one window with extremes.
"""

from engine.detectors import Detector, Edge, number


class Range(Detector, frozen=True):
    """`threshold_bps` is the width, in basis points of the mean, at which the score is 1.0."""

    threshold_bps: Edge

    def score(self) -> str:
        """The width in thresholds."""
        return f"range / abs(mean) * 1e4 / {number(self.threshold_bps)}"


part: type[Detector] = Range
