"""Nasty logs and rules for the laws: small, dense in edges, quick to shrink."""

import hashlib
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
from hypothesis import strategies as st

from engine import schema

EXCHANGES = ("binance", "coinbase", "kraken")
SYMBOLS = {"BTC-USDT": 64_000.0, "PEPE-USDT": 1.234e-5, "DUST-USDT": 1e-8, "WBTC-IDR": 1e6}
PARTITION_OF = {"BTC-USDT": 0, "PEPE-USDT": 1, "DUST-USDT": 0, "WBTC-IDR": 2}
SKEW_US = {"binance": 0, "coinbase": 900_000, "kraken": -420_000_000}  # how far a venue's clock is off

SECOND = 1_000_000
START_US = 1_723_161_255_000_000
ADVANCES_US = (*[0] * 4, 1, 1_000, 250_000, 999_999, *[SECOND] * 3, 1_000_001, 2 * SECOND, 5 * SECOND, 12 * SECOND)
GAPS_US = (29_999_999, 30 * SECOND, 30_000_001, 45 * SECOND, 600 * SECOND)
OFF_US = (*[0] * 8, -1, -1_000, -2 * SECOND, -2_000_001, -3 * SECOND, 2 * SECOND, 2_000_001, 3_600 * SECOND)
MOVES = (*[1.0] * 6, 1.0001, 0.9999, 1.001, 0.999, 1.01, 0.97, 1.5, 0.5)
ODD_PRICES = (None, float("nan"), float("inf"), float("-inf"), 0.0, -0.0, -5.0, 1e300, 2.0**50, 2.0**50 / 1e8, 1e-12)
SIZES = (*[0.25] * 3, 1.0, 0.0, 1e-8, 5e-9, 1.5e-8, 0.5, 2.5, 0.125, 12_345.678, 1e9, 1e300, -0.75, None)
ODD_SIZES = (float("nan"), float("inf"), float("-inf"), -0.0, 2.0**50 / 1e8, 11_258_999.06842623, 2.0**50, -5e-9)
SIDES = (*["buy"] * 3, *["sell"] * 3, None, "", "BUY")
SPOILT: tuple[tuple[str, int | str | None], ...] = (
    *(("exchange", name) for name in ("", "a" * 65, "\u00e9" * 33, "krak\x00en", "\n")),
    *(("symbol", name) for name in ("", "a" * 65, "BTC USDT", "\x7f", "\x00", "BTC-USDT\t", " ")),
    *(("symbol", name) for name in ("a" * 64, "\u00e9" * 32, "\x80", "!", "\u00a0")),  # These can be names.
    *(("exchange", None), ("symbol", None), ("ts_event", None)),
    *(("ts_event", -1), ("ts_event", 2**53), ("ts_event", 2**62), ("ts_received", -1), ("ts_received", 2**53)),
)
SPANS_MS = {"": 0, "_500ms": 500, "_1s": 1_000, "_2s": 2_000, "_10s": 10_000}  # Without a span it is the window's.
OF_SERIES = ("n", "mean", "std", "z", "sum", "min", "max", "range", "first", "last")
STATISTICS = (
    *(f"{each}_{of}" for each in OF_SERIES for of in ("price", "size", "signed", "notional", "change")),
    *(*OF_SERIES, "vwap", "rate", "age"),
)
NAMES = (
    *(statistic + span for statistic in STATISTICS for span in SPANS_MS),
    *("price", "size", "signed", "notional", "change"),
)
ID_STEPS = (*[1] * 8, 5, 0, -1, -3, -1_000_000, -1_000_001, -5_000_000)


@dataclass(frozen=True)
class Step:
    """One row of a log, told as a change against the rows before it."""

    exchange: str
    symbol: str
    advance_us: int
    off_us: int
    received_us: int | None  # against the log's time
    move: float
    odd_price: int | None
    size: float | None
    side: str | None
    id_step: int | None
    missing: int
    new_message: bool
    astray: bool
    spoilt: tuple[str, int | str | None] | None


def _rarely(value: st.SearchStrategy[Any], otherwise: Any, one_in: int) -> st.SearchStrategy[Any]:
    return st.integers(1, one_in).flatmap(lambda drawn: value if drawn == one_in else st.just(otherwise))


STEPS = st.builds(
    Step,
    exchange=st.sampled_from(EXCHANGES),
    symbol=st.sampled_from(sorted(SYMBOLS)),
    advance_us=st.one_of(*[st.sampled_from(ADVANCES_US)] * 12, st.sampled_from(GAPS_US)),
    off_us=st.sampled_from(OFF_US),
    received_us=st.sampled_from((None, 0, 0, 0, 50_000)),
    move=st.sampled_from(MOVES),
    odd_price=_rarely(st.integers(0, len(ODD_PRICES) - 1), None, 25),
    size=st.one_of(*[st.sampled_from(SIZES)] * 8, st.sampled_from(ODD_SIZES)),
    side=st.sampled_from(SIDES),
    id_step=st.one_of(st.sampled_from(ID_STEPS), st.none()),
    missing=st.sampled_from((*[0] * 6, 1, 7, -1)),
    new_message=st.booleans(),
    astray=_rarely(st.just(True), False, 30),
    spoilt=_rarely(st.sampled_from(SPOILT), None, 60),
)


