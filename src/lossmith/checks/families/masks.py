"""Checks of masks: positions that do not count must not matter, whatever stands there."""

# pyright: reportMissingParameterType=false

from __future__ import annotations

import numpy as np
from keras import ops

from lossmith.checks import compare
from lossmith.checks.inputs import Batch
from lossmith.checks.probe import Probe
from lossmith.checks.unit import Case, check

_STEPS = "b t, b t"
_FILLS = (0.0, 0.5, 1e4, -1e4)
_KERAS = (
    "Keras multiplies each error by its mask or weight, and 0 times NaN is NaN: replace the "
    "inputs before the error, as lm.Loss does"
)


def _counted(y_true):
    return ops.not_equal(y_true, -1.0)


def _token_mean(y_true, y_pred):
    mask = _counted(y_true)
    error = ops.where(mask, ops.square(y_true - ops.where(mask, y_pred, 0.0)), 0.0)
    return ops.sum(error) / ops.maximum(ops.sum(ops.cast(mask, error.dtype)), 1.0)


def _mean_over_padding(y_true, y_pred):
    mask = ops.cast(_counted(y_true), y_pred.dtype)
    return ops.mean(ops.square(y_true - y_pred) * mask, axis=-1)


def _times_mask(y_true, y_pred):
    mask = ops.cast(_counted(y_true), y_pred.dtype)
    return ops.sum(ops.square(y_true - y_pred) * mask) / ops.maximum(ops.sum(mask), 1.0)


def _one_where(y_true, y_pred):
    mask = _counted(y_true)
    root = ops.where(mask, ops.sqrt(ops.square(y_true - y_pred) + 1e-6), 0.0)
    return ops.sum(root) / ops.maximum(ops.sum(ops.cast(mask, root.dtype)), 1.0)


@check(
    "padding-invariance",
    "masks",
    accepts=Case(_token_mean, _STEPS, promises={"mask": "y_true != -1"}),
    rejects=Case(_mean_over_padding, _STEPS, promises={"mask": "y_true != -1"}),
    mend="divide by the number of positions that count: sum(error * mask) / maximum(sum(mask), 1)",
    promise="pads",
    rules=("LSM203",),
    needs=("mask", "steps"),
)
def padding_invariance(probe: Probe) -> None:
    """Steps that do not count can be appended without any change.

    The value stays, the gradient on the real steps stays, and that on the padding is 0.
    """
    batch = probe.batch(masked=True)
    value, gradient = probe.value(batch), probe.gradient(batch)
    steps = batch.spec.pred_axes.index(batch.spec.steps)
    for fill in _FILLS:
        longer = batch.padded(3, fill)
        what = f"3 steps appended that do not count, with {fill:g} as prediction"
        probe.close(probe.value(longer), value, what=what, batch=longer, rtol=compare.SAME)
        width = [(0, 3 if place == steps else 0) for place in range(gradient.ndim)]
        probe.close(
            probe.gradient(longer),
            np.pad(gradient, width),
            what=f"the gradient, {what}",
            batch=longer,
            rtol=compare.VALUE,
        )


@check(
    "masked-nan",
    "masks",
    accepts=Case(_token_mean, _STEPS, promises={"mask": "y_true != -1"}),
    rejects=(
        Case(_times_mask, _STEPS, promises={"mask": "y_true != -1"}),
        Case(_one_where, _STEPS, promises={"mask": "y_true != -1"}),
    ),
    mend="replace the inputs where they do not count, before the error: "
    "y_pred = where(mask, y_pred, y_true)",
    rules=("LSM201", "LSM202"),
    needs=("mask",),
)
def masked_nan(probe: Probe) -> None:
    """NaN and Inf at positions that do not count change neither value nor gradient.

    A mask that multiplies lets NaN through to the value; a single `where` after the error lets
    it through to the gradient, where it is not seen until the weights are NaN.
    """
    batch = probe.batch(masked=True)
    inherited = _KERAS if batch.spec.mask and batch.spec.mask.sentinel is None else ""
    value, gradient = probe.value(batch), probe.gradient(batch)
    for poisoned, what in _poisoned(batch, targets=probe.promises.nan_targets):
        probe.close(probe.value(poisoned), value, what=what, batch=poisoned, inherited=inherited)
        probe.close(
            probe.gradient(poisoned),
            gradient,
            what=f"the gradient with {what}",
            batch=poisoned,
            rtol=compare.GRADIENT,
            inherited=inherited,
        )


def _poisoned(batch: Batch, *, targets: bool) -> list[tuple[Batch, str]]:
    """Return the batch with what is not finite at positions that do not count."""
    bad = (np.nan, np.inf)
    found = [(batch.refilled(y_pred=x), f"{x} as prediction where it does not count") for x in bad]
    free = batch.spec.mask is not None and batch.spec.mask.sentinel is None
    if free and targets and not batch.spec.y_true.integer:
        found += [(batch.refilled(y_true=x), f"{x} as target where it does not count") for x in bad]
    return found
