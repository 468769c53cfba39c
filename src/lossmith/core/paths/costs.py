"""What it costs to align two positions: grids of costs between two sequences."""

from __future__ import annotations

from collections.abc import Callable

from keras import ops

from lossmith.core.axes import Tensor
from lossmith.core.ops import lengths_to_mask


def sequence(x: Tensor, lengths: Tensor) -> Tensor:
    """Return a sequence with an axis of features, 0 beyond its length.

    Args:
        x: (B, T) or (B, T, F).
        lengths: (B,) how many positions count.

    Returns:
        (B, T, F).
    """
    x = x if len(x.shape) == 3 else x[:, :, None]  # noqa: PLR2004
    return ops.where(lengths_to_mask(lengths, ops.shape(x)[1])[:, :, None], x, 0.0)


def pairwise(cost: str, x: Tensor, y: Tensor) -> Tensor:
    """Return the cost of every pair of positions.

    Args:
        cost: One of `COSTS`.
        x: (B, T, F).
        y: (B, S, F).

    Returns:
        (B, T, S).
    """
    return COSTS[cost](x, y)


def _squared(x: Tensor, y: Tensor) -> Tensor:
    # Far from 0, squares would leave float32 no digits for differences.
    origin = ops.stop_gradient(y[:, :1])
    x, y = x - origin, y - origin
    # |x|^2 - 2 x y + |y|^2 as one product: a sum would make two grids more, and a sum of one on the
    # way back.
    one = ops.ones_like(x[..., :1]), ops.ones_like(y[..., :1])
    x = ops.concatenate([-2.0 * x, ops.sum(x * x, axis=-1, keepdims=True), one[0]], axis=-1)
    y = ops.concatenate([y, one[1], ops.sum(y * y, axis=-1, keepdims=True)], axis=-1)
    return ops.matmul(x, ops.swapaxes(y, 1, 2))


def _absolute(x: Tensor, y: Tensor) -> Tensor:
    return ops.sum(ops.abs(x[:, :, None] - y[:, None]), axis=-1)


def _cosine(x: Tensor, y: Tensor) -> Tensor:
    return 1.0 - ops.matmul(_direction(x), ops.swapaxes(_direction(y), 1, 2))


def _direction(x: Tensor) -> Tensor:
    """Return vectors of length one; a vector of zeros stays one."""
    squares = ops.sum(x * x, axis=-1, keepdims=True)
    return x * ops.rsqrt(ops.where(squares == 0, 1.0, squares))


COSTS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "squared": _squared,
    "absolute": _absolute,
    "cosine": _cosine,
}
"""Name -> the cost of two vectors: squared distance, sum of absolute differences, 1 - cosine."""
