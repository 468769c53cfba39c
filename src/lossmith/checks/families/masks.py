"""Checks of masks: positions that do not count must not matter, whatever stands there."""

# pyright: reportMissingParameterType=false

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

from lossmith.checks import compare
from lossmith.checks.inputs import Batch
from lossmith.checks.probe import Probe
from lossmith.checks.unit import Case, check

_STEPS = "b t, b t"
_FILLS = (0.0, 0.5, 1e4, -1e4)
_EVERY = 4  # of 20 positions that count, 5 are taken out in turn
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


def _mask_on_a_mean(y_true, y_pred):
    mask = ops.cast(_counted(y_true), y_pred.dtype)
    error = ops.mean(ops.square(y_true - y_pred), axis=-1)
    return ops.mean(mask * error[:, None], axis=-1)


def _count_alone(y_true, y_pred):
    count = ops.sum(ops.cast(_counted(y_true), y_pred.dtype), axis=-1)
    return ops.sum(ops.square(y_true - y_pred), axis=-1) / ops.maximum(count, 1.0)


def _all_the_same(y_true, y_pred):
    return ops.sum(ops.square(y_pred), axis=-1) * 0.0 + ops.mean(y_true, axis=-1) * 0.0


def _over_the_count(y_true, y_pred):
    mask = _counted(y_true)
    error = ops.where(mask, ops.square(y_true - ops.where(mask, y_pred, 0.0)), 0.0)
    return ops.sum(error, axis=-1) / ops.sum(ops.cast(mask, error.dtype), axis=-1)


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
        got, slope = probe.value(longer), probe.gradient(longer)
        probe.close(
            got, value, what=what, batch=longer, rtol=compare.SAME, inherited=_by_keras(longer, got)
        )
        width = [(0, 3 if place == steps else 0) for place in range(gradient.ndim)]
        probe.close(
            slope,
            np.pad(gradient, width),
            what=f"the gradient, {what}",
            batch=longer,
            rtol=compare.VALUE,
            inherited=_by_keras(longer, slope),
        )


def _by_keras(batch: Batch, got: Any) -> str:
    """Say that it is Keras' mask that lets NaN through, where it is."""
    return _KERAS if batch.by_keras and not np.all(np.isfinite(got)) else ""


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
    rules=("LSM201", "LSM202", "LSM208"),
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


@check(
    "masked-values",
    "masks",
    accepts=Case(_token_mean, _STEPS, promises={"mask": "y_true != -1"}),
    rejects=(
        Case(_mask_on_a_mean, _STEPS, promises={"mask": "y_true != -1"}),
        Case(_count_alone, _STEPS, promises={"mask": "y_true != -1"}),
        Case(_all_the_same, _STEPS, promises={"mask": "y_true != -1"}),
    ),
    mend="put the mask on the errors themselves, before any of them are added",
    rules=("LSM206", "LSM208"),
    needs=("mask",),
)
def masked_values(probe: Probe) -> None:
    """What stands at positions that do not count does not matter, and that they do not count does.

    Other finite numbers there leave value and gradient as they are. Then single positions that
    count are taken out: at least one of them has to change the value.
    """
    batch = probe.batch(masked=True)
    other = probe.batch(draw=1)
    value, gradient = probe.value(batch), probe.gradient(batch)
    refills = [(batch.refilled(y_pred=other.y_pred), "other predictions where they do not count")]
    if batch.by_keras:
        both = batch.refilled(y_pred=other.y_pred, y_true=other.y_true)
        refills.append((both, "other predictions and targets where they do not count"))
    for refilled, what in refills:
        probe.close(probe.value(refilled), value, what=what, batch=refilled, rtol=compare.SAME)
        probe.close(
            probe.gradient(refilled),
            gradient,
            what=f"the gradient with {what}",
            batch=refilled,
            rtol=compare.GRADIENT,
        )
    without = [probe.value(fewer) for fewer in _one_fewer(batch)]
    probe.holds(
        fact=not all(compare.agree(x, value, compare.SAME) for x in without),
        what=f"each of {len(without)} positions that count taken out",
        got=f"the same value, {value:.7g}, each time",
        expected="another value for at least one of them",
        batch=batch,
    )


@check(
    "nothing-counted",
    "masks",
    accepts=Case(_token_mean, _STEPS, promises={"mask": "y_true != -1"}),
    rejects=Case(_over_the_count, _STEPS, promises={"mask": "y_true != -1"}),
    mend="divide by maximum(count, 1)",
    rules=("LSM204", "LSM205", "LSM207"),
    needs=("mask",),
)
def nothing_counted(probe: Probe) -> None:
    """Where nothing counts, in one sample or in all, the loss is finite and its gradient 0.

    A sample can be all padding, and a batch can be without labels: 0 / 0 is NaN, and after one
    step all weights of the model are. A loss that promises `empty="raise"` has to refuse a
    batch without anything that counts.
    """
    batch = probe.batch(masked=True)
    mask = batch.mask_or_ones().copy()
    nothing = batch.masked(np.zeros_like(mask))
    if probe.promises.empty == "raise":
        probe.holds(
            fact=probe.raises(nothing),
            what="a batch in which nothing counts",
            got="a value",
            expected="an error, as promised",
            batch=nothing,
        )
    else:
        _ends_in_zero(probe, nothing, slice(None), "a batch in which nothing counts")
    mask[-1] = False
    if mask.any():
        _ends_in_zero(probe, batch.masked(mask), slice(-1, None), "a sample that is all masked")


def _ends_in_zero(probe: Probe, batch: Batch, samples: slice, what: str) -> None:
    """Hold the value to be finite, the gradient too, and 0 for the samples."""
    probe.finite(probe.value(batch), what=f"the loss of {what}", batch=batch)
    gradient = probe.gradient(batch)
    probe.finite(gradient, what=f"the gradient, with {what}", batch=batch)
    probe.close(
        gradient[samples],
        np.zeros_like(gradient[samples]),
        what=f"the gradient of {what}",
        batch=batch,
        rtol=0.0,
    )


def _one_fewer(batch: Batch) -> list[Batch]:
    """Return the batch without one position that counts, for a few of these."""
    fewer: list[Batch] = []
    for place in np.argwhere(batch.mask_or_ones())[::-_EVERY]:
        mask = batch.mask_or_ones().copy()
        mask[tuple(place)] = False
        fewer.append(batch.masked(mask))
    return fewer
