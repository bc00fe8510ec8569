"""What is worth a flag: one file, one rule, known by its file name (`use = "zscore"`).

- zscore.py: a price far from its own recent mean

A detector is a frozen Struct read from its section `[detectors.<name>]`; the section's name is how its rows are known.
tests/contracts/test_detectors.py holds every file here to the protocol below.
"""

from typing import Literal, Protocol


class Detector(Protocol):
    """Settings of one rule: what it measures, how it scores, and when its flags make an anomaly (DESIGN 5, 6)."""

    @property
    def baseline(self) -> Literal["prior", "inclusive"]:
        """Whether a tick stands in its own baseline."""
        ...

    @property
    def count_min(self) -> int:
        """Ticks in the baseline before `z` is told."""
        ...

    @property
    def move_bps_min(self) -> float:
        """A flag needs at least this distance from the mean, in basis points."""
        ...

    @property
    def quiet_ms(self) -> int:
        """An episode ends so long after its last flag."""
        ...

    @property
    def episode_ms_max(self) -> int:
        """An episode ends so long after its first flag."""
        ...

    @property
    def cooldown_ms(self) -> int:
        """No new episode so soon after the last flag of the one before."""
        ...

    @property
    def window_ms(self) -> int:
        """Its own window: what n, mean, std and z of the price are measured over."""
        ...

    def score(self) -> str:
        """SQL that Polars and DuckDB both run, its names those of decision 4; 1.0 is the edge of a flag."""
        ...
