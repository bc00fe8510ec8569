"""The core does what the rules say, however the log is cut and wherever it is interrupted."""

from collections.abc import Sequence
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import schema
from tests.laws import reference, strategies
from tests.laws.folding import fold, rules_from
from tests.laws.same import assert_same

CUTS = st.lists(st.integers(1, 30), min_size=1, max_size=6)
RESTARTS = st.lists(st.integers(1, 12), max_size=4)


@settings(deadline=None, max_examples=200)
@given(log=strategies.logs(), documents=strategies.rules(), cuts=CUTS)
def test_fold_follows_the_rules(log: pl.DataFrame, documents: list[dict[str, Any]], cuts: Sequence[int]) -> None:
    rules = rules_from(documents)
    told = [{**each, "digest": rule.digest} for each, rule in zip(documents, rules.rules, strict=True)]
    for found, wanted in zip(fold(log, rules, cuts), reference.score(log, told), strict=True):
        assert_same(found, wanted, leave_out=schema.UNPROVEN)


@settings(deadline=None, max_examples=100)
@given(log=strategies.logs(), documents=strategies.rules(), cuts=CUTS)
def test_cutting_changes_nothing(log: pl.DataFrame, documents: list[dict[str, Any]], cuts: Sequence[int]) -> None:
    rules = rules_from(documents)
    for found, wanted in zip(fold(log, rules, cuts), fold(log, rules), strict=True):
        assert_same(found, wanted)


@settings(deadline=None, max_examples=200)
@given(log=strategies.logs(), documents=strategies.rules(), cuts=CUTS, restarts=RESTARTS)
def test_a_restart_changes_nothing(
    log: pl.DataFrame, documents: list[dict[str, Any]], cuts: Sequence[int], restarts: Sequence[int]
) -> None:
    rules = rules_from(documents)
    for found, wanted in zip(fold(log, rules, cuts, restarts), fold(log, rules), strict=True):
        assert_same(found, wanted)
