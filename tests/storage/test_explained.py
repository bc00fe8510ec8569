"""Why-cards: by hand, from themselves alone, and what is said where something is not as it should be."""

import json
import math
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from engine.errors import Misconfigured
from engine.settings import Data
from engine.step import State
from storage.dataset import read_rules
from storage.explained import Explained, Venue, explain
from storage.query import answer
from storage.sinks.parquet import Parquet
from tests.engine import made
from tests.laws import reference
from tests.laws.strategies import document, text_of
from tests.storage.recorded import RUSH, VOLUME, Recorded, changed, lively_log, pieces, recorded

RULE: dict[str, Any] = {"count_min": 3, "quiet_ms": 4_000, "price_decimals": 0}
SPIKE = document("spike", 2.0, **RULE)
PRICES = [(-100, 500), (0, 9), (1, 14), (2, 12), (3, 13), (4, 30), (20, 13)]
"""The fifth of them is the peak: n 4, s -72, q 1310, so that the mean is 12 and the variance 14 / 3."""

SIZES = [1.0, 5.0, 1.0, 1.0, 1.0, 10.0, 1.0]
OTHERS = [
    made.tick(-50, 40, exchange="coinbase"),
    made.tick(3.5, 33, exchange="coinbase"),
    made.tick(3.7, 9_999, exchange="coinbase", symbol="ETH-USDT"),
    made.tick(3.9, 29.7, exchange="kraken"),
]
AFTER = [made.tick(4, 31, exchange="coinbase", offset=9, row=1), made.tick(4.6, 31, exchange="bitstamp")]
ID = "0:9:0:binance:BTC-USDT:spike"


OWN = [made.tick(at, price, size=size) for (at, price), size in zip(PRICES, SIZES, strict=True)]


def by_hand(rule: Mapping[str, Any] = SPIKE) -> Recorded:
    return scored(made.log(*OWN[:5], *OTHERS, OWN[5], *AFTER, OWN[6]), rule)


def scored(log: pl.DataFrame, rule: Mapping[str, Any] = SPIKE) -> Recorded:
    scores, anomalies = reference.score(log, [rule])
    return Recorded(log, scores, anomalies, {rule["digest"]: text_of(rule)})


def explained(whole: Recorded, folder: Path, anomaly: str = ID, ticks_max: int = 5) -> Explained:
    whole.write(folder)
    return explain(folder, anomaly, ticks_max)


def test_the_steps_are_those_of_a_sheet_of_paper(tmp_path: Path) -> None:
    told = explained(by_hand(), tmp_path)
    assert told.differences == []
    assert (told.anomaly["state"], told.anomaly["revision"], told.rule["sql"]) == ("closed", 1, "abs(z) / 2.0")
    whole = {"x": 30, "unit": 1.0, "n": 4, "s": "-72", "q": "1310"}
    rational = {"m": -18.0, "var": 14 / 3, "mean": 12.0}
    rooted = {"std": math.sqrt(14 / 3), "z": 18 / math.sqrt(14 / 3), "score": 18 / math.sqrt(14 / 3) / 2}
    assert told.steps == whole | rational | rooted
    assert told.statistics == {}


def test_the_baseline_may_hold_the_tick_itself(tmp_path: Path) -> None:
    told = explained(by_hand(document("spike", 1.0, **RULE, baseline="inclusive")), tmp_path)
    assert told.differences == []
    assert [told.steps[name] for name in ("n", "s", "q", "mean")] == [5, "-72", "1310", 15.6]
    assert [tick.marks for tick in told.ticks] == [["furthest", "lowest"], [], [], [], ["peak", "highest"]]


def test_the_ticks_of_the_window_are_told_and_marked(tmp_path: Path) -> None:
    told = explained(by_hand(), tmp_path)
    assert [(tick.number, tick.offset, tick.price, list(tick.marks)) for tick in told.ticks] == [
        (1, 1, 9.0, ["furthest", "lowest"]),
        (2, 2, 14.0, ["highest"]),
        (3, 3, 12.0, []),
        (4, 4, 13.0, []),
        (5, 9, 30.0, ["peak"]),
    ]


@pytest.mark.parametrize(("ticks_max", "numbers"), [(0, [1, 2, 5]), (1, [1, 2, 4, 5]), (2, [1, 2, 3, 4, 5])])
def test_of_many_ticks_the_first_and_the_last_are_told(tmp_path: Path, ticks_max: int, numbers: list[int]) -> None:
    assert [tick.number for tick in explained(by_hand(), tmp_path, ticks_max=ticks_max).ticks] == numbers


