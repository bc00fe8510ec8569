"""Flag when far more money changes hands than usual.

score = r / threshold with r the rate of the last `burst_ms`, the tick itself with it, over the rate of the last
`window_ms`: rates of price x size a second, the latter over as much of the window as the key has been there. No unit.
Cost: two windows of the price and of the notional.
"""

from engine.detectors import Burst, Detector, number


class Volume(Burst, frozen=True, kw_only=True):
    """`threshold` is how many times the usual rate the score 1.0 is."""

    def score(self) -> str:
        """The surge in thresholds; null where nothing has changed hands before."""
        burst = f"(sum_notional_{self.burst_ms}ms + notional) / {number(self.burst_ms / 1_000)}"
        return f"case when sum_notional > 0e0 then {burst} / (sum_notional / age) / {number(self.threshold)} end"


part: type[Detector] = Volume
