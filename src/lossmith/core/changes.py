"""How runs of a loss differ: what is changed for them, and where what lines make then does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

Array = Any
_MOVED = (0.6, 0.1)  # a factor and a term that leave a number in its domain
_ROUNDING = 1e-4  # how far a line may differ that does the same to samples in another order


def first_changed(array: Array) -> Iterator[Array]:
    """Change the first sample and no other: move its values, and give it those of the last."""
    for values in (_moved(array[:1]), array[-1:]):
        other = array.copy()
        other[:1] = values
        yield other


def turned(y_pred: Array) -> Array:
    """Give each sample the prediction of the one before; a single one is moved."""
    return np.roll(y_pred, 1, axis=0) if len(y_pred) > 1 else _moved(y_pred)


def differ(a: Array, b: Array) -> Array:
    """Return where two arrays differ; NaN and NaN do not."""
    return ~((a == b) | (_nan(a) & _nan(b)))


def alike(a: Array, b: Array) -> bool:
    """Whether two arrays are equal up to rounding."""
    return bool(np.allclose(a, b, rtol=_ROUNDING, atol=_ROUNDING, equal_nan=True))


def meet(a: Array, b: Array, size: int) -> bool:
    """Whether a change of the first sample shows in others, or in what holds no samples."""
    changed = differ(a, b)
    if not changed.any():
        return False
    if size in a.shape:
        return bool(np.delete(changed, 0, axis=a.shape.index(size)).any())
    folded = bool(a.shape) and a.shape[0] % size == 0  # samples and steps on one axis
    return bool(changed[a.shape[0] // size :].any()) if folded else True


def not_finite(y_true: Array, y_pred: Array) -> Array | None:
    """Return where inputs are not finite, by sample and step; None where they are."""
    bad = [~np.isfinite(x) for x in (y_true, y_pred) if not np.all(np.isfinite(x))]
    if not bad:
        return None
    rank = min(2, *(x.ndim for x in bad)) if len(bad) > 1 else min(2, bad[0].ndim)
    flat = [x.reshape((*x.shape[:rank], -1)).any(axis=-1) for x in bad]
    return np.any(np.broadcast_arrays(*flat), axis=0)


def spread(value: Array, poisoned: Array | None) -> Array | None:
    """Return where a value is not finite, and not only where the inputs are not; or None."""
    bad = ~np.isfinite(value)
    if poisoned is not None and value.shape[: poisoned.ndim] == poisoned.shape:
        bad &= ~poisoned.reshape(poisoned.shape + (1,) * (value.ndim - poisoned.ndim))
    return bad if bad.any() else None


def _moved(array: Array) -> Array:
    if array.dtype.kind in "iu":
        return np.where(array > 0, array - 1, array + 1).astype(array.dtype)
    factor, term = _MOVED
    return (factor * array + term).astype(array.dtype)


def _nan(x: Array) -> Array:
    return np.isnan(x) if x.dtype.kind == "f" else np.zeros(x.shape, bool)
