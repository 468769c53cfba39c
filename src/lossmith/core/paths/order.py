"""Positions that count, brought to the front."""

from __future__ import annotations

from keras import ops

from lossmith.core.axes import Tensor


def counted_first(mask: Tensor) -> Tensor:
    """Return the order of positions in which those that count come first, in their order.

    Args:
        mask: (B, T) booleans.

    Returns:
        (B, T) integers, for `keras.ops.take_along_axis`.
    """
    place = ops.cumsum(ops.ones_like(mask, dtype="int32"), axis=1)
    return ops.argsort(ops.where(mask, place, place + ops.shape(mask)[1]), axis=1)
