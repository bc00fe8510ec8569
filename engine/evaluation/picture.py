"""The curve as a picture, SVG or PNG by the file's name: the same bytes for the same curve."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from engine.errors import Misconfigured
from engine.evaluation.benchmark import Benchmark
from engine.evaluation.pumps import Point, Quality
from engine.evaluation.report import TOGETHER, Report
from storage.files import placed

SUFFIXES = (".svg", ".png")
_SIZE_INCHES, _DOTS_PER_INCH = (8.0, 5.0), 150


def check(path: Path) -> None:
    """Raise Misconfigured where no picture can be put."""
    if path.suffix.lower() not in SUFFIXES:
        raise Misconfigured(f"--plot {path}: must end in {' or '.join(SUFFIXES)}")
    nearest = next(each for each in path.absolute().parents if each.exists())
    if path.is_dir() or not nearest.is_dir():
        raise Misconfigured(f"--plot {path}: is no place for a file; name another")


def draw(report: Report[Any], path: Path) -> None:
    """Draw each detector and the set into a file, which is there once it is whole."""
    kind = path.suffix.lower().removeprefix(".")
    # Neither a date nor the library's version.
    notes = {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
    with mpl.rc_context({"svg.hashsalt": "tickstream", "svg.fonttype": "none"}), placed(path) as file:
        figure = Figure(figsize=_SIZE_INCHES, dpi=_DOTS_PER_INCH, layout="constrained")
        axes = figure.add_subplot(xscale="log", ylim=(-2.0, 102.0))
        axes.grid(alpha=0.3)
        fill = _pumps if isinstance(report.together, Quality) else _nab
        fill(axes, report)
        axes.legend()
        figure.savefig(file, format=kind, metadata=notes)


def _pumps(axes: Axes, report: Report[Quality]) -> None:
    """Recall over false alerts. None at all, which has no place on the axis, stands at half an alert."""
    axes.set_xlabel("false alerts per symbol and day")
    axes.set_ylabel("recall, %")
    together = report.together
    axes.set_title(f"{together.events} pump events, {together.symbol_days:,.1f} symbol-days; ● at edge 1")
    least = 0.5 / together.symbol_days if together.symbol_days else 1.0

    def place(told: Quality | Point) -> tuple[float, float]:
        return max(told.false_alerts_per_symbol_day or 0.0, least), 100.0 * told.recall

    for name, quality in report.by_name.items():
        _plot(axes, name, [place(point) for point in quality.curve], place(quality))


def _nab(axes: Axes, report: Report[Benchmark]) -> None:
    """The standard score over the edge."""
    axes.set_xlabel("edge")
    axes.set_ylabel("NAB score, standard profile")
    axes.set_title(f"NAB, {report.together.windows} windows; ● the best edge")
    for name, each in report.by_name.items():
        at, score = each.edge["standard"], each.scores["standard"]
        points = [(point.edge, point.scores["standard"] or 0.0) for point in each.curve]
        _plot(axes, name, points, (at, score or 0.0))


def _plot(axes: Axes, name: str, points: Sequence[tuple[float, float]], in_force: tuple[float, float]) -> None:
    style = "--" if name == TOGETHER else "-"  # It may lie upon the curve of one detector.
    label = " " + name.replace("$", r"\$")  # An underscore in front would hide it, dollars make it mathematics.
    [line] = axes.plot(*zip(*points, strict=True), style, label=label, marker=".", markersize=3)
    axes.plot(*in_force, marker="o", color=line.get_color())
