"""The loss of each sample alone: the same reduction, with every sample a batch of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from keras import ops

from lossmith.core.axes import Named, Tensor
from lossmith.core.elements import Elements
from lossmith.core.notation import ELLIPSIS, Axes
from lossmith.core.reduce import Reduction, Step

_SAMPLE = "sample of its own"  # no name of the notation has spaces


def batch_axis(axes: Axes | None) -> str:
    """Return the name of the first axis of the prediction."""
    first = axes.inputs[-1].items[0] if axes else ELLIPSIS
    return f"{ELLIPSIS}0" if first == ELLIPSIS else first


def each_sample(elements: Elements, batch: str, reduce: Reduction) -> Tensor:
    """Reduce the elements of each sample as if it were a batch.

    Args:
        elements: The errors, with `batch` among their axes.
        batch: The name of the batch axis.
        reduce: The reduction of the loss; of `"none"` the mean is taken.

    Returns:
        The losses, (batch,); 0 for a sample in which nothing counts.
    """
    apart = Elements(
        _apart(elements.values, batch),
        elements.mask and _apart(elements.mask, batch),
        tuple(_apart(weight, batch) for weight in elements.weights),
        {**elements.sizes, _SAMPLE: elements.sizes[batch], batch: 1},
    )
    return _within(reduce, elements.values.axes)(apart).value


def _apart(x: Named, batch: str) -> Named:
    """Give each sample a batch axis of length one."""
    if batch not in x.axes:
        return x
    place = x.position(batch)
    axes = (*x.axes[:place], _SAMPLE, *x.axes[place:])
    return Named(ops.expand_dims(x.value, place + 1), axes)


def _within(reduce: Reduction, axes: tuple[str, ...]) -> Reduction:
    """Name the axes of each step, so that none takes the samples; reduce all of them."""
    steps: list[Step] = []
    left: list[Any] = list(axes)
    for step in reduce.steps:
        over = step.axes or tuple(left)
        left = [name for name in left if name not in over]
        steps.append(replace(step, axes=over))
    if left:
        steps.append(Step("mean", tuple(left)))
    return Reduction(reduce.text, tuple(steps))
