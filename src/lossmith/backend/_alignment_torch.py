"""The recursions of `_alignment` on PyTorch: in place, and only the cells that a row has."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from lossmith.backend._host import Tensor

_LOWEST = -1e38
_Columns = slice


def forth(scores: Tensor, penalties: Sequence[Tensor], count: Tensor) -> tuple[Any, ...]:
    """Sum over all ways to each cell."""
    scores = scores.contiguous()
    shifts = torch.zeros_like(scores[:, :, :1])
    penalties = tuple(penalty.contiguous() for penalty in penalties)
    for row, here, left in _rows(scores, count, reverse=False):
        before = _before(scores, shifts, row, here, left)
        for penalty in penalties:
            expected = _softmax(before).mul_(torch.stack(_before(penalty, None, row, here, left)))
            penalty[row, :, here] += expected.sum(0)
        way = torch.logaddexp(torch.logaddexp(before[0], before[1]), before[2])
        cells = scores[row, :, here].add_(way)
        shift = torch.amax(cells, 1, keepdim=True).nan_to_num_(float("nan"), neginf=0.0)
        cells.sub_(shift)
        shifts[row] = shift
    return scores, shifts, penalties


def back(found: Any, ends: Callable[[Any], Tensor], gamma: float, count: Tensor) -> list[Tensor]:
    """Return how likely a path meets each cell, and the gradient of each expected penalty."""
    scores, shifts, penalties = found
    likely, *slopes = (torch.zeros_like(scores) for _ in (scores, *penalties))
    for row, here, left in _rows(scores, count, reverse=True):
        weights = _softmax(_before(scores, shifts, row, here, left))
        likely[row] += ends(row)
        flow = likely[row, :, here]
        _add(likely, weights, flow, row, here, left)
        for penalty, slope in zip(penalties, slopes, strict=True):
            _add(slope, weights, slope[row, :, here], row, here, left)
            spread = torch.stack(_before(penalty, None, row, here, left))
            spread -= (weights * spread).sum(0)
            _add(slope, weights.mul_(spread).div_(-gamma), flow, row, here, left)
    return [x[2:, :, 1:] for x in (likely, *slopes)]


def _rows(
    scores: Tensor, count: Tensor, *, reverse: bool
) -> Iterator[tuple[int, _Columns, _Columns]]:
    """Yield each row to visit, its cells, and the columns on their left."""
    if scores.is_meta:
        return
    rows, _, columns = scores.shape
    visited = range(2, int(count))
    for row in reversed(visited) if reverse else visited:
        low, high = max(1, row - (rows - columns)), min(columns, row)
        yield row, slice(low, high), slice(low - 1, high - 1)


def _before(
    x: Tensor, shifts: Tensor | None, row: int, here: _Columns, left: _Columns
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the three cells before each: above, to the left, and across."""
    across = x[row - 2, :, left]
    across = across if shifts is None else across - shifts[row - 1]
    return x[row - 1, :, here], x[row - 1, :, left], across


def _softmax(before: Sequence[Tensor]) -> Tensor:
    return torch.softmax(torch.stack(tuple(before)).clamp_(min=_LOWEST), 0)


def _add(  # noqa: PLR0913, PLR0917
    into: Tensor, weights: Tensor, flow: Tensor, row: int, here: _Columns, left: _Columns
) -> None:
    into[row - 1, :, here].addcmul_(weights[0], flow)
    into[row - 1, :, left].addcmul_(weights[1], flow)
    into[row - 2, :, left].addcmul_(weights[2], flow)
