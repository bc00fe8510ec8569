"""A histogram that takes whole columns: one call a batch, not one a tick."""

import threading
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector


class Latencies(Collector):
    """Seconds by stage, in buckets with the given upper bounds."""

    def __init__(self, name: str, documentation: str, bounds: Sequence[float], stages: Sequence[str]) -> None:
        self._name, self._documentation = name, documentation
        self._bounds = np.array(bounds, np.float64)
        self._counts = {stage: np.zeros(len(bounds) + 1, np.int64) for stage in stages}
        self._sums = dict.fromkeys(stages, 0.0)
        self._lock = threading.Lock()

    def observe(self, stage: str, seconds: NDArray[np.float64]) -> None:
        """Count each value in the first bucket whose bound is not below it."""
        counts = np.bincount(np.searchsorted(self._bounds, seconds), minlength=len(self._bounds) + 1)
        with self._lock:
            self._counts[stage] += counts
            self._sums[stage] += float(seconds.sum())

    def quantile(self, stage: str, share: float) -> float | None:
        """The value below which `share` of all lie, interpolated in its bucket; None before the first."""
        with self._lock:
            counts = self._counts[stage].copy()
        if not counts.sum():
            return None
        reached = np.cumsum(counts)
        wanted = share * reached[-1]
        at = int(np.searchsorted(reached, wanted))
        if at == len(self._bounds):
            return float(self._bounds[-1])
        below = self._bounds[at - 1] if at else 0.0
        return float(below + (self._bounds[at] - below) * (wanted - (reached[at] - counts[at])) / counts[at])

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """As Prometheus reads it."""
        family = HistogramMetricFamily(self._name, self._documentation, labels=["stage"])
        bounds = [*(str(bound) for bound in self._bounds.tolist()), "+Inf"]
        with self._lock:
            for stage, counts in self._counts.items():
                buckets = list(zip(bounds, np.cumsum(counts).tolist(), strict=True))
                family.add_metric([stage], buckets, self._sums[stage])
        yield family
