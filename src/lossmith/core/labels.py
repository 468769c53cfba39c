"""Which labels are classes."""

from __future__ import annotations

from typing import Any

from keras import ops

from lossmith.core.axes import Tensor


def legal_labels(labels: Tensor, classes: Any) -> tuple[Tensor, Tensor]:
    """Return which labels are classes, and them as indices, 0 where they are not.

    NaN, 1.5 and an integer too long for int32 are no classes, whatever a cast makes of them.

    Args:
        labels: (...) numbers.
        classes: How many classes there are.
    """
    index = ops.cast(labels, "int32")
    within = ops.logical_and(index >= 0, index < classes)
    legal = ops.logical_and(within, ops.equal(ops.cast(index, labels.dtype), labels))
    return legal, ops.where(legal, index, ops.zeros_like(index))
