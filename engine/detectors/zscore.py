"""Flag a price far from its own recent mean.

score = |z| / threshold with z = (price - mean) / std over the last `window_ms` of the key, exact as DESIGN 4; the
standard score as in NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.5.17 (std with n - 1). A flat baseline gives
an infinite z to any move. Cost: one window.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from engine.detectors import Detector
from engine.window import SPAN_MS_MAX


class ZScore(Struct, frozen=True, forbid_unknown_fields=True):
    """`threshold` is the |z| at which the score is 1.0."""

    window_ms: Annotated[int, Meta(ge=1, le=SPAN_MS_MAX)]
    threshold: Annotated[float, Meta(ge=0.001, le=1e6)]
    baseline: Literal["prior", "inclusive"] = "prior"
    count_min: Annotated[int, Meta(ge=1)] = 30
    move_bps_min: Annotated[float, Meta(ge=0)] = 0.0
    quiet_ms: Annotated[int, Meta(ge=0, le=SPAN_MS_MAX)] = 300_000
    episode_ms_max: Annotated[int, Meta(ge=0, le=SPAN_MS_MAX)] = 3_600_000
    cooldown_ms: Annotated[int, Meta(ge=0, le=SPAN_MS_MAX)] = 0

    def score(self) -> str:
        """|z| in thresholds."""
        return f"abs(z) / {self.threshold}e0"  # With an exponent DuckDB too takes it for a float64.


part: type[Detector] = ZScore
