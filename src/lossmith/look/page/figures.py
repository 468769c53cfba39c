"""What the script of a page draws, as JSON."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossmith.look.grids import MASKED, NOT_FINITE, VIRIDIS, as_grid
from lossmith.look.page.sections import Bars, Frame, Grid, Lines


def lines(block: Lines) -> dict[str, Any]:
    """Return the series; JSON has no NaN, and a line has a gap where there is one."""
    series = [
        {"name": s.name, "x": list(s.x), "y": _finite(s.y), "dashed": s.dashed}
        for s in block.series
    ]
    places = [x for s in block.series for x in s.x]
    span = max(places, default=0) - min(places, default=0)
    return {"x_name": block.x_name, "series": series, "span": span}


def bars(block: Bars) -> dict[str, Any]:
    """Return the counts and edges."""
    return {"counts": _finite(block.counts), "edges": _finite(block.edges)}


def grid(block: Grid) -> dict[str, Any]:
    """Return the frames, their numbers as little-endian bytes in base 64."""
    shape = block.frames[0].loss.shape
    rows, columns = as_grid(block.frames[0].loss).shape
    return {
        "axes": list(block.axes),
        "shape": list(shape),
        "rows": rows,
        "columns": columns,
        "frames": [_frame(frame) for frame in block.frames],
        "colours": {"scale": VIRIDIS, "masked": MASKED, "notFinite": NOT_FINITE},
    }


def in_script(data: dict[str, Any]) -> str:
    """Write JSON so that nothing in it can end the script element it stands in."""
    text = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _frame(frame: Frame) -> dict[str, str]:
    return {"loss": _bytes(frame.loss, "<f4"), "mask": _bytes(frame.mask, "u1")}


def _bytes(values: NDArray[Any], kind: str) -> str:
    with np.errstate(over="ignore"):  # beyond float32 is infinite, and shown as that
        return base64.b64encode(values.astype(kind).tobytes()).decode()


def _finite(values: Sequence[float]) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in values]
