"""What is worth a flag: one file, one rule, known by its file name (`use = "zscore"`).

- zscore.py: a price far from its own recent mean
- ewma.py: the same, of a mean that forgets what lies further back
- jump.py: a step from one trade to the next that is far from the usual
- range.py: a window whose highest and lowest price lie far apart
- breakout.py: a price beyond everything that the window has seen
- volume.py: far more money changes hands than usual
- rush.py: a price that rises while far more trades happen than usual
- expression.py: whatever one's own SQL says

A detector is a frozen Struct read from its section `[detectors.<name>]`; the section's name is how its rows are known.
tests/contracts/test_detectors.py holds every file here to what is said below.
"""

from abc import abstractmethod
from typing import Annotated, Literal

from msgspec import Meta, Struct

from engine.window import SPAN_MS_MAX

Span = Annotated[int, Meta(ge=1, le=SPAN_MS_MAX)]
Edge = Annotated[float, Meta(ge=0.001, le=1e9)]
_Milliseconds = Annotated[int, Meta(ge=0, le=SPAN_MS_MAX)]


class Detector(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of one rule: what it measures, how it scores, and when its flags make an anomaly (DESIGN 5, 6).

    n, mean, std and z are those of the price over `window_ms`; under `inclusive` a tick stands in its own baseline.
    While n is below `count_min`, or the key has not been there for `warm_up_ms`, nothing is scored. A flag needs
    `move_bps_min` basis points from the mean. An episode ends `quiet_ms` after its last flag or `episode_ms_max` after
    its first; none opens within `cooldown_ms` of the last flag of the one before. `keep` says
    which rows of SCORE there are. Where `alert` is false its episodes are recorded, but are no cause to call anyone.
    """

    window_ms: Span
    baseline: Literal["prior", "inclusive"] = "prior"
    count_min: Annotated[int, Meta(ge=1, le=2**53)] = 30
    warm_up_ms: _Milliseconds = 0
    move_bps_min: Annotated[float, Meta(ge=0, le=1e9)] = 0.0
    quiet_ms: _Milliseconds = 300_000
    episode_ms_max: _Milliseconds = 3_600_000
    cooldown_ms: _Milliseconds = 0
    keep: Literal["all", "flagged"] = "all"
    alert: bool = True

    @abstractmethod
    def score(self) -> str:
        """SQL that Polars and DuckDB both run, its names those of decision 4; 1.0 is the edge of a flag."""


class Burst(Detector, frozen=True, kw_only=True):
    """A detector that holds the last `burst_ms`, the tick itself with it, against the window."""

    burst_ms: Span
    threshold: Edge
    baseline: Literal["prior"] = "prior"

    def __post_init__(self) -> None:
        """A burst is a part of the window."""
        if self.burst_ms > self.window_ms:
            raise ValueError(f"burst_ms ({self.burst_ms}) is longer than window_ms ({self.window_ms})")


def number(value: float) -> str:
    """A number as SQL takes it: with an exponent, so that DuckDB too reads a float64 and not a decimal."""
    return f"{value}e0" if "e" not in str(value) else str(value)
