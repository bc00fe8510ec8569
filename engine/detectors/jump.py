"""Flag a step from one trade to the next that is far from the usual.

score = |z| / threshold with z the standard score of the change since the key's trade before, against the changes of the
last `window_ms`. A slow drift does not raise it. Cost: two windows, of the price and of its changes.
"""

from engine.detectors import Detector, Edge, number


class Jump(Detector, frozen=True):
    """`threshold` is the |z| of a change at which the score is 1.0."""

    threshold: Edge

    def score(self) -> str:
        """|z| of the change in thresholds."""
        return f"abs(z_change) / {number(self.threshold)}"


part: type[Detector] = Jump
