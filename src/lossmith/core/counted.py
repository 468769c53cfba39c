"""The positions that count, on their own, where that saves work."""

from __future__ import annotations

from keras import ops

from lossmith import backend
from lossmith.core.axes import Named, repeat
from lossmith.core.positions import Positions


def counted_alone(found: Positions) -> Positions:
    """Leave out the positions that the mask leaves out, where the backend gains by it.

    The axes of the mask become one, of as many positions as count, and no mask is left. What is
    summed over all positions stays the same.
    """
    if found.mask is None or not found.mask.axes:
        return found
    gone, sizes = found.mask.axes, found.context.sizes
    rows = backend.rows_that_count(found.mask.value)
    if rows is None:
        return found
    joined = " ".join(gone)

    def alone(x: Named) -> Named:
        if not set(x.axes) & set(gone):
            return x
        rest = tuple(name for name in x.axes if name not in gone)
        whole = repeat(x, (*gone, *rest), sizes)
        flat = ops.reshape(whole, (-1, *ops.shape(whole)[len(gone) :]))
        return Named(backend.take_rows(flat, rows), (joined, *rest))

    inputs = {source: alone(x) for source, x in found.context.inputs.items()}
    return Positions(
        found.context.replace(inputs=inputs, sizes={**sizes, joined: len(rows)}),
        (joined, *(name for name in found.axes if name not in gone)),
        None,
        tuple(map(alone, found.scales)),
        tuple(map(alone, found.weights)),
    )