def test_without_the_furthest_tick_14_12_and_13_are_left(tmp_path: Path) -> None:
    without = explained(by_hand(), tmp_path).without
    assert without is not None
    assert (without.number, without.n, without.mean, without.std, without.z, without.score) == (1, 3, 13, 1, 17, 8.5)


def test_no_second_copy_of_a_trade_takes_the_place_of_the_one_left_out(tmp_path: Path) -> None:
    once = made.log(*OWN).with_columns(trade_id=pl.col("offset"))
    twice = pl.concat([once, once.with_columns(row=pl.lit(1, pl.Int32))]).sort("offset", "row")
    without = explained(scored(twice), tmp_path, "0:5:0:binance:BTC-USDT:spike").without
    assert without is not None
    assert (without.n, without.z) == (3, 17.0)


def test_ticks_from_before_the_key_started_anew_are_left_out(tmp_path: Path) -> None:
    log = made.log(made.tick(-20, 500), made.tick(-5, 40, exchange="coinbase"), *OWN[1:6])
    rule = document("spike", 2.0, **RULE, horizon_ms=10_000)
    told = explained(scored(log, rule), tmp_path, "0:6:0:binance:BTC-USDT:spike")
    assert (told.differences, told.steps["n"], [tick.number for tick in told.ticks]) == ([], 4, [1, 2, 3, 4, 5])


def test_a_key_that_was_warm_is_warm_in_its_windows_too(tmp_path: Path) -> None:
    rule = document("spike", 2.0, **RULE, warm_up_ms=300_000)
    told = explained(scored(made.log(made.tick(-300, 500), *OWN), rule), tmp_path, "0:6:0:binance:BTC-USDT:spike")
    assert told.differences == []


def test_a_key_that_lags_behind_another_does_not_start_anew_in_its_windows(tmp_path: Path) -> None:
    log = made.log(made.tick(1_000, 40, exchange="coinbase"), *OWN[1:6])
    rule = document("spike", 2.0, **RULE, horizon_ms=500)
    told = explained(scored(log, rule), tmp_path, "0:5:0:binance:BTC-USDT:spike")
    assert told.differences == []


def test_the_log_may_lie_in_many_files(tmp_path: Path) -> None:
    whole = by_hand()
    recipe = Parquet(Data(str(tmp_path / "pieces")), rows_max=10**9, flush_ms=10**9, compression="zstd")
    with recipe.open() as sink:
        for piece in pieces(whole, whole.next_offsets[0]):
            sink.write(piece)
            sink.flush()
    assert explain(tmp_path / "pieces", ID, 5) == explained(whole, tmp_path / "whole")


def test_a_tick_whose_clock_went_back_stands_where_it_was_scored(tmp_path: Path) -> None:
    log = made.log(*OWN[:4], OWN[4] | {"ts_event": OWN[1]["ts_event"] - 2_000_000}, OWN[5])
    told = explained(scored(log), tmp_path, "0:5:0:binance:BTC-USDT:spike")
    assert (told.differences, told.ticks[3].ts_event) == ([], told.ticks[2].ts_event)


def test_other_venues_are_told_as_they_stood_before_the_peak_in_the_log(tmp_path: Path) -> None:
    assert explained(by_hand(), tmp_path).venues == [
        Venue("coinbase", price=33.0, age_s=0.5, difference_bps=1_000.0),
        Venue("kraken", price=29.7, age_s=0.1, difference_bps=(29.7 - 30) / 30 * 1e4),
    ]


def test_what_a_rule_names_is_told_also_from_before_the_window(tmp_path: Path) -> None:
    rule = document("spike", **RULE, sql="size / mean_size + change / first_200s", warm_up_ms=100_000)
    told = explained(by_hand(rule), tmp_path)
    assert told.differences == []
    assert told.statistics == {"mean_size": 2.0, "first_200s": 500.0, "change": 17.0}
    assert told.steps["score"] == 5 + 17 / 500
    assert told.without is not None
    assert told.without.score == 10 + 17 / 500


def test_the_first_change_of_the_window_is_from_the_tick_before_it(tmp_path: Path) -> None:
    told = explained(by_hand(document("spike", **RULE, sql="size / 10 * min_change / -491")), tmp_path)
    assert told.differences == []
    assert told.statistics == {"min_change": 9.0 - 500.0}
    assert told.without is not None
    assert told.without.score == (14 - 500) / -491


