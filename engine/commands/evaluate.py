"""How good a set of detectors is on labelled series: pump events or the Numenta Anomaly Benchmark."""

import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from engine.commands.wiring import rules_from, state_from
from engine.errors import Misconfigured
from engine.evaluation import benchmark, nab_files, pump_files, pumps
from engine.evaluation.benchmark import Benchmark
from engine.evaluation.nab import PROFILES
from engine.evaluation.pumps import Quality
from engine.evaluation.report import Extent, Report
from engine.settings import Settings


def evaluate(settings: Settings, folder: Path) -> Report[Any]:
    """Score what the folder holds with the detectors of the settings. Raises Misconfigured for a bad folder or file."""
    settings = _with_every_score(settings)
    rules = rules_from(settings)
    if pump_files.is_there(folder):
        return pumps.evaluate(pump_files.read(folder), rules, lambda: state_from(settings))
    if nab_files.is_there(folder):
        return benchmark.evaluate(nab_files.read(folder), rules, lambda: state_from(settings))
    raise Misconfigured(f"{folder}: holds neither pump events ({pump_files.LABELS}) nor NAB ({nab_files.LABELS})")


def _with_every_score(settings: Settings) -> Settings:
    """The settings with detectors that keep more than their flags: the curve is made of scores below the edge too."""
    detectors = {name: section | {"keep": "all"} for name, section in settings.detectors.items()}
    return msgspec.structs.replace(settings, detectors=detectors)


def as_json(report: Report[Any]) -> str:
    """One object; what is not known is null."""
    told: dict[str, Any] = msgspec.to_builtins(report.extent) | {"alerting": report.alerting}
    if isinstance(report.together, Quality):
        told |= msgspec.to_builtins(report.together) | {"detectors": report.detectors}
    else:
        told |= {"nab": _flat(report.together)}
        told |= {"detectors": {name: _flat(each) for name, each in report.detectors.items()}}
    return msgspec.json.encode(told).decode()


def _flat(benchmark: Any) -> dict[str, Any]:
    """The scores by their profiles' names, beside the rest."""
    told: dict[str, Any] = msgspec.to_builtins(benchmark)
    curve = [{"edge": point["edge"], **point["scores"]} for point in told["curve"]]
    alerts = {**told["alerts"]["scores"], "edge": told["alerts"]["edge"]}
    return {**told.pop("scores"), **told, "alerts": alerts, "curve": curve}


def as_text(report: Report[Any]) -> str:
    """Tables for a person."""
    lines = _of_pumps if isinstance(report.together, Quality) else _of_nab
    return "\n".join(lines(report))


def _of_pumps(report: Report[Quality]) -> Iterator[str]:
    together = report.together
    yield f"{together.events} events of {together.symbols} symbols, {together.symbol_days:,.1f} symbol-days"
    yield from _of_extent(report.extent)
    yield ""
    heads = ("recall %", "false/symbol-day", "median delay s")
    rows = [(name, f"{each.hits}/{each.events}", *_measured(each)) for name, each in report.by_name.items()]
    yield from _table(("detector", "found", *heads), rows)
    yield ""
    yield f"those that alert ({', '.join(report.alerting)}), by edge"
    octaves = [point for point in together.curve if math.log2(point.edge).is_integer()]
    yield from _table(("edge", *heads), [(f"{point.edge:g}", *_measured(point)) for point in octaves])
    yield from _missed(f"{_utc(each.event_us)}  {each.file}" for each in together.outcomes if not each.hit)


def _measured(told: Quality | pumps.Point) -> tuple[str, str, str]:
    return (
        f"{100 * told.recall:.1f}",
        _number(told.false_alerts_per_symbol_day, 3),
        _number(told.delay_median_s, 2),
    )


def _of_nab(report: Report[Benchmark]) -> Iterator[str]:
    yield f"{report.together.windows} windows"
    yield from _of_extent(report.extent)
    yield ""
    rows = []
    for name, each in report.by_name.items():
        scores = [_number(each.scores[profile], 2) for profile in PROFILES]
        rows.append((name, f"{each.found}/{each.windows}", *scores, *_best(each)))
    yield from _table(("detector", "found", *PROFILES, "best edge", "by alerts, standard"), rows)
    yield ""
    yield f"those that alert: {', '.join(report.alerting)}"
    yield from _missed(report.together.missed)


def _best(told: Benchmark) -> tuple[str, str]:
    return _number(told.edge["standard"], 4), _number(told.alerts.scores["standard"], 2)


def _of_extent(extent: Extent) -> Iterator[str]:
    yield f"{extent.series} series, {extent.rows:,} rows, {extent.rows_scored:,} of them with a score"
    if not extent.rows_scored:
        yield "no row has a score: are the windows too short to hold count_min rows?"
    if extent.rows_out_of_range:
        yield f"{extent.rows_out_of_range:,} rows are out of range: set fewer windows.price_decimals"


def _missed(names: Iterable[str]) -> Iterator[str]:
    missed = list(names)
    if missed:
        yield ""
        yield f"missed: {len(missed)}"
    yield from (f"  {name}" for name in missed)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Aligned columns, the first to the left."""
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    for row in (heads, *rows):
        first, *others = zip(row, widths, strict=True)
        yield "  ".join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)])


def _number(value: float | None, decimals: int) -> str:
    return "-" if value is None else f"{value:.{decimals}f}"


def _utc(time_us: int) -> str:
    return f"{datetime.fromtimestamp(time_us / 1e6, UTC):%Y-%m-%d %H:%M:%S}"
