"""The peak of an anomaly, computed again by the oracle.

The log is judged as far as the peak. What the rule's windows then hold is a small log of its own, which can be scored
again, also without one of its ticks.
"""

import json
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Final, TypeAlias

import polars as pl
from msgspec import Struct

from engine import schema
from engine.errors import Misconfigured
from storage import oracle
from storage.files import span_of
from storage.oracle import Oracle
from storage.scans import readable

Row: TypeAlias = dict[str, Any]

_WARM: Final = {"warm_up_ms": 0}
"""The key of a peak was warm, however little of its life the windows hold."""

_FLAGS_NOTHING: Final = {"move_bps_min": 1e308}
"""The value of a name is no score, and makes no anomalies."""


class Peak(Struct, frozen=True):
    """The ticks that the windows hold, in their order, the last of them the peak; the other venues; from s and q to z.

    `ts_event` of a tick is the time at which it was scored.
    """

    ticks: pl.DataFrame
    venues: Sequence[Row]
    steps: Row


def find(files: Sequence[Path], anomaly: Row, rule: str, span_ms: int) -> Peak:
    """Read the log of a dataset as far as the anomaly's peak, and windows of `span_ms`.

    Raises Misconfigured where that cannot be done, Unavailable where disk or memory do not suffice.
    """
    partition, offset = anomaly["partition"], anomaly["peak_offset"]
    place = {"offset": offset, "row": anomaly["peak_row"]}
    spans = [(span_of(path), path) for path in files]
    log = [path for span, path in spans if span and span.partition == partition and span.first <= offset]
    if not log:
        raise _absent(partition, place)
    with oracle.opened() as proof:
        proof.take_ticks(log, {partition: offset + 1})
        proof.take_rules({anomaly["rules"]: rule})
        proof.judge()
        ticks = _rows(proof, "ticks", span_us=span_ms * 1_000, **place)
        if ticks.is_empty():
            raise _absent(partition, place)
        with readable(f"anomaly {anomaly['id']}"):
            carried = {name: anomaly[name] for name in ("symbol", "price", "n", "s", "q")}
            [steps] = _rows(proof, "steps", **carried).to_dicts()
        return Peak(ticks, _rows(proof, "venues", **place).to_dicts(), steps)


def score(
    ticks: pl.DataFrame, rule: Mapping[str, Any], names: Sequence[str] = ()
) -> tuple[Row, dict[str, float | None]]:
    """What the rule makes of the last of these ticks, and what each of the names is there."""
    rule = {**rule, **_WARM}
    rules = {"": rule} | {name: rule | _FLAGS_NOTHING | {"sql": name} for name in names}
    with oracle.opened() as proof:
        proof.take_ticks(ticks.to_arrow().to_reader())
        proof.take_rules({known_as: json.dumps(each) for known_as, each in rules.items()})
        proof.seal()
        proof.recompute()
        found = {row.pop("known_as"): row for row in _rows(proof, "scores").to_dicts()}
    return found.pop(""), {name: found[name]["score"] for name in names}


def _rows(proof: Oracle, statement: str, **values: object) -> pl.DataFrame:
    """The answer to a file of sql/explain/."""
    text = resources.files("sql").joinpath("explain", f"{statement}.sql").read_text("utf-8")
    return schema.frame(proof.connection.sql(text, params=values or None).to_arrow_table())


def _absent(partition: int, place: Mapping[str, int]) -> Misconfigured:
    told = f"partition {partition} offset {place['offset']} row {place['row']}"
    return Misconfigured(f"ticks: the peak at {told} is not there, or is not scored; `tickstream replay` tells more")
