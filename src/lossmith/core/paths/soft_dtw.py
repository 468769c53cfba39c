"""Soft dynamic time warping: a soft minimum over all alignments of two sequences.

An alignment is a path through a grid of costs from its first cell to its last, by steps down, to
the right or across both. The loss is `-gamma * log(sum of exp(-cost / gamma))` over all of them.
Its gradient with respect to the grid is how likely an alignment meets each cell.

Source: M. Cuturi and M. Blondel, "Soft-DTW: a differentiable loss function for time-series", 2017.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from keras import ops

from lossmith import backend
from lossmith.core.axes import Tensor, shape_text
from lossmith.core.paths.warp import Warp
from lossmith.messages import ShapeError


class _Kept(NamedTuple):
    """What the way back needs of the way forth.

    Attributes:
        way: What the backend needs of it.
        ends: Where the alignments of each sample end.
        moves: (B,) which samples have a gradient.
    """

    way: Any
    ends: backend.Ends
    moves: Tensor


def soft_dtw(
    cost: Tensor,
    gamma: float = 1.0,
    row_lengths: Tensor | None = None,
    column_lengths: Tensor | None = None,
    bandwidth: int | None = None,
) -> Tensor:
    """Return the soft minimum of the cost over all alignments.

    What stands beyond the lengths, NaN included, reaches neither the value nor the gradient. The
    gradient itself cannot be differentiated.

    Args:
        cost: (B, T, S) what it costs to align each pair of positions. Infinite: they never are.
        gamma: The temperature, more than 0.
        row_lengths: (B,) how many of the T rows count; None: all.
        column_lengths: (B,) how many of the S columns count; None: all.
        bandwidth: Sakoe and Chiba's band: how many positions an alignment may stray from the
            diagonals between the first cell and the last; None: any number.

    Returns:
        (B,). 0 where a length is 0, NaN where one is more than there is. Infinite, with gradient 0,
        where infinite costs leave no alignment.

    Raises:
        ShapeError: If `cost` does not have three axes.
        ArgumentError: If gamma or bandwidth is out of its domain.

    Example:
        >>> import keras, lossmith as lm
        >>> cost = [[[0.0, 1.0, 4.0], [1.0, 0.0, 1.0]]]
        >>> round(float(lm.ops.soft_dtw(cost, gamma=0.1)[0]), 2)
        1.0
    """
    cost, *lengths = _given(cost, row_lengths, column_lengths)
    return soft_dtw_and_penalties(cost, (), *lengths, warp=Warp(gamma, bandwidth))[0]


def soft_dtw_penalty(  # noqa: PLR0913, PLR0917
    cost: Tensor,
    penalty: Tensor,
    gamma: float = 1.0,
    row_lengths: Tensor | None = None,
    column_lengths: Tensor | None = None,
    bandwidth: int | None = None,
) -> Tensor:
    """Return what an alignment is expected to pick up of a penalty.

    It is the sum of `soft_dtw_alignment` times the penalty, and it has a gradient.

    Args:
        cost: (B, T, S) as for `soft_dtw`.
        penalty: (B, T, S) what an alignment picks up in each cell.
        gamma: As for `soft_dtw`.
        row_lengths: As for `soft_dtw`.
        column_lengths: As for `soft_dtw`.
        bandwidth: As for `soft_dtw`.

    Returns:
        (B,).

    Raises:
        ShapeError: If `cost` does not have three axes, or `penalty` another shape.
        ArgumentError: If gamma or bandwidth is out of its domain.

    Example:
        >>> import lossmith as lm
        >>> cost, penalty = [[[0.0, 9.0], [0.0, 0.0]]], [[[0.0, 1.0], [1.0, 0.0]]]
        >>> round(float(lm.ops.soft_dtw_penalty(cost, penalty, gamma=0.1)[0]), 2)
        0.5
    """
    cost, *lengths = _given(cost, row_lengths, column_lengths)
    penalty = ops.cast(ops.convert_to_tensor(penalty), cost.dtype)
    if len(penalty.shape) != len(cost.shape) or any(
        a != b for a, b in zip(penalty.shape, cost.shape, strict=True) if None not in (a, b)
    ):
        raise ShapeError(
            "a penalty has a number for each cost",
            got=f"shape {shape_text(penalty)} for costs {shape_text(cost)}",
            expected="equal shapes",
            fix="repeat the penalty over the batch, as in keras.ops.broadcast_to(penalty, "
            "keras.ops.shape(cost))",
        )
    warp = Warp(gamma, bandwidth)
    return soft_dtw_and_penalties(cost, (penalty,), *lengths, warp=warp)[1]


def soft_dtw_alignment(
    cost: Tensor,
    gamma: float = 1.0,
    row_lengths: Tensor | None = None,
    column_lengths: Tensor | None = None,
    bandwidth: int | None = None,
) -> Tensor:
    """Return how likely an alignment meets each cell: the gradient of `soft_dtw`.

    No gradient flows through it: `soft_dtw_penalty` has one.

    Args:
        cost: (B, T, S) as for `soft_dtw`.
        gamma: As for `soft_dtw`.
        row_lengths: As for `soft_dtw`.
        column_lengths: As for `soft_dtw`.
        bandwidth: As for `soft_dtw`.

    Returns:
        (B, T, S) numbers from 0 to 1.

    Raises:
        ShapeError: If `cost` does not have three axes.
        ArgumentError: If gamma or bandwidth is out of its domain.

    Example:
        >>> import keras, lossmith as lm
        >>> alignment = lm.ops.soft_dtw_alignment([[[0.0, 9.0], [9.0, 0.0]]], gamma=0.1)
        >>> keras.ops.convert_to_numpy(alignment)[0].round(3).tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """
    cost, *lengths = _given(cost, row_lengths, column_lengths)
    alignment = _alignment(ops.stop_gradient(cost), *lengths, warp=Warp(gamma, bandwidth))
    return ops.stop_gradient(alignment)


@backend.compiled_once
def soft_dtw_and_penalties(
    cost: Tensor, penalties: Sequence[Tensor], rows: Tensor, columns: Tensor, *, warp: Warp
) -> tuple[Tensor, ...]:
    """Return the soft minimum of each sample, and the expectation of each penalty.

    Args:
        cost: (B, T, S).
        penalties: Each (B, T, S).
        rows: (B,) integers, how many rows count.
        columns: (B,) integers, how many columns count.
        warp: Which alignments there are.
    """

    def forward(cost: Tensor, *others: Tensor) -> tuple[tuple[Tensor, ...], Any]:
        *penalties, rows, columns = others
        return _forth(warp, cost, penalties, rows, columns)

    def backward(kept: Any, upstream: tuple[Tensor, ...]) -> tuple[Tensor | None, ...]:
        likely, *slopes = backend.align_back(kept.way, kept.ends, kept.moves, warp.gamma)
        value, *expected = (ops.where(kept.moves, g, 0.0)[:, None, None] for g in upstream)
        gradient = value * likely
        for slope, flow in zip(slopes, expected, strict=True):
            gradient = gradient + flow * slope
        return gradient, *(flow * likely for flow in expected), None, None

    cost, (rows, columns), flipped = _upright(cost, (rows, columns))
    if flipped:
        penalties = [ops.swapaxes(penalty, 1, 2) for penalty in penalties]
    return backend.custom_gradient(forward, backward)(cost, *penalties, rows, columns)


@backend.compiled_once
def _alignment(cost: Tensor, rows: Tensor, columns: Tensor, *, warp: Warp) -> Tensor:
    cost, lengths, flipped = _upright(cost, (rows, columns))
    _, kept = _forth(warp, cost, (), *lengths)
    (alignment,) = backend.align_back(kept.way, kept.ends, kept.moves, warp.gamma)
    return ops.swapaxes(alignment, 1, 2) if flipped else alignment


def _given(cost: Tensor, rows: Tensor | None, columns: Tensor | None) -> tuple[Tensor, ...]:
    cost = ops.convert_to_tensor(cost)
    if len(cost.shape) != 3:  # noqa: PLR2004
        raise ShapeError(
            "costs of alignments are a grid for each sample",
            got=f"shape {shape_text(cost)}",
            expected="(batch, rows, columns)",
            fix="compute the cost of every pair, as in keras.ops.abs(x[:, :, None] - y[:, None])",
        )
    cost = ops.cast(cost, "float64" if "float64" in str(cost.dtype) else "float32")
    batch, *sizes = ops.shape(cost)
    lengths = (
        ops.full((batch,), size, "int32") if given is None else ops.cast(given, "int32")
        for given, size in zip((rows, columns), sizes, strict=True)
    )
    return cost, *lengths


def _upright(cost: Tensor, lengths: Sequence[Tensor]) -> tuple[Tensor, Sequence[Tensor], bool]:
    """Lay the shorter sequence along the columns, of which a row of the recursion has all."""
    rows, columns = cost.shape[1:]
    if None in (rows, columns) or rows >= columns:
        return cost, lengths, False
    return ops.swapaxes(cost, 1, 2), tuple(reversed(lengths)), True


def _forth(
    warp: Warp, cost: Tensor, penalties: Sequence[Tensor], rows: Tensor, columns: Tensor
) -> tuple[tuple[Tensor, ...], _Kept]:
    _, height, width = ops.shape(cost)
    legal = (rows >= 0) & (rows <= height) & (columns >= 0) & (columns <= width)
    ends = backend.Ends(ops.clip(rows, 0, height), ops.clip(columns, 0, width))
    inside = _inside(warp, height, width, *ends)
    cost = ops.where(inside, cost, float("inf"))
    own = [ops.where(inside, x, 0.0) for x in penalties]
    score, expected, way = backend.align_forth(cost, own, ends, warp.gamma)
    value = -warp.gamma * score
    counted = (ends.row > 0) & (ends.column > 0)
    values = (ops.where(counted, x, 0.0) for x in (value, *expected))
    values = tuple(ops.where(legal, x, float("nan")) for x in values)
    return values, _Kept(way, ends, counted & legal & ~ops.isinf(value))


def _inside(warp: Warp, height: Any, width: Any, rows: Tensor, columns: Tensor) -> Tensor:
    """Return which cells alignments may meet, (B, T, S)."""
    row, column = ops.arange(height)[:, None], ops.arange(width)
    rows, columns = rows[:, None, None], columns[:, None, None]
    stop = ops.where(row < rows, columns, 0)
    if warp.bandwidth is None:
        return column < stop
    most = rows - columns
    start = row - ops.maximum(most, 0) - warp.bandwidth
    stop = ops.minimum(stop, row - ops.minimum(most, 0) + warp.bandwidth + 1)
    return (start <= column) & (column < stop)
