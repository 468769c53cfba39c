"""What stands on a page, as plain data: it is escaped and laid out elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Series:
    """One line of a chart. NaN and infinities are left out of it, and said beside it."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    dashed: bool = False


@dataclass(frozen=True)
class Lines:
    """A chart of lines over `x_name`."""

    title: str
    x_name: str
    series: Sequence[Series]


@dataclass(frozen=True)
class Bars:
    """A histogram: the count of each bin, and the edges of the bins, one more."""

    title: str
    counts: Sequence[float]
    edges: Sequence[float]


@dataclass(frozen=True)
class Frame:
    """A map at one time: losses and mask of one shape."""

    label: str
    loss: NDArray[Any]
    mask: NDArray[np.bool_]


@dataclass(frozen=True)
class Grid:
    """Maps of one loss, of which one is shown at a time: the last one first."""

    title: str
    axes: Sequence[str]
    frames: Sequence[Frame]


@dataclass(frozen=True)
class Table:
    """Rows of text; a number is set to the right."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str | float | int]]


@dataclass(frozen=True)
class Text:
    """Paragraphs."""

    title: str
    paragraphs: Sequence[str]


@dataclass(frozen=True)
class Line:
    """A line of source, what was seen on it, and what makes it stand out."""

    number: int
    text: str
    notes: Sequence[str] = ()
    marks: Sequence[str] = ()


@dataclass(frozen=True)
class Source:
    """Lines of a file."""

    title: str
    lines: Sequence[Line]


Block = Lines | Bars | Grid | Table | Text | Source


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it."""

    title: str
    blocks: Sequence[Block] = field(default_factory=list[Block])
