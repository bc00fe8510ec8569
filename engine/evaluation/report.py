"""What an evaluation tells: how good each detector is, how good all are together, and how much was read."""

from collections.abc import Mapping
from typing import Generic, TypeVar

from msgspec import Struct

Told = TypeVar("Told")

TOGETHER = "together"
"""What several detectors are called as one set."""


class Extent(Struct, frozen=True):
    """How much was read: series, rows, rows with a score, rows whose price is too large for the windows' decimals."""

    series: int
    rows: int
    rows_scored: int
    rows_out_of_range: int


class Report(Struct, Generic[Told], frozen=True):
    """The same of the set and of each detector by itself."""

    together: Told
    detectors: Mapping[str, Told]
    extent: Extent

    @property
    def by_name(self) -> Mapping[str, Told]:
        """Each detector, and the set where it has several."""
        return {**self.detectors, TOGETHER: self.together} if len(self.detectors) > 1 else self.detectors


def extent(counts: Mapping[str, int]) -> Extent:
    """What the summed counts of several series tell."""
    return Extent(counts["series"], counts["read"], counts["told"], counts["out_of_range"])