def logs(rows_max: int = 120, keys: int = 6) -> st.SearchStrategy[pl.DataFrame]:
    """Logs with the columns of LOG: short ones that shrink well, and long ones of few keys so that windows fill."""
    names = [(exchange, symbol) for symbol in SYMBOLS for exchange in EXCHANGES]
    some = st.lists(st.sampled_from(names), min_size=1, max_size=keys, unique=True)
    steps = some.flatmap(
        lambda chosen: st.lists(st.builds(_with_key, STEPS, st.sampled_from(chosen)), min_size=1, max_size=rows_max)
    )
    long = st.builds(_random_steps, st.integers(0, 2**32), st.integers(rows_max, 3 * rows_max), some)
    return st.one_of(steps, long, long).map(log_of)


def dense_log(rows: int) -> pl.DataFrame:
    """A log of two keys of which most rows are accepted and most values known."""
    return log_of(_random_steps(1, rows, [("binance", "BTC-USDT"), ("coinbase", "WBTC-IDR")]))  # Seed 1 is a calm one.


def _random_steps(seed: int, rows: int, keys: Sequence[tuple[str, str]]) -> list[Step]:
    """Steps as STEPS gives them, by the hundred."""
    draw = random.Random(seed)
    calm = draw.random() < 0.5  # Half of the logs are good-natured: most rows are accepted and windows fill.
    odd = 0.2 if calm else 1.0

    def rarely(values: Sequence[Any], otherwise: Any, one_in: float) -> Any:
        return draw.choice(values) if draw.random() < odd / one_in else otherwise

    return [
        Step(
            *draw.choice(keys),
            advance_us=rarely(GAPS_US, draw.choice(ADVANCES_US if draw.random() < odd else (0, 1_000, 250_000)), 12),
            off_us=rarely(OFF_US, 0, 1),
            received_us=draw.choice((None, 0, 0, 0, 50_000)),
            move=draw.choice(MOVES),
            odd_price=rarely(range(len(ODD_PRICES)), None, 25),
            size=rarely(ODD_SIZES, draw.choice(SIZES if draw.random() < odd else SIZES[:12]), 12),
            side=draw.choice(SIDES if draw.random() < odd else SIDES[:6]),
            id_step=rarely((*ID_STEPS, None), 1, 1),
            missing=draw.choice((*[0] * 6, 1, 7, -1)),
            new_message=draw.random() < 0.5,
            astray=rarely((True,), False, 30),
            spoilt=rarely(SPOILT, None, 60),
        )
        for _ in range(rows)
    ]


def _with_key(step: Step, key: tuple[str, str]) -> Step:
    return Step(**{**vars(step), "exchange": key[0], "symbol": key[1]})


def log_of(steps: Sequence[Step]) -> pl.DataFrame:
    """The log that the steps tell."""
    now, rows = START_US, []
    prices = dict(SYMBOLS)
    ids: dict[tuple[str, str], int] = {}
    offsets: dict[int, int] = {}
    places: dict[int, int] = {}
    for step in steps:
        now += step.advance_us
        key = step.exchange, step.symbol
        partition = (PARTITION_OF[step.symbol] + step.astray) % 3
        if step.new_message or partition not in offsets:
            offsets[partition] = offsets.get(partition, -1) + 1 + (step.missing == 7)  # a log may skip offsets
            places[partition] = -1
        places[partition] += 1
        prices[step.symbol] = price = round(prices[step.symbol] * step.move, 8)
        if step.id_step is not None:
            ids[key] = ids.get(key, 10_000_000) + step.id_step
        row: dict[str, Any] = {
            "partition": partition,
            "offset": offsets[partition],
            "row": places[partition],
            "exchange": step.exchange,
            "symbol": step.symbol,
            "ts_event": now + SKEW_US[step.exchange] + step.off_us,
            "ts_received": None if step.received_us is None else now + step.received_us,
            "trade_id": None if step.id_step is None else ids[key],
            "price": price if step.odd_price is None else ODD_PRICES[step.odd_price],
            "size": step.size,
            "side": step.side,
            "missing": step.missing,
            "ts_appended": now,
            "ts_drained": now,
        }
        rows.append(row if step.spoilt is None else row | dict([step.spoilt]))
    return frame_of(rows)


def frame_of(rows: Sequence[dict[str, Any]]) -> pl.DataFrame:
    """Rows, their times in µs, as a frame with the columns of LOG."""
    types = schema.empty(schema.LOG).schema
    whole = {name: pl.Int64() if isinstance(dtype, pl.Datetime) else dtype for name, dtype in types.items()}
    return pl.DataFrame(rows, schema=whole, orient="row").with_columns(pl.col(name).cast(types[name]) for name in types)


