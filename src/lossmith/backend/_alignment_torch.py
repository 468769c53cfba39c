"""The recursions of `_alignment` on PyTorch: row by row, and only cells that paths may meet.

A row is an anti-diagonal, and a slice of the flat grid. On the CPU rows are computed in NumPy, on
the memory of the tensors, as those of its operations that are used here have the same names. It
starts them sooner: of slices of 128 by 16 numbers a sum and a maximum take half of PyTorch's time,
an exponential a quarter more. The batch comes last, so that each goes over adjacent numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from lossmith.backend._alignment import LEAST, NEVER, Ends
from lossmith.backend._host import Tensor

_SHIFTED = 4
"""One row in so many is held relative to its largest score: few enough to keep float32's digits."""


class _Row(NamedTuple):
    """The cells `(at - j, j)` that paths may meet, by descending j; both count from 1.

    Attributes:
        at: Its number.
        here: The places of its cells among all columns, of which the last comes first and the
            boundary last.
        left: The places of the cells on their left.
        flat: The places of its cells in the flat grid.
        weights: The places of its weights among those of all rows.
        ends: The samples whose paths end in it, and the places where they do.
    """

    at: int
    here: slice
    left: slice
    flat: slice
    weights: slice
    ends: tuple[list[int], list[int]]


class Way(NamedTuple):
    """What the way back needs of the way forth.

    Attributes:
        rows: Those that paths meet.
        weights: How likely a path comes to the cells of a row from above, to all of them, then from
            the left, then across: (3 x cells, batch).
        expected: For each penalty what is expected on the way to each cell, (rows, columns, batch).
        like: A grid (batch, height, width) without memory.
    """

    rows: list[_Row]
    weights: Any
    expected: list[Any]
    like: Tensor


def forth(
    cost: Tensor, penalties: Sequence[Tensor], ends: Ends, gamma: float
) -> tuple[Tensor, list[Tensor], Way]:
    """Sum over all ways to each cell.

    Args:
        cost: (batch, height, width) of each cell alone; infinite where no path may go.
        penalties: Each (batch, height, width).
        ends: Where paths end.
        gamma: The temperature.

    Returns:
        The score of all paths and each penalty as it is expected, (batch,), and what `back` needs.
    """
    batch, height, width = cost.shape
    rows = [] if cost.is_meta else list(_rows(ends, width))
    store = cost.new_empty(rows[-1].weights.stop if rows else 0, batch)
    carried = [cost.new_zeros(height + width + 1, width + 1, batch) for _ in penalties]
    way = Way(rows, _array(store), [_array(x) for x in carried], cost.new_empty(()).expand_as(cost))
    score, *totals = (cost.new_zeros(batch) for _ in (cost, *penalties))
    shifts = cost.new_zeros(height + width + 1, batch)
    start = cost.new_full((3, width + 1, batch), NEVER)
    start[0, width] = 0.0
    scores = _array(_flat(cost))  # and no more of PyTorch from here: its threads spin as they wait
    xp = _library(scores)
    with np.errstate(all="ignore"):
        xp.clip(xp.multiply(scores, -1 / gamma, out=scores), NEVER, None, out=scores)
        _sum_over_ways(way, scores, *map(_array, (start, shifts, score)))
        for x, penalty, total in zip(way.expected, penalties, totals, strict=True):
            _expect(way, x, *map(_array, (_flat(penalty), total)))
    met = torch.arange(len(shifts), device=cost.device)[:, None] <= ends.row + ends.column
    return score + torch.where(met, shifts, 0.0).sum(0), totals, way


def back(way: Way, moves: Tensor, gamma: float) -> list[Tensor]:
    """Return how likely a path meets each cell, and the gradient of each expected penalty."""
    batch, height, width = way.like.shape
    flats = [way.like.new_empty(height * width, batch) for _ in range(1 + len(way.expected))]
    grids = [_array(x) for x in flats]
    three = [[_array(x) for x in way.like.new_zeros(3, width + 1, batch)] for _ in flats]
    given = _array(moves.to(way.like.dtype))
    for grid in grids:
        grid[...] = 0.0
    with np.errstate(all="ignore"):
        for row in reversed(way.rows):
            sample, place = row.ends
            if sample:
                three[0][0][place, sample] += given[sample]
            weights = _weights(way, row)
            flow, *slopes = (now[row.here] for now, *_ in three)
            moved = [weights * flow]
            for slope, x in zip(slopes, way.expected, strict=True):
                values = _before(x[row.at - 1], x[row.at - 2], row)
                base = slope + _mean(weights, values) * flow / gamma
                moved.append(
                    [w * (base - q * flow / gamma) for w, q in zip(weights, values, strict=True)]
                )
            for grid, (now, one, two), amounts in zip(grids, three, moved, strict=True):
                grid[row.flat] = now[row.here]
                for cells, amount in zip(_before(one, two, row), amounts, strict=True):
                    _library(cells).add(cells, amount, out=cells)
            three = [[one, two, _library(now).zeros_like(now)] for now, one, two in three]
    return [x.t().contiguous().view_as(way.like) for x in flats]


