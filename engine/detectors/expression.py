"""Flag where an expression of one's own is large: SQL text, no Python needed.

score = |z| / threshold with z the value of the expression, in which the names of decision 4 stand for what was
measured of the key; null where that is null. Cost: one window for each series and span that the text names.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from engine.detectors import Detector
from engine.window import SPAN_MS_MAX


class Expression(Struct, frozen=True, forbid_unknown_fields=True):
    """`z` is the SQL text, `threshold` its magnitude at which the score is 1.0."""

    window_ms: Annotated[int, Meta(ge=1, le=SPAN_MS_MAX)]
    z: Annotated[str, Meta(min_length=1, max_length=10_000)]
    threshold: Annotated[float, Meta(ge=1e-12, le=1e12)]
    baseline: Literal["prior", "inclusive"] = "prior"
    count_min: Annotated[int, Meta(ge=1)] = 30
    move_bps_min: Annotated[float, Meta(ge=0)] = 0.0
    quiet_ms: Annotated[int, Meta(ge=0, le=SPAN_MS_MAX)] = 300_000
    episode_ms_max: Annotated[int, Meta(ge=0, le=SPAN_MS_MAX)] = 3_600_000
    cooldown_ms: Annotated[int, Meta(ge=0, le=SPAN_MS_MAX)] = 0

    def score(self) -> str:
        """|z| in thresholds."""
        return f"abs({self.z}) / {self.threshold}e0"


part: type[Detector] = Expression