def document(name: str = "spike", threshold: float = 2.5, **changes: Any) -> dict[str, Any]:
    """A rules document with its digest, as the engine writes one for the built-in detector."""
    rule: dict[str, Any] = {
        "name": name,
        "settings": {"use": "zscore", "window_ms": changes.get("window_ms", 60_000), "threshold": threshold},
        "sql": f"abs(z) / {threshold}",
        "window_ms": 60_000,
        "baseline": "prior",
        "count_min": 30,
        "warm_up_ms": 0,
        "keep": "all",
        "move_bps_min": 0.0,
        "quiet_ms": 300_000,
        "episode_ms_max": 3_600_000,
        "cooldown_ms": 0,
        "horizon_ms": 3_660_000,
        "future_ms": 5_000,
        "late_ms": 5_000,
        "price_decimals": 8,
        "price_decimals_of": {},
        "size_decimals": 8,
        "size_decimals_of": {},
    } | changes
    return rule | {"digest": hashlib.blake2b(text_of(rule).encode(), digest_size=8).hexdigest()}


def text_of(document: Mapping[str, Any]) -> str:
    """The document as it is stored and as its digest is taken."""
    return json.dumps({name: value for name, value in document.items() if name != "digest"})


def expressions() -> st.SearchStrategy[str]:
    """Scores over all that an expression may name, SQL and Python alike: one name, which shrinks well, or many."""
    many = st.builds(_random_expression, st.integers(0, 2**32), st.integers(2, 6))
    return st.one_of(st.sampled_from(NAMES), many, many)


def _random_expression(seed: int, names: int) -> str:
    draw = random.Random(seed)
    parts = draw.choices(NAMES, k=names)
    while len(parts) > 1:
        left, right = (parts.pop(draw.randrange(len(parts))) for _ in range(2))
        both = f"({left} {draw.choice('+-*/')} {right})"
        parts.append(draw.choice((both, both, f"abs({both})", f"({both} / 2.5e0)", f"({both} - 3)")))
    return parts[0]


def span_ms_max(sql: str) -> int:
    """The longest span that an expression of `expressions` names; 0 where it names none."""
    return max(span_ms for ending, span_ms in SPANS_MS.items() if ending in sql)


@st.composite
def rules(
    draw: st.DrawFn, detectors_max: int = 2, expressions: st.SearchStrategy[str] | None = None
) -> list[dict[str, Any]]:
    """Rules documents of one run: detectors differ, the order of the log is one; `expressions` in the place of `z`."""
    windows = st.sampled_from((1_000, 2_000, 10_000))
    longest = st.sampled_from((4_000, 20_000))
    count = draw(st.integers(1, detectors_max))
    spans = [(draw(windows), draw(longest)) for _ in range(count)]
    scored = [
        ("z" if expressions is None else draw(expressions), draw(st.sampled_from((0.5, 1.0, 2.5)))) for _ in spans
    ]
    lengths_ms = [*(window_ms for window_ms, _ in spans), *(span_ms_max(text) for text, _ in scored)]
    order: dict[str, Any] = {
        "horizon_ms": max(lengths_ms) + max(longest_ms for _, longest_ms in spans),
        "future_ms": 2_000,
        "late_ms": 2_000,
        "price_decimals": draw(st.sampled_from((8, 2))),
        "price_decimals_of": draw(st.sampled_from(({}, {"PEPE-USDT": 10}, {"DUST-USDT": 12, "WBTC-IDR": 0}))),
        "size_decimals": draw(st.sampled_from((8, 2))),
        "size_decimals_of": draw(st.sampled_from(({}, {"PEPE-USDT": 0, "DUST-USDT": 0}, {"BTC-USDT": 10}))),
    }
    return [
        document(
            name,
            window_ms=window_ms,
            episode_ms_max=episode_ms_max,
            baseline=draw(st.sampled_from(("prior", "inclusive"))),
            count_min=draw(st.sampled_from((1, 2, 3, 5))),
            warm_up_ms=draw(st.sampled_from((0, 0, 0, 1, 1_000, 4_000))),
            keep=draw(st.sampled_from(("all", "all", "flagged"))),
            move_bps_min=draw(st.sampled_from((0.0, 0.0, 5.0))),
            quiet_ms=draw(st.sampled_from((1_000, 3_000, 30_000))),
            cooldown_ms=draw(st.sampled_from((0, 2_000, 60_000))),
            sql=f"abs({text}) / {threshold}e0",
            settings={"use": "expression", "window_ms": window_ms, "threshold": threshold, "z": text},
            **order,
        )
        for name, (window_ms, episode_ms_max), (text, threshold) in zip(
            ("spike", "slow", "fast"), spans, scored, strict=False
        )
    ]