def _rows(ends: Ends, width: int) -> Iterator[_Row]:
    """Yield the rows that paths meet."""
    bottom, right = (x.cpu().numpy() for x in ends)
    last = np.where((bottom > 0) & (right > 0), bottom + right, 0)
    at = np.arange(2, last.max(initial=0) + 1)[:, None]
    first = np.where(at <= last, np.maximum(at - bottom, 1), width).min(1)
    final = np.where(at <= last, np.minimum(at - 1, right), 1).max(1)
    samples: dict[int, list[int]] = {}
    for sample, row in enumerate(last.tolist()):
        samples.setdefault(row, []).append(sample)
    stride, held = max(width - 1, 1), 0
    for row, low, high in zip(at[:, 0].tolist(), first.tolist(), final.tolist(), strict=True):
        size, place, cell = high - low + 1, width - high, (row - high - 1) * width + high - 1
        ending = samples.get(row, [])
        yield _Row(
            at=row,
            here=slice(place, place + size),
            left=slice(place + 1, place + 1 + size),
            flat=slice(cell, cell + (size - 1) * stride + 1, stride),
            weights=slice(held, held + 3 * size),
            ends=(ending, [width - int(right[sample]) for sample in ending]),
        )
        held += 3 * size


def _sum_over_ways(way: Way, own: Any, start: Any, shifts: Any, found: Any) -> None:
    """Find the weights of all rows, by how much each is shifted, and the scores of paths."""
    xp = _library(own)
    two, one, now = start
    for row in way.rows:
        sample, place = row.ends
        relative = two - shifts[row.at - 1] if (row.at - 1) % _SHIFTED == 0 else two
        total = _softmax(_before(one, relative, row), _weights(way, row))
        now[...] = NEVER
        cells = now[row.here]
        xp.add(own[row.flat], total, out=cells)
        if row.at % _SHIFTED == 0:
            shifts[row.at] = xp.amax(cells, 0).clip(LEAST)
            xp.subtract(cells, shifts[row.at], out=cells)
        if sample:
            found[sample] = now[place, sample]
        two, one, now = one, now, two


def _expect(way: Way, x: Any, penalty: Any, total: Any) -> None:
    """Find what is expected of a penalty on the way to each cell, and to the ends."""
    for row in way.rows:
        sample, place = row.ends
        values = _before(x[row.at - 1], x[row.at - 2], row)
        x[row.at][row.here] = penalty[row.flat] + _mean(_weights(way, row), values)
        if sample:
            total[sample] = x[row.at][place, sample]


def _softmax(scores: Sequence[Any], weights: Any) -> Any:
    """Write the softmax of three scores, and return their log-sum."""
    xp = _library(weights)
    above, left, across = scores
    top = xp.maximum(above, left)
    xp.maximum(top, across, out=top)
    for score, weight in zip(scores, weights, strict=True):
        xp.subtract(score, top, out=weight)
    xp.exp(weights, out=weights)
    total = weights[0] + weights[1]
    xp.add(total, weights[2], out=total)
    xp.divide(weights, total, out=weights)
    return xp.add(top, xp.log(total, out=total), out=top)


def _weights(way: Way, row: _Row) -> Any:
    """Return the weights of the three cells before each: (3, cells, batch)."""
    return way.weights[row.weights].reshape(3, -1, way.weights.shape[1])


def _before(one: Any, two: Any, row: _Row) -> list[Any]:
    """Return the three cells before each: above, to the left, and across."""
    return [one[row.here], one[row.left], two[row.left]]


def _mean(weights: Any, values: Sequence[Any]) -> Any:
    above, left, across = (weight * value for weight, value in zip(weights, values, strict=True))
    return above + left + across


def _flat(grid: Tensor) -> Tensor:
    """Copy a grid to (cells, batch)."""
    batch = len(grid)
    flat = grid.new_empty(grid[0].numel(), batch)
    return flat.copy_(grid.reshape(batch, -1).t())


def _array(x: Tensor) -> Any:
    """Return an array on the memory of a tensor; what is not on the CPU stays a tensor."""
    return x.detach().numpy() if x.device.type == "cpu" else x


def _library(x: Any) -> Any:
    return torch if isinstance(x, torch.Tensor) else np
