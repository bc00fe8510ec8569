"""The table of metrics: names, units, labels."""

import re

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric

from observability import metrics

LABELS = {"exchange", "detector", "state", "sink", "reason", "kind", "stage", "partition", "topic"}


def families(registry: CollectorRegistry) -> list[Metric]:
    return list(registry.collect())


ALL = [*families(metrics.FEEDS), *families(metrics.ENGINE)]


@pytest.mark.parametrize("metric", ALL, ids=[metric.name for metric in ALL])
def test_a_metric_has_our_prefix_and_says_what_it_counts(metric: Metric) -> None:
    assert re.fullmatch(r"tickstream(_[a-z]+)+", metric.name)
    assert re.fullmatch(r"[A-Z].{10,}\.", metric.documentation)


def test_no_name_is_used_twice() -> None:
    assert len({metric.name for metric in ALL}) == len(ALL)


def test_labels_are_few_and_never_a_symbol() -> None:
    found = {name for metric in ALL for sample in metric.samples for name in sample.labels} - {"le"}
    assert found <= LABELS


def test_histograms_hold_the_beat_of_the_loop_as_a_bound() -> None:
    bounds = {
        metric.name: {sample.labels["le"] for sample in metric.samples if "le" in sample.labels}
        for metric in ALL
        if metric.type == "histogram" and metric.samples
    }
    assert {name for name, found in bounds.items() if "0.1" not in found} == set()


def test_what_can_become_of_a_tick_is_counted_from_zero() -> None:
    reasons = {"read", "scored", "duplicate", "late", "ahead", "unreadable", "out_of_range", "imprecise"}
    for reason in reasons:
        assert metrics.ENGINE.get_sample_value("tickstream_engine_ticks_total", {"reason": reason}) is not None
