"""All alignments of two sequences at once, by anti-diagonals: the recursions of soft-DTW.

A grid with a boundary row and column is laid out by its anti-diagonals: `rows[r, b, j]` is the cell
`(r - j, j)`. A cell has a score, minus its cost over gamma; `NEVER` where no path may go.
Each row is held relative to its own largest score, so that float32 keeps the differences that the
gradient is made of, however long the sequences are.

The recursions also carry penalties: what an alignment is expected to pick up on the way forth, and
the gradient of that on the way back (A. Mensch and M. Blondel, "Differentiable dynamic programming
for structured prediction and attention", 2018).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
from keras import ops

from lossmith.backend._diagonals import skew, unskew
from lossmith.backend._host import Tensor

NEVER = -1e30
"""The score of a cell where no path may go: finite, so that the difference of two is a number."""
LEAST = NEVER / 10
"""A lower score is that of no path."""
_Step = Callable[[Any, Any, "Alignments"], Any]
_Place = Callable[[Any], Any]


class Alignments(NamedTuple):
    """What the way forth finds.

    Attributes:
        scores: (rows, batch, columns) the score of all ways to each cell, less that of its row.
        shifts: (rows, batch, 1) by how much the largest score of a row exceeds that of the last.
        penalties: Each (rows, batch, columns): what is expected on the way to each cell.
    """

    scores: Tensor
    shifts: Tensor
    penalties: tuple[Tensor, ...]


class Ends(NamedTuple):
    """The cell in which the paths of each sample end, counted from 1 behind the boundary.

    Attributes:
        row: (batch,) in the grid.
        column: (batch,) in the grid.
    """

    row: Tensor
    column: Tensor


def align_forth(
    cost: Tensor, penalties: Sequence[Tensor], ends: Ends, gamma: float
) -> tuple[Tensor, list[Tensor], Any]:
    """Sum over all ways to each cell.

    Args:
        cost: (batch, height, width) of each cell alone, infinite where no path may go.
        penalties: Each (batch, height, width), of each cell alone.
        ends: Where paths end.
        gamma: The temperature.

    Returns:
        The score of all paths, (batch,), minus infinity where there are none; each penalty as it is
        expected, (batch,); and what the way back needs.
    """
    if keras.backend.backend() == "torch":
        from lossmith.backend import _alignment_torch

        score, expected, way = _alignment_torch.forth(cost, penalties, ends, gamma)
    else:
        last = ends.row + ends.column
        rows = _laid_out(ops.maximum(cost / -gamma, NEVER), penalties)
        before, count = (_row(rows, 1), _row(rows, 0)), ops.max(last) - 1
        way = _sweep(_forth, before, rows, first=2, count=count, reverse=False)
        row, _ = _places(way.scores)
        shifts = ops.sum(ops.where(row <= last[:, None], way.shifts, 0.0), axis=(0, 2))
        score, *expected = (_at(x, last, ends.column) for x in (way.scores, *way.penalties))
        score = score + shifts
    return ops.where(score < LEAST, float("-inf"), score), expected, way


def align_back(way: Any, ends: Ends, moves: Tensor, gamma: float) -> list[Tensor]:
    """Return how likely a path meets each cell, and the gradient of each expected penalty.

    Args:
        way: What the way forth found.
        ends: Where paths end.
        moves: (batch,) which samples have a gradient.
        gamma: The temperature.

    Returns:
        Tensors (batch, height, width). The gradients are those with respect to the cost.
    """
    if keras.backend.backend() == "torch":
        from lossmith.backend import _alignment_torch

        return _alignment_torch.back(way, moves, gamma)
    last = ends.row + ends.column
    count = ops.max(last) + 1
    _, column = _places(way.scores)
    at_end = moves[:, None] & (column[0] == ends.column[:, None])

    def step(at: Any, carry: Any, two: Alignments) -> Any:
        one, (likely, *slopes), after = carry
        likely = likely + ops.cast(at_end & (last == at + 2)[:, None], likely.dtype)
        weights, _ = _weights(one.scores, two.scores - one.shifts)
        flows = [[w * likely[:, 1:] for w in weights]]
        for slope, *penalty in zip(slopes, one.penalties, two.penalties, strict=True):
            expected = _before(*penalty)
            mean = _sum_of_products(weights, expected)
            flows.append(
                [
                    w * slope[:, 1:] - flow * (q - mean) / gamma
                    for w, q, flow in zip(weights, expected, flows[0], strict=True)
                ]
            )
        now = [
            x + _kept(above) + _left(left) for x, (above, left, _) in zip(after, flows, strict=True)
        ]
        row = Alignments(likely, two.shifts, tuple(slopes))
        return (two, now, [_left(across) for *_, across in flows]), row

    nothing = [ops.zeros_like(x[0]) for x in (way.scores, *way.penalties)]
    carry = (_row(way, count - 2), nothing, nothing)
    rows = _sweep(step, carry, way, first=0, count=count - 2, reverse=True)
    row, _ = _places(rows.scores)
    met = row < count - 2
    return [unskew(ops.where(met, x, 0.0)[:-2, :, 1:]) for x in (rows.scores, *rows.penalties)]


def _laid_out(scores: Tensor, penalties: Sequence[Tensor]) -> Alignments:
    """Put a boundary before the grids, and lay them out by diagonals."""
    boundary = ((0, 0), (1, 0), (1, 0))
    grid, *grids = (
        skew(ops.pad(x, boundary, constant_values=fill), fill)
        for x, fill in ((scores, NEVER), *((x, 0.0) for x in penalties))
    )
    row, column = _places(grid)
    grid = ops.where(row + column == 0, 0.0, grid)
    return Alignments(grid, ops.zeros_like(grid[:, :, :1]), tuple(grids))


def _places(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return the numbers of diagonals (rows, 1, 1) and of columns (1, 1, columns)."""
    height, _, width = ops.shape(rows)
    return ops.arange(height)[:, None, None], ops.arange(width)[None, None]


