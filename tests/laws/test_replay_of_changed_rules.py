"""An engine started again under other rules, while episodes are open, is proven each row by its own."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
import pytest

from engine.batch import Cursor, Findings
from engine.step import State, step
from storage.replay import Report, replay
from storage.stored import Stored
from tests.laws.folding import batches, rules_from
from tests.laws.strategies import document
from tests.storage.recorded import OFTEN, SLOW, SPIKE, STRICT, lively_log

LONGER = document("longer", 1.0, **OFTEN | {"window_ms": 30_000, "episode_ms_max": 60_000})
Generation = Sequence[Mapping[str, Any]]


@pytest.mark.parametrize(
    "generations",
    [
        ([SPIKE], [STRICT]),
        ([SPIKE], [STRICT], [SPIKE]),
        ([SPIKE], [SPIKE, SLOW]),
        ([SPIKE, SLOW], [SPIKE]),
        ([SPIKE], [SPIKE, LONGER]),
    ],
)
def test_rules_may_change_while_episodes_are_open(generations: Sequence[Generation]) -> None:
    log = lively_log(600)
    found = run(log, generations)
    scores, anomalies = (sum(getattr(each, table).height for each in found) for table in ("scores", "anomalies"))
    assert proof(log, found) == Report(scores, anomalies, 0, 0, 0, 0, [])


def run(log: pl.DataFrame, generations: Sequence[Generation], batches_each: int = 12) -> list[Findings]:
    """What a start for each generation finds; the last one takes the rest of the log."""
    cursors: dict[int, Cursor] = {}
    found: list[Findings] = []
    for at, documents in enumerate(generations, 1):
        state = State(rules_from(documents), snapshot_ms=0)
        start = {number: state.resume(number, cursor) for number, cursor in cursors.items()}
        rest = batches(log, [7], {number: offset for number, offset in start.items() if offset is not None})
        for batch in rest[: batches_each if at < len(generations) else None]:
            state, findings = step(state, batch, now_us=0)
            cursors |= findings.cursors
            found.append(findings)
    return found


def proof(log: pl.DataFrame, found: Sequence[Findings]) -> Report:
    scores, anomalies = (
        pl.concat([getattr(each, table) for each in found]).to_arrow().to_reader() for table in ("scores", "anomalies")
    )
    rules = {digest: text for each in found for digest, text in each.rules.items()}
    return replay(log.to_arrow().to_reader(), Stored(scores, anomalies, rules))
