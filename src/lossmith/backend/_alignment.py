"""All alignments of two sequences at once, by anti-diagonals: the recursions of soft-DTW.

A grid with a boundary row and column is laid out by its anti-diagonals: `rows[r, b, j]` is the cell
`(r - j, j)`. A cell has a score, minus its cost over gamma; minus infinity where no path may go.
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

from lossmith.backend._host import Tensor

_LOWEST = -1e38
_Ends = Callable[[Any], Tensor]
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


def align_forth(scores: Tensor, penalties: Sequence[Tensor], count: Tensor) -> Alignments:
    """Sum over all ways to each cell.

    Args:
        scores: (rows, batch, columns) of each cell alone. May be overwritten.
        penalties: Each (rows, batch, columns), of each cell alone. May be overwritten.
        count: How many rows there are to visit.
    """
    if keras.backend.backend() == "torch":
        from lossmith.backend import _alignment_torch

        return Alignments(*_alignment_torch.forth(scores, penalties, count))
    rows = Alignments(scores, ops.zeros_like(scores[:, :, :1]), tuple(penalties))
    before = (_row(rows, 1), _row(rows, 0))
    return _sweep(_forth, before, rows, first=2, count=count - 2, reverse=False)


def align_back(found: Alignments, ends: _Ends, gamma: float, count: Tensor) -> list[Tensor]:
    """Return how likely a path meets each cell, and the gradient of each expected penalty.

    Args:
        found: What the way forth found.
        ends: From a row to where paths end in it: (batch, columns) of 0 and 1.
        gamma: The temperature.
        count: How many rows there are to visit.

    Returns:
        Tensors (rows - 2, batch, columns - 1), without the boundary. The gradients are those with
        respect to the cost. Where no path goes stands anything.
    """
    if keras.backend.backend() == "torch":
        from lossmith.backend import _alignment_torch

        return _alignment_torch.back(found, ends, gamma, count)

    def step(at: Any, carry: Any, two: Alignments) -> Any:
        one, (likely, *slopes), after = carry
        likely = likely + ends(at + 2)
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

    nothing = [ops.zeros_like(x[0]) for x in (found.scores, *found.penalties)]
    carry = (_row(found, count - 2), nothing, nothing)
    rows = _sweep(step, carry, found, first=0, count=count - 2, reverse=True)
    return [x[:-2, :, 1:] for x in (rows.scores, *rows.penalties)]


def _forth(_: Any, carry: Any, cell: Alignments) -> Any:
    one, two = carry
    weights, way = _weights(one.scores, two.scores - one.shifts)
    scores = _kept(way, float("-inf")) + cell.scores
    shift = ops.max(scores, axis=-1, keepdims=True)
    shift = ops.where(shift == float("-inf"), 0.0, shift)
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
    """Return the softmax and the log-sum of the scores before each cell; weights 0 without any."""
    scores = _before(one, two)
    top = ops.maximum(ops.maximum(*scores[:2]), ops.maximum(scores[2], _LOWEST))
    raised = [ops.exp(score - top) for score in scores]
    total = sum(raised)
    safe = ops.where(total == 0, 1.0, total)
    return [x / safe for x in raised], top + ops.log(total)


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
