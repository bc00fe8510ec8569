"""Flag a price that rises while far more trades happen than usual: a rush to buy, as in a pump.

score = sqrt(rise) x surge / threshold. `rise` is the price over the oldest one of the last `burst_ms` less 1, in per
cent, 0 where it fell. `surge` is the number of trades in those `burst_ms`, the tick itself with it, over 1 + the number
that the last `window_ms` lets expect. Give it a `warm_up_ms` of a whole window: before that, what is usual is
underrated. It follows La Morgia, Mei, Sassi and Stefa, "The Doge of Wall Street: Analysis and Detection of Pump and
Dump Cryptocurrency Manipulations", ACM Transactions on Internet Technology 23 (2023), who look at rush orders and at
the price against their recent past. No unit. Cost: two windows of the price.
"""

from engine.detectors import Burst, Detector, number


class Rush(Burst, frozen=True, kw_only=True):
    """A rise of 1 % with `threshold` times the trades that were to be expected has the score 1.0."""

    def score(self) -> str:
        """Rise and surge in thresholds."""
        burst, seconds = f"{self.burst_ms}ms", number(self.burst_ms / 1_000)
        rise = f"(price / first_{burst} - 1e0) * 100e0"
        usual = f"n * {seconds} / {number(self.window_ms / 1_000)}"
        surge = f"(n_{burst} + 1e0) / ({usual} + 1e0)"
        score = f"sqrt({rise}) * ({surge}) / {number(self.threshold)}"
        return f"case when first_{burst} > 0e0 and price > first_{burst} then {score} else 0e0 end"


part: type[Detector] = Rush
