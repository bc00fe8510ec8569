"""Flag a price far from its own recent mean.

score = |z| / threshold with z = (price - mean) / std over the last `window_ms` of the key, exact as DESIGN 4; the
standard score as in NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.5.17 (std with n - 1). A flat baseline gives
an infinite z to any move. Cost: one window.
"""

from engine.detectors import Detector, Edge, number


class ZScore(Detector, frozen=True):
    """`threshold` is the |z| at which the score is 1.0."""

    threshold: Edge

    def score(self) -> str:
        """|z| in thresholds."""
        return f"abs(z) / {number(self.threshold)}"


part: type[Detector] = ZScore
