"""A run directory as the sections of a page."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossmith.look.page.sections import Bars, Block, Frame, Grid, Lines, Section, Series, Table
from lossmith.look.run_dir import Checked, Epoch, Maps, Run, Samples

VALIDATION = "val_"
"""Keras puts it before what was computed on the data of validation."""

FRAMES = 12
"""Epochs whose maps are shown: the first, the last, and some between."""

POSITIONS = 2**20
"""Of all frames of one map together; of a larger map the first rows are shown."""

OF_TERMS = {
    "factor": "Factors",
    "gradient": "Gradient norms",
    "count": "Positions counted",
}
"""The first part of a name, `factor/data`, and the chart of what begins with it."""

TERMS, BESIDE_TERMS, TAPS = "Terms", "Factors, gradients and counts", "Taps"
"""Parts of the page that show logs."""

SAME_UNIT = ("mean", "deviation", "min", "max")
"""Statistics of a tap that can stand in one chart."""


def of_run(run: Run) -> list[Section]:
    """Return the sections of a run; those without content are left out."""
    sections = [
        *(Section(part, _charts(run.epochs, part)) for part in (TERMS, BESIDE_TERMS, TAPS)),
        Section("Histograms", _histograms(run)),
        Section("Maps", _maps(run.maps)),
        Section("Samples", _samples(run.samples)),
        Section("Checks", _checks(run.checks)),
    ]
    return [section for section in sections if section.blocks]


# ── over time ────────────────────────────────────────────────────────────────────────────────


def _charts(epochs: Sequence[Epoch], part: str) -> list[Block]:
    """Return the charts of a part; values of validation stand beside those of training."""
    charts: dict[str, dict[str, dict[int, float]]] = {}
    for epoch in epochs:
        for name, value in epoch.logs.items():
            its_part, chart, line = _place(name)
            if its_part == part:
                label = VALIDATION + line if name.startswith(VALIDATION) else line
                charts.setdefault(chart, {}).setdefault(label, {})[epoch.epoch + 1] = value
    return [
        Lines(title, "epoch", [_series(label, line) for label, line in lines.items()])
        for title, lines in sorted(charts.items(), key=lambda chart: chart[0] != "loss")
    ]


def _series(label: str, line: dict[int, float]) -> Series:
    return Series(label, list(line), list(line.values()), dashed=label.startswith(VALIDATION))


def _place(name: str) -> tuple[str, str, str]:
    """Return the part of the page for a name, its chart there, and its line in the chart."""
    name = name.removeprefix(VALIDATION)
    first, _, rest = name.partition("/")
    if first in OF_TERMS and rest:
        return BESIDE_TERMS, OF_TERMS[first], rest
    tap, _, statistic = rest.rpartition("/")
    if first == "tap" and tap:
        return TAPS, tap if statistic in SAME_UNIT else f"{tap}: {statistic}", statistic
    return TERMS, name, name


def _histograms(run: Run) -> list[Block]:
    last = {histogram.name: histogram for histogram in run.histograms}
    return [
        Bars(f"{name}, epoch {found.epoch + 1}", found.counts, found.edges)
        for name, found in last.items()
    ]


# ── at the end of epochs ─────────────────────────────────────────────────────────────────────


def _maps(maps: Sequence[Maps]) -> list[Block]:
    """Return a grid for each name, with as many epochs as a page can hold."""
    blocks: list[Block] = []
    for name in dict.fromkeys(each.name for each in maps):
        last = [each for each in maps if each.name == name][-1]
        shape = last.load()[0].shape
        alike = [m for m in maps if m.name == name and m.axes == last.axes]
        count = max(1, min(FRAMES, len(alike), POSITIONS // max(1, math.prod(shape))))
        picked = np.linspace(len(alike) - 1, 0, count).round().astype(int)[::-1]
        frames = [_frame(alike[i]) for i in picked]
        frames = [frame for frame in frames if frame.loss.shape == frames[-1].loss.shape]
        blocks.append(Grid(_title(name, frames[-1].loss.shape, shape), last.axes, frames))
    return blocks


def _frame(maps: Maps) -> Frame:
    loss, mask = (_first(array) for array in maps.load())
    return Frame(f"epoch {maps.epoch + 1}", loss, mask)


def _first(array: NDArray[Any]) -> NDArray[Any]:
    """Return the first entries along the leading axes, so that no more than POSITIONS are left."""
    for axis in range(array.ndim):
        keep = max(1, POSITIONS * array.shape[axis] // max(1, array.size))
        array = array[(slice(None),) * axis + (slice(keep),)]
    return array


def _title(name: str, shown: tuple[int, ...], shape: tuple[int, ...]) -> str:
    if shown == shape:
        return name
    return f"{name}: the first {_times(shown)} of {_times(shape)} positions"


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(str(size) for size in shape)


def _samples(samples: Sequence[Samples]) -> list[Block]:
    if not samples:
        return []
    last = samples[-1]
    often = Counter(sample.index for each in samples for sample in each.hardest)
    hardest = [(s.index, s.loss, f"{often[s.index]} of {len(samples)}") for s in last.hardest]
    easiest = [(s.index, s.loss) for s in last.easiest]
    head = ["sample", "loss"]
    when = f"epoch {last.epoch + 1}"
    return [
        Table(f"Hardest, {when}", [*head, "epochs among the hardest"], hardest),
        Table(f"Easiest, {when}", head, easiest),
    ]


def _checks(checks: Sequence[Checked]) -> list[Block]:
    return [
        Table(f"{each.subject} ({each.backend})", ["check", "result", "why"], each.rows)
        for each in checks
    ]
