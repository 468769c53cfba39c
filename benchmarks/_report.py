"""What a benchmark has to say: tables, claims and charts, printed, drawn, and put on the page."""

from __future__ import annotations

import argparse
import datetime as dt
import importlib.metadata
import json
import os
import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import rich.table
from _measure import each_backend
from rich.console import Console

PACKAGES = (
    *("keras", "jax", "tensorflow", "tensorflow-cpu", "torch", "numpy"),
    *("optax", "jax-cce", "pysdtw", "ruff", "pyflakes"),
)
OURS, OTHERS, TARGET = "#1f5f8b", "#b8bfc6", "#c0392b"


@dataclass(frozen=True)
class Table:
    """Cells of text under a head."""

    title: str
    head: Sequence[str]
    rows: Iterable[Sequence[str]]


@dataclass(frozen=True)
class Claim:
    """A claim with its limit and the number found, and whether it held this time."""

    text: str
    held: bool


@dataclass(frozen=True)
class Bars:
    """Numbers as bars, in groups.

    Attributes:
        label: What the numbers are.
        values: By group, whose name may be empty, and in it by the name of the bar.
        ours: How the names of those bars begin that are to stand out.
        targets: What those bars of a group should not exceed.
    """

    label: str
    values: Mapping[str, Mapping[str, float]]
    ours: str
    targets: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Lines:
    """Numbers as lines, both axes logarithmic.

    Attributes:
        label: What the numbers are.
        along: What they depend on.
        points: By line, pairs of both.
    """

    label: str
    along: str
    points: Mapping[str, Sequence[tuple[float, float]]]


@dataclass(frozen=True)
class Report:
    """All that a benchmark has to say."""

    tables: Sequence[Table]
    claims: Sequence[Claim] = ()
    charts: Sequence[Bars | Lines] = ()

    def show(self) -> None:
        """Print it."""
        for table in self.tables:
            printed = rich.table.Table(*table.head, title=table.title, title_justify="left")
            for row in table.rows:
                printed.add_row(*row)
            Console(width=110).print(printed)
        for claim in self.claims:
            print(f"{'met' if claim.held else 'NOT MET'}: {claim.text}")

    def markdown(self) -> str:
        """Write it as a part of a page."""
        parts = [
            f"{table.title}:\n\n{_row(table.head)}{_row(['---'] * len(table.head))}"
            + "".join(_row(row) for row in table.rows)
            for table in self.tables
        ]
        claims = [f"- {'met' if c.held else '**missed**'}: {c.text}\n" for c in self.claims]
        return "\n".join([*parts, "".join(claims)] if claims else parts)


def timings(title: str, found: Mapping[str, Mapping[str, Mapping[str, float]]]) -> Table:
    """Return the table of each backend's timings, as `in_turns` makes them."""
    rows = [
        [
            backend,
            way,
            f"{1e3 * t['wall']:,.2f} ms",
            f"{1e3 * t['cpu']:,.2f} ms",
            f"{t['ratio']:.2f} ({t['low']:.2f} to {t['high']:.2f})",
            f"{t['cpu_ratio']:.2f}",
            f"{t['best']:.2f}",
        ]
        for backend, ways in found.items()
        for way, t in ways.items()
    ]
    head = ("backend", "way", "wall", "CPU", "wall ratio (quartiles)", "CPU ratio", "best")
    return Table(title, head, rows)


def cpu_ratios(found: Mapping[str, Mapping[str, Mapping[str, float]]]) -> dict[str, Any]:
    """Return the ratios of CPU times alone, for a chart."""
    return {
        backend: {way: timing["cpu_ratio"] for way, timing in ways.items()}
        for backend, ways in found.items()
    }


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |\n"


def finish(path: Path | None, found: Any, report: Callable[[Any], Report]) -> None:
    """Print the report of what was found; with a path, write both there, and the charts beside.

    Args:
        path: Where the numbers go, as JSON; the charts go to the same name ending in `.png`.
        found: The numbers.
        report: Makes the report from them, as they are read from JSON; `_page.py` calls it too.
    """
    found = json.loads(json.dumps(found))
    told = report(found)
    told.show()
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        today = dt.datetime.now(tz=dt.UTC).date().isoformat()
        written = {"date": today, "machine": machine(), "found": found}
        path.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")
        draw(told.charts, path.with_suffix(".png"))


def run(
    script: str,
    options: argparse.Namespace,
    measure: Callable[[], Any],
    report: Callable[[Any], Report],
    *more: str,
) -> None:
    """Measure one backend here and print its numbers, or all in processes of their own, and finish.

    Args:
        script: The path of the benchmark.
        options: Its command line.
        measure: Returns the numbers of one backend.
        report: What they say of all.
        *more: What else stands on the command line of each process.
    """
    if options.backend:
        print(json.dumps(measure(), default=asdict))
    else:
        finish(options.json, each_backend(script, options, *more), report)


def machine() -> dict[str, Any]:
    """Return what the numbers depend on."""
    installed = importlib.metadata.distributions()
    known = {item.metadata["Name"].lower().replace("_", "-"): item.version for item in installed}
    return {
        "cores": os.cpu_count(),
        "processor": platform.machine(),
        "python": platform.python_version(),
        **{name: known[name] for name in PACKAGES if name in known},
    }


def draw(charts: Sequence[Bars | Lines], path: Path) -> None:
    """Draw the charts below each other into one picture; nothing where there are none."""
    if not charts:
        return
    from matplotlib.figure import Figure

    heights = [_height(chart) for chart in charts]
    figure = Figure(figsize=(8, sum(heights)), layout="constrained")
    panels = figure.subplots(len(charts), height_ratios=heights, squeeze=False)[:, 0]
    for axes, chart in zip(panels, charts, strict=True):
        axes.spines[["top", "right"]].set_visible(False)
        if isinstance(chart, Bars):
            _draw_bars(axes, chart)
        else:
            _draw_lines(axes, chart)
    figure.savefig(path, dpi=110, metadata={"Software": None})


def _height(chart: Bars | Lines) -> float:
    if isinstance(chart, Lines):
        return 3.5
    return 0.8 + 0.22 * sum(len(bars) + 1 for bars in chart.values.values())


def _draw_bars(axes: Any, chart: Bars) -> None:
    place, ticks = 0, {}
    for group, bars in chart.values.items():
        for name, value in bars.items():
            mine = name.startswith(chart.ours)
            axes.barh(place, value, color=OURS if mine else OTHERS)
            number = f"{value:.3g}" if value < 1000 else f"{value:,.0f}"
            axes.text(value, place, f" {number}", va="center", size=8)
            if mine and group in chart.targets:
                axes.vlines(chart.targets[group], place - 0.5, place + 0.5, color=TARGET)
            ticks[place] = f"{group}: {name}" if group else name
            place += 1
        place += 1
    axes.set_yticks(list(ticks), list(ticks.values()), size=8)
    axes.invert_yaxis()
    axes.set_xlabel(chart.label + (", targets in red" if chart.targets else ""))


def _draw_lines(axes: Any, chart: Lines) -> None:
    for name, points in chart.points.items():
        axes.loglog(*zip(*points, strict=True), marker="o", markersize=4, label=name)
    axes.set(xlabel=chart.along, ylabel=chart.label)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, frameon=False)
