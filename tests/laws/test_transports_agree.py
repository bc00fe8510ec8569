"""The embedded log and Kafka give the same bits."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine import schema
from engine.rules import Rules
from engine.step import State, step
from tests.contracts.buses import InMemory, Log, OnKafka, batches, bus_settings
from tests.laws import strategies
from tests.laws.folding import BY, rules_from
from tests.laws.same import assert_same


@settings(deadline=None, max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(log=strategies.logs(), documents=strategies.rules(), cuts=st.lists(st.integers(1, 40), min_size=1, max_size=5))
def test_memory_and_kafka_give_the_same_bits(
    kafka: str, tmp_path: Path, log: pl.DataFrame, documents: list[dict[str, Any]], cuts: Sequence[int]
) -> None:
    bus = bus_settings(kafka, "bus.partitions=3")
    ticks = log.drop_nulls(["exchange", "symbol", "ts_event", "price"]).select(schema.TICK.names)
    logs = (InMemory(bus, tmp_path / bus.prefix), OnKafka(bus))
    found = [_scored(each, ticks, rules_from(documents), cuts) for each in logs]
    for of_memory, of_kafka in zip(*found, strict=True):
        assert_same(of_kafka, of_memory, leave_out=schema.UNPROVEN)


def _scored(log: Log, ticks: pl.DataFrame, rules: Rules, cuts: Sequence[int]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Publish record batches of `cuts` rows, in turn, and fold what comes out."""
    state, at, sent = State(rules, snapshot_ms=0), 0, 0
    scores, anomalies = [schema.empty(schema.SCORE)], [schema.empty(schema.ANOMALY)]
    try:
        while at < len(ticks):
            rows = ticks[at : at + cuts[sent % len(cuts)]].to_arrow().cast(schema.TICK).combine_chunks()
            log.publisher.publish(rows.to_batches()[0])
            at, sent = at + len(rows), sent + 1
        log.source.seek({})
        for batch in batches(log, len(ticks)):
            state, findings = step(state, batch, now_us=0)
            scores.append(findings.scores)
            anomalies.append(findings.anomalies)
    finally:
        log.close()
    return pl.concat(scores).sort(BY), pl.concat(anomalies).sort([*BY, "revision"])
