"""A histogram that takes whole columns."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram, generate_latest

from observability.latencies import Latencies

BOUNDS = (0.001, 0.01, 0.1, 1.0)
SECONDS = st.lists(st.one_of(st.sampled_from((0.0, *BOUNDS)), st.floats(0, 5)), max_size=50)


def latencies() -> Latencies:
    return Latencies("time_seconds", "Time.", BOUNDS, ("drained", "total"))


def shown(registry: CollectorRegistry) -> dict[str, float]:
    return {
        f"{sample.name}{sorted(sample.labels.items())}": sample.value
        for family in registry.collect()
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


@given(st.lists(SECONDS, max_size=5))
def test_it_shows_what_prometheus_own_histogram_shows(columns: list[list[float]]) -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    whole = latencies()
    ours.register(whole)
    one_by_one = Histogram("time_seconds", "Time.", ["stage"], buckets=BOUNDS, registry=theirs)
    for stage in ("drained", "total"):
        one_by_one.labels(stage)
    for column in columns:
        whole.observe("total", np.array(column))
        for each in column:
            one_by_one.labels("total").observe(each)
    found, wanted = shown(ours), shown(theirs)
    assert found == pytest.approx(wanted)
    assert {name: value for name, value in found.items() if "_sum" not in name} == {
        name: value for name, value in wanted.items() if "_sum" not in name
    }


def test_every_stage_starts_at_zero() -> None:
    registry = CollectorRegistry()
    registry.register(latencies())
    assert 'time_seconds_count{stage="drained"} 0.0' in generate_latest(registry).decode()


def test_a_quantile_is_interpolated_in_its_bucket() -> None:
    # All hundred lie between 0.01 and 0.1: the median is in the middle of that bucket.
    times = latencies()
    times.observe("total", np.full(100, 0.05))
    assert times.quantile("total", 0.5) == pytest.approx(0.01 + 0.09 / 2)
    assert times.quantile("total", 1.0) == pytest.approx(0.1)


def test_a_quantile_lies_in_the_bucket_where_its_share_is_reached() -> None:
    times = latencies()
    times.observe("total", np.array([0.0005] * 90 + [0.5] * 10))
    assert times.quantile("total", 0.9) == pytest.approx(0.001)
    p95 = times.quantile("total", 0.95)
    assert p95 is not None
    assert 0.1 < p95 <= 1.0


def test_beyond_the_last_bucket_the_last_bound_is_told() -> None:
    times = latencies()
    times.observe("total", np.array([60.0]))
    assert times.quantile("total", 0.5) == 1.0


def test_before_the_first_value_there_is_no_quantile() -> None:
    assert latencies().quantile("total", 0.5) is None