@pytest.mark.parametrize(
    ("rule", "names"), [(VOLUME, {"z_size_5s", "sum_signed"}), (RUSH, {"sum_signed_20s", "range_size"})]
)
def test_what_other_rules_found_is_explained_to_the_bit(
    rule: Mapping[str, Any], names: set[str], tmp_path: Path
) -> None:
    recorded(rule).write(tmp_path)
    for anomaly in ids(tmp_path)[:3]:
        told = explain(tmp_path, anomaly, 5)
        assert told.differences == []
        assert told.statistics.keys() == names


def test_a_hundred_anomalies_follow_from_their_cards_alone(tmp_path: Path) -> None:
    scored_by_the_engine().write(tmp_path)
    rules = {digest: json.loads(text) for digest, text in read_rules(tmp_path).items()}
    with answer(tmp_path, "FROM anomalies") as rows:
        cards = rows.read_all().to_pylist()
    assert len(cards) >= 100
    assert {rules[card["rules"]]["baseline"] for card in cards} == {"prior", "inclusive"}
    assert any(abs(int(card["q"])) >= 2**64 for card in cards)
    assert any(math.isinf(card["z"]) for card in cards)
    for card in cards:
        stored = [card[name].hex() for name in ("mean", "std", "z", "score")]
        assert [value.hex() for value in from_card(card, rules[card["rules"]])] == stored


def from_card(card: Mapping[str, Any], rule: Mapping[str, Any]) -> list[float]:
    """Mean, std, z and score of a z-score from what the card carries, in the order of DESIGN 4."""
    unit = 10.0 ** rule["price_decimals_of"].get(card["symbol"], rule["price_decimals"])
    part, whole = math.modf(card["price"] * unit)
    x = int(whole) + (part >= 0.5)
    n, s, q = card["n"], as_float(int(card["s"])), as_float(int(card["q"]))
    m = s / n
    around = q - s * m
    var = 0.0 if around <= q * 2.0**-48 else around / (n - 1)
    z = -m / math.sqrt(var) if var else math.copysign(math.inf, -m)
    return [(x + m) / unit, math.sqrt(var) / unit, z, abs(z) / rule["settings"]["threshold"]]


def as_float(whole: int) -> float:
    high, low = divmod(abs(whole), 2**64)
    return math.copysign(float(high) * 2.0**64 + float(low), whole)


@cache
def scored_by_the_engine() -> Recorded:
    sections: dict[str, dict[str, Any]] = {
        "spike": {"window_ms": 10_000, "threshold": 1.5},
        "slow": {"window_ms": 20_000, "threshold": 1.25, "baseline": "inclusive"},
    }
    often: dict[str, Any] = {"use": "zscore", "count_min": 5, "quiet_ms": 1_000}
    rules = made.rules({name: often | section for name, section in sections.items()})
    log = lively_log(1_500)
    found = made.folded(State(rules, snapshot_ms=5_000), log)
    return Recorded(log, found.scores, found.anomalies, found.rules)


def test_what_the_engine_found_is_explained_to_the_bit(tmp_path: Path) -> None:
    scored_by_the_engine().write(tmp_path)
    for anomaly in ids(tmp_path)[::40]:
        assert explain(tmp_path, anomaly, 1).differences == []


def ids(folder: Path) -> list[str]:
    with answer(folder, "SELECT id FROM anomalies ORDER BY id") as rows:
        found: list[str] = rows.read_all()["id"].to_pylist()
    return found


@pytest.mark.parametrize(
    ("column", "value", "differing"),
    [
        ("z", math.nextafter(18 / math.sqrt(14 / 3), 0), {"z"}),
        ("score", 5.0, {"score"}),
        ("mean", None, {"mean"}),
        ("std", -math.sqrt(14 / 3), {"std"}),
        ("s", "-71", {"s", "mean", "std", "z"}),
        ("q", "1311", {"q", "std", "z"}),
        ("n", 5, {"n", "mean", "std", "z"}),
        ("price", 30.4, {"price"}),
        ("price", 30.5, {"price", "mean"}),
        ("first_offset", 0, {"first_offset"}),
        ("last_row", 1, {"last_row"}),
    ],
)
def test_a_stored_value_that_is_altered_is_told(
    tmp_path: Path, column: str, value: object, differing: set[str]
) -> None:
    whole = by_hand()
    for state in range(whole.anomalies.height):
        whole = Recorded(whole.ticks, whole.scores, changed(whole.anomalies, state, column, value), whole.rules)
    told = explained(whole, tmp_path)
    assert {each.column for each in told.differences} == differing


