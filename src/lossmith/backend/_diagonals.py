"""Grids laid out by their anti-diagonals, which a loop can take a row at a time."""

from __future__ import annotations

from keras import ops

from lossmith.backend._host import Tensor


def skew(x: Tensor, fill: float = 0.0) -> Tensor:
    """Lay a grid out so that position `(t, u)` stands in row `t + u`.

    Padding and reshaping do it, without a gather.

    Args:
        x: (B, T, U).
        fill: What stands where a row has no position.

    Returns:
        (T + U - 1, B, U).
    """
    batch, steps, width = ops.shape(x)
    columns = ops.transpose(x, (0, 2, 1))
    padded = ops.concatenate([columns, ops.full((batch, width, width), fill, x.dtype)], axis=-1)
    flat = ops.reshape(padded, (batch, width * (steps + width)))
    rows = steps + width - 1
    return ops.transpose(ops.reshape(flat[:, : width * rows], (batch, width, rows)), (2, 0, 1))


def unskew(x: Tensor) -> Tensor:
    """Undo `skew`.

    Args:
        x: (T + U - 1, B, U).

    Returns:
        (B, T, U).
    """
    rows, batch, width = ops.shape(x)
    flat = ops.reshape(ops.transpose(x, (1, 2, 0)), (batch, width * rows))
    padded = ops.concatenate([flat, ops.zeros((batch, width), x.dtype)], axis=-1)
    columns = ops.reshape(padded, (batch, width, rows + 1))
    return ops.transpose(columns[:, :, : rows - width + 1], (0, 2, 1))
