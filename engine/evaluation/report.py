"""What an evaluation tells: how good each detector is, how good those that alert are together, how much was read."""

from collections.abc import Mapping, Sequence
from typing import Generic, TypeVar

from msgspec import Struct

from engine.rules import Rule

Told = TypeVar("Told")

TOGETHER = "together"
"""What several detectors that alert are called as one."""


class Extent(Struct, frozen=True):
    """How much was read: series, rows, rows with a score, rows whose price is too large for the windows' decimals."""

    series: int
    rows: int
    rows_scored: int
    rows_out_of_range: int


class Report(Struct, Generic[Told], frozen=True):
    """The same of the detectors that alert, together, and of each detector by itself."""

    together: Told
    alerting: Sequence[str]
    detectors: Mapping[str, Told]
    extent: Extent

    @property
    def by_name(self) -> Mapping[str, Told]:
        """Each detector, and those that alert together where they are several."""
        return {**self.detectors, TOGETHER: self.together} if len(self.alerting) > 1 else self.detectors


def alerting(rules: Sequence[Rule]) -> Sequence[str]:
    """The detectors that alert; where none does, all."""
    return [rule.name for rule in rules if rule.detector.alert] or [rule.name for rule in rules]


def extent(counts: Mapping[str, int]) -> Extent:
    """What the summed counts of several series tell."""
    return Extent(counts["series"], counts["read"], counts["told"], counts["out_of_range"])