def test_a_difference_tells_what_is_stored_and_what_should_be(tmp_path: Path) -> None:
    whole = by_hand()
    altered = changed(whole.anomalies, 1, "score", 5.0)
    [difference] = explained(Recorded(whole.ticks, whole.scores, altered, whole.rules), tmp_path).differences
    assert (difference.stored, difference.wanted) == ("5.0", str(18 / math.sqrt(14 / 3) / 2))


def test_a_tick_that_is_altered_is_told(tmp_path: Path) -> None:
    whole = by_hand()
    altered = changed(whole.ticks, 2, "price", 15.0)
    told = explained(Recorded(altered, whole.scores, whole.anomalies, whole.rules), tmp_path)
    assert {"s", "q", "score"} <= {each.column for each in told.differences}


def test_a_rule_that_is_altered_is_told(tmp_path: Path) -> None:
    rules = {SPIKE["digest"]: text_of(SPIKE).replace("/ 2.0", "/ 3.0")}
    whole = by_hand()
    told = explained(Recorded(whole.ticks, whole.scores, whole.anomalies, rules), tmp_path)
    assert {each.column for each in told.differences} == {"rules", "score"}


def test_the_rule_is_that_of_the_peak_also_where_another_closed_it(tmp_path: Path) -> None:
    whole = by_hand()
    later = changed(whole.anomalies, 1, "rules", "0123456789abcdef")
    told = explained(Recorded(whole.ticks, whole.scores, later, whole.rules), tmp_path)
    assert (told.anomaly["state"], told.rule["sql"], told.differences) == ("closed", "abs(z) / 2.0", [])


def no_rule(folder: Path) -> None:
    (folder / "rules" / f"{SPIKE['digest']}.json").unlink()


def rule_of_nothing(folder: Path) -> None:
    (folder / "rules" / f"{SPIKE['digest']}.json").write_text('{"name": 1}')


def rule_of_bytes(folder: Path) -> None:
    (folder / "rules" / f"{SPIKE['digest']}.json").write_bytes(b"\xff")


def no_ticks(folder: Path) -> None:
    for path in (folder / "ticks").rglob("*.parquet"):
        path.unlink()


def no_progress(folder: Path) -> None:
    for path in (folder / "progress").iterdir():
        path.unlink()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (no_rule, rf"{SPIKE['digest']}\.json: the rule of this anomaly is not there"),
        (rule_of_nothing, rf"{SPIKE['digest']}\.json: Expected"),
        (rule_of_bytes, "is not UTF-8"),
        (no_ticks, "the peak at partition 0 offset 9 row 0 is not there"),
        (no_progress, "holds no dataset"),
    ],
)
def test_what_is_not_there_is_named(tmp_path: Path, spoil: Callable[[Path], None], said: str) -> None:
    by_hand().write(tmp_path)
    spoil(tmp_path)
    with pytest.raises(Misconfigured, match=said):
        explain(tmp_path, ID, 5)


def test_a_sum_that_is_no_number_is_named(tmp_path: Path) -> None:
    whole = by_hand()
    altered = whole.anomalies.with_columns(s=pl.lit("many"))
    with pytest.raises(Misconfigured, match=f"anomaly {ID}: cannot be read"):
        explained(Recorded(whole.ticks, whole.scores, altered, whole.rules), tmp_path)


def test_a_peak_that_is_not_in_its_file_is_named(tmp_path: Path) -> None:
    whole = by_hand()
    ticks = whole.ticks.filter(pl.col("price") != 30)
    with pytest.raises(Misconfigured, match="offset 9 row 0 is not there"):
        explained(Recorded(ticks, whole.scores, whole.anomalies, whole.rules), tmp_path)


@pytest.mark.parametrize("anomaly", ["", "nonsense", "0:9:1:binance:BTC-USDT:spike", "' OR 1 = 1 --", ID + "\n", "0:9"])
def test_an_id_of_nothing_is_refused(tmp_path: Path, anomaly: str) -> None:
    with pytest.raises(Misconfigured, match="is the ID of no anomaly in"):
        explained(by_hand(), tmp_path, anomaly)
