"""Flag where an expression of one's own is large: SQL text, no Python needed.

score = |z| / threshold with z the value of the expression, in which the names of decision 4 stand for what was
measured of the key; null where that is null. Cost: one window for each series and span that the text names.
"""

from typing import Annotated

from msgspec import Meta

from engine.detectors import Detector, Edge, number


class Expression(Detector, frozen=True):
    """`z` is the SQL text, `threshold` its magnitude at which the score is 1.0."""

    z: Annotated[str, Meta(min_length=1, max_length=10_000)]
    threshold: Edge

    def score(self) -> str:
        """|z| in thresholds."""
        return f"abs({self.z}) / {number(self.threshold)}"


part: type[Detector] = Expression