def _at(x: Tensor, row: Tensor, column: Tensor) -> Tensor:
    """Return one cell of each sample, (batch,)."""
    found = ops.take_along_axis(x, column[None, :, None], axis=2)
    return ops.take_along_axis(found, row[None, :, None], axis=0)[0, :, 0]


def _forth(_: Any, carry: Any, cell: Alignments) -> Any:
    one, two = carry
    weights, way = _weights(one.scores, two.scores - one.shifts)
    scores = _kept(way, NEVER) + cell.scores
    shift = ops.maximum(ops.max(scores, axis=-1, keepdims=True), LEAST)
    penalties = tuple(
        own + _kept(_sum_of_products(weights, _before(*before)))
        for own, *before in zip(cell.penalties, one.penalties, two.penalties, strict=True)
    )
    now = Alignments(scores - shift, shift, penalties)
    return (now, one), now


def _row(rows: Alignments, at: Any) -> Alignments:
    return keras.tree.map_structure(lambda x: x[at], rows)


def _sum_of_products(a: Sequence[Tensor], b: Sequence[Tensor]) -> Tensor:
    return sum(x * y for x, y in zip(a, b, strict=True))


def _before(one: Tensor, two: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the three cells before each: above, to the left, and across."""
    return one[:, 1:], one[:, :-1], two[:, :-1]


def _weights(one: Tensor, two: Tensor) -> tuple[list[Tensor], Tensor]:
    """Return the softmax and the log-sum of the scores before each cell."""
    scores = above, left, across = _before(one, two)
    top = ops.maximum(ops.maximum(above, left), across)
    raised = [ops.exp(score - top) for score in scores]
    total = sum(raised)
    return [x / total for x in raised], top + ops.log(total)


def _kept(x: Tensor, fill: float = 0.0) -> Tensor:
    """Put the boundary column before cells."""
    return ops.concatenate([ops.full_like(x[:, :1], fill), x], axis=-1)


def _left(x: Tensor) -> Tensor:
    """Move cells to the column on their left."""
    return ops.concatenate([x, ops.zeros_like(x[:, :1])], axis=-1)


def _sweep(  # noqa: PLR0913
    step: _Step, carry: Any, rows: Alignments, *, first: int, count: Tensor, reverse: bool
) -> Alignments:
    """Run `carry, row = step(at, carry, row)` over rows, each overwritten by its result."""
    run = {"jax": _jax, "tensorflow": _tensorflow}[keras.backend.backend()]
    return run(step, carry, rows, lambda i: first + (count - 1 - i if reverse else i), count)


def _jax(step: _Step, carry: Any, rows: Alignments, place: _Place, count: Tensor) -> Alignments:
    import jax

    def body(i: Tensor, state: Any) -> Any:
        carry, new = state
        at = place(i)
        # Read from where it writes, XLA would copy all rows for each.
        carry, row = step(at, carry, _row(rows, at))
        put = jax.lax.dynamic_update_index_in_dim
        return carry, jax.tree.map(lambda x, y: put(x, y, at, 0), new, row)

    return jax.lax.fori_loop(0, count, body, (carry, rows))[1]


def _tensorflow(
    step: _Step, carry: Any, rows: Alignments, place: _Place, count: Tensor
) -> Alignments:
    import tensorflow as tf

    def arrays() -> list[Any]:
        return [
            tf.TensorArray(
                x.dtype, tf.shape(x)[0], element_shape=x.shape[1:], clear_after_read=False
            ).unstack(x)
            for x in keras.tree.flatten(rows)
        ]

    old = arrays()

    def body(i: Tensor, carry: Any, new: list[Any]) -> Any:
        at = place(i)
        row = keras.tree.pack_sequence_as(rows, [x.read(at) for x in old])
        carry, row = step(at, carry, row)
        written = zip(new, keras.tree.flatten(row), strict=True)
        return i + 1, carry, [x.write(at, y) for x, y in written]

    state = (tf.constant(0), carry, arrays())
    state = tf.while_loop(lambda i, *_: i < count, body, state, parallel_iterations=1)
    return keras.tree.pack_sequence_as(rows, [x.stack() for x in state[-1]])
