"""The recursions of `_alignment` on PyTorch: in place, and only the cells that a row has.

On the CPU they run in NumPy, on the memory of the tensors, as those of its operations that are used
here have the same names. It starts them sooner: of slices of 256 by 16 numbers a sum takes a fifth
of PyTorch's time, a maximum half, an exponential a fifth more. The batch comes last, so that each
operation goes over adjacent numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from lossmith.backend._host import Tensor

_SHIFTED = 4
"""One row in so many is held relative to its largest score: few enough to keep float32's digits."""
_BLOCK = 8
"""Of how many rows the weights are computed at once."""

_Row = tuple[int, slice, slice]
"""A row, the columns of its cells, and those on their left."""


def forth(
    scores: Tensor, penalties: Sequence[Tensor], count: Tensor, never: float, least: float
) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
    """Sum over all ways to each cell.

    Args:
        scores: (batch, height, width) of each cell alone.
        penalties: Each (batch, height, width).
        count: How many rows there are to visit.
        never: The score of a cell where no path may go.
        least: What the shift of a row is at least.

    Returns:
        What `_alignment.Alignments` holds.
    """
    laid = _laid_out(scores, never)
    laid[0, 0] = 0.0
    shifts = torch.zeros_like(laid[:, :1])
    others = tuple(_laid_out(penalty, 0.0) for penalty in penalties)
    if not laid.is_meta:
        rows, of_rows, *grids = _arrays(laid, shifts, *others)
        visited = range(2, int(count))
        with np.errstate(all="ignore"):
            _sum_over_ways(rows, of_rows, visited, least)
            for row, weights in _weights(rows, of_rows, visited if grids else ()):
                for x in grids:
                    _add([x[row[0], row[1]]], [_mean(weights, _before(x, row))])
    return laid.mT, shifts.mT, tuple(x.mT for x in others)


def back(found: Any, ends: Any, moves: Tensor, gamma: float, count: Tensor) -> list[Tensor]:
    """Return how likely a path meets each cell, and the gradient of each expected penalty."""
    scores, shifts, penalties = found.scores.mT, found.shifts.mT, [x.mT for x in found.penalties]
    likely, *slopes = (torch.zeros_like(x) for x in (scores, *penalties))
    sample = torch.arange(len(moves), device=moves.device)
    likely[ends.row + ends.column, ends.column, sample] = moves.to(likely.dtype)
    if not likely.is_meta:
        rows, of_rows, flows = _arrays(scores, shifts, likely)
        pairs = [_arrays(*pair) for pair in zip(penalties, slopes, strict=True)]
        with np.errstate(all="ignore"):
            for row, weights in _weights(rows, of_rows, range(int(count) - 1, 1, -1)):
                flow = flows[row[0], row[1]]
                for x, slope in pairs:
                    expected = _before(x, row)
                    base = slope[row[0], row[1]] + _mean(weights, expected) * flow / gamma
                    amounts = [base - q * flow / gamma for q in expected]
                    _add(
                        _before(slope, row), [w * a for w, a in zip(weights, amounts, strict=True)]
                    )
                _add(_before(flows, row), [w * flow for w in weights])
    return [_unlaid(x) for x in (likely, *slopes)]


def _sum_over_ways(rows: Any, shifts: Any, visited: range, least: float) -> None:
    """Turn the scores of cells alone into those of all ways to them, less that of their row."""
    xp = _library(rows)
    floor = xp.full_like(shifts[0], least)
    for row in visited:
        here, left = _columns(rows, row, row)
        across = rows[row - 2, left]
        if (row - 1) % _SHIFTED == 0:
            across = across - shifts[row - 1]
        raised, top = _raised(rows[row - 1, here], rows[row - 1, left], across)
        total, cells = _sum(raised), rows[row, here]
        _add([cells, cells], [xp.log(total, out=total), top])
        if row % _SHIFTED == 0:
            xp.maximum(xp.amax(cells, 0), floor, out=shifts[row])
            xp.subtract(cells, shifts[row], out=cells)


def _weights(rows: Any, shifts: Any, visited: Sequence[int]) -> Iterator[tuple[_Row, list[Any]]]:
    """Yield rows with the weights of the three cells before each of theirs."""
    xp = _library(rows)
    for block in (visited[at : at + _BLOCK] for at in range(0, len(visited), _BLOCK)):
        first, last = min(block), max(block)
        here, left = _columns(rows, first, last)
        one, two = slice(first - 1, last), slice(first - 2, last - 1)
        across = rows[two, left] - shifts[one]
        raised, _ = _raised(rows[one, here], rows[one, left], across)
        total = _sum(raised)
        weights = [xp.divide(x, total, out=x) for x in raised]
        for row in block:
            own, beside = _columns(rows, row, row)
            inside = slice(own.start - here.start, own.stop - here.start)
            yield (row, own, beside), [weight[row - first, inside] for weight in weights]


def _raised(above: Any, left: Any, across: Any) -> tuple[list[Any], Any]:
    """Raise e to the scores before each cell, less the largest of the three; return that too."""
    xp = _library(above)
    top = xp.maximum(above, left)
    xp.maximum(top, across, out=top)
    less = [score - top for score in (above, left, across)]
    return [xp.exp(x, out=x) for x in less], top


def _before(x: Any, row: _Row) -> list[Any]:
    """Return the three cells before each: above, to the left, and across."""
    at, here, left = row
    return [x[at - 1, here], x[at - 1, left], x[at - 2, left]]


def _sum(three: Sequence[Any]) -> Any:
    total = three[0] + three[1]
    return _library(total).add(total, three[2], out=total)


def _mean(weights: Sequence[Any], values: Sequence[Any]) -> Any:
    return _sum([weight * value for weight, value in zip(weights, values, strict=True)])


def _add(into: Sequence[Any], amounts: Sequence[Any]) -> None:
    for x, amount in zip(into, amounts, strict=True):
        _library(x).add(x, amount, out=x)


def _columns(rows: Any, first: int, last: int) -> tuple[slice, slice]:
    """Return the columns in which some rows have cells, and those on their left."""
    columns = rows.shape[1]
    low, high = max(1, first - (len(rows) - columns)), min(columns, last)
    return slice(low, high), slice(low - 1, high - 1)


def _laid_out(x: Tensor, fill: float) -> Tensor:
    """Put a boundary before the grid, and lay it out by diagonals: (rows, columns, batch)."""
    batch, height, width = x.shape
    laid = x.new_full((height + width + 1, width + 1, batch), fill)
    _grid(laid)[1:, 1:] = (
        x.reshape(batch, height * width).t().contiguous().view(height, width, batch)
    )
    return laid


def _unlaid(laid: Tensor) -> Tensor:
    """Return the grid without its boundary: (batch, height, width)."""
    grid = _grid(laid)[1:, 1:]
    height, width, batch = grid.shape
    return grid.reshape(height * width, batch).t().contiguous().view(batch, height, width)


def _grid(laid: Tensor) -> Tensor:
    """View diagonals as the grid (height, width, batch) that they are of."""
    rows, width, batch = laid.shape
    strides = width * batch, (width + 1) * batch, 1
    return laid.as_strided((rows - width + 1, width, batch), strides)


def _library(x: Any) -> Any:
    return torch if isinstance(x, torch.Tensor) else np


def _arrays(*tensors: Tensor) -> list[Any]:
    """Return arrays on the memory of tensors; what is not on the CPU stays a tensor."""
    return [x.detach().numpy() if x.device.type == "cpu" else x for x in tensors]
