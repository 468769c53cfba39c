"""The edit distance of sequences: insertions, deletions and replacements (Levenshtein 1966)."""

from __future__ import annotations

from typing import Any

from keras import ops

from lossmith import backend
from lossmith.core.axes import Tensor

_FAR = 2**29
"""More edits than there are."""


@backend.compiled_once
def edit_distance(different: Tensor, lengths: Tensor, other_lengths: Tensor) -> Tensor:
    """Return how many edits make one sequence of the other, for each pair.

    Cell `(i, j)` holds the distance of the first i symbols from the first j of the other. The cells
    of an anti-diagonal depend on the two before it alone, and are computed at once.

    Args:
        different: (B, I, J) booleans: whether two symbols differ. Behind the lengths, anything.
        lengths: (B,) integers up to I.
        other_lengths: (B,) integers up to J.

    Returns:
        (B,) integers.
    """
    grid = ops.pad(ops.cast(different, "int32"), ((0, 0), (1, 0), (1, 0)))
    rows = backend.skew(grid)[1:]
    end, column = (ops.cast(x, "int32")[:, None] for x in (lengths + other_lengths, other_lengths))
    columns = ops.arange(ops.shape(grid)[2], dtype="int32")

    def step(carry: Any, given: Any) -> Any:
        before, previous, found = carry
        row, replaced = given
        shorter = ops.minimum(previous, _moved_right(previous)) + 1
        distance = ops.minimum(shorter, _moved_right(before) + replaced)
        here = ops.logical_and(row == end, columns == column)
        return previous, distance, ops.where(here, distance, found)

    nothing = ops.zeros_like(grid[:, 0])
    far = nothing + _FAR
    first = ops.concatenate([nothing[:, :1], far[:, 1:]], axis=1)
    numbers = ops.arange(ops.shape(rows)[0], dtype="int32") + 1
    _, _, found = backend.fold(step, (far, first, nothing), (numbers, rows), reverse=False)
    return ops.sum(found, axis=1)


def _moved_right(x: Tensor) -> Tensor:
    return ops.concatenate([ops.full_like(x[:, :1], _FAR), x[:, :-1]], axis=1)
