"""Checks of class numbers: half types have no room for all of them."""

# pyright: reportMissingParameterType=false

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import keras
import numpy as np
from keras import ops

from lossmith import backend
from lossmith.checks import compare, inputs
from lossmith.checks.inputs import Batch
from lossmith.checks.probe import LossRaised, Probe, raising, tensors
from lossmith.checks.unit import Case, check

_CLASSES = 4099  # the last one may be a blank, which is no label
_EVEN = (256, 2048, 4096)  # the next one is the first that bfloat16, float16 and both lack
_HALVES = ("bfloat16", "float16")
_KERAS = (
    "Keras casts the targets to the dtype of the loss before the loss sees them: leave dtype out, "
    "or use lm.Loss, where integers stay integers"
)
Tensor = Any


def _labels_as_integers(y_true, y_pred):
    labels = ops.cast(y_true, "int32")
    target = ops.one_hot(labels, y_pred.shape[-1], dtype=y_pred.dtype)
    return -ops.sum(target * ops.log_softmax(y_pred, axis=-1), axis=-1)


def _labels_as_predictions(y_true, y_pred):
    labels = ops.cast(ops.cast(y_true, y_pred.dtype), "int32")
    target = ops.one_hot(labels, y_pred.shape[-1], dtype=y_pred.dtype)
    return -ops.sum(target * ops.log_softmax(y_pred, axis=-1), axis=-1)


@check(
    "integer-labels",
    "numerics",
    accepts=Case(_labels_as_integers, "b, b [c]", y_true="int<3", y_pred="logits"),
    rejects=Case(_labels_as_predictions, "b, b [c]", y_true="int<3", y_pred="logits"),
    mend='cast labels to "int32", never to the dtype of the prediction',
    promise="half",
    needs=("integers", "elements"),
)
def integer_labels(probe: Probe) -> None:
    """Class numbers next to each other stay apart in every dtype.

    float16 has no 2049 and bfloat16 no 257: a label that goes through them is another class. The
    prediction is given in each of them; and a loss object is built again with each as its dtype,
    where it takes one.
    """
    try:
        known = [probe.engine.value(_all_of(probe, label), scalar=False) for label in (0, 1)]
    except LossRaised:
        known = []
    if not known:
        probe.skip(f"it does not run on {_CLASSES} classes")
    if np.array_equal(*known):
        probe.skip("the label of a sample alone does not matter to it")
    pairs = [(label, _all_of(probe, label), _all_of(probe, label + 1)) for label in _EVEN]
    for dtype in _HALVES:
        _differ(probe, pairs, _on_halves(probe.subject.loss, dtype), f"a prediction in {dtype}")
    for dtype in _HALVES:
        if rebuilt := _rebuilt(probe.subject.given, dtype):
            _differ(probe, pairs, rebuilt, f"the loss with dtype={dtype!r}", _KERAS)


def _differ(
    probe: Probe,
    pairs: list[tuple[int, Batch, Batch]],
    entry: Callable[..., Tensor],
    how: str,
    inherited: str = "",
) -> None:
    """Hold the losses of neighbouring labels to differ."""
    program = backend.Program(entry, probe.engine.mode)
    for label, even, odd in pairs:
        with raising(even):
            errors = [program.value(*tensors(batch, scalar=False)) for batch in (even, odd)]
        low, high = (float(np.mean(np.asarray(each, "float64"))) for each in errors)
        probe.holds(
            fact=not compare.agree(low, high, compare.SAME),
            what=f"labels {label} and {label + 1}, {how}; the odd class is much likelier",
            got=f"{low:.5g} and {high:.5g}",
            expected="two different losses",
            batch=odd,
            inherited=inherited,
        )


def _all_of(probe: Probe, label: int) -> Batch:
    """Return one sample whose labels are all this one, and odd classes likelier than even ones."""
    true = replace(probe.spec.y_true, classes=_CLASSES)
    wide = replace(probe.spec, y_true=true, example=None)
    batch = inputs.draw(wide, probe.rng, "single")
    levels = np.where(np.arange(_CLASSES) % 2, 3.0, 1.0)
    if wide.y_pred.rows:
        levels /= levels.sum()
    elif wide.y_pred.kind == "prob":
        levels /= 4.0
    return batch.replace(
        y_true=np.full_like(batch.y_true, label),
        y_pred=np.broadcast_to(levels, batch.y_pred.shape).astype("float32"),
    )


def _on_halves(loss: Any, dtype: str) -> Callable[..., Tensor]:
    """Return the errors for a prediction of a half type; targets come as a Keras loss has them."""

    def ours(y_true: Tensor, y_pred: Tensor, *mask: Tensor) -> Tensor:
        half = ops.cast(y_pred, dtype)
        masked = backend.with_keras_mask(half, mask[0]) if mask else half
        return loss.elements(y_true, masked).values.value

    def theirs(y_true: Tensor, y_pred: Tensor, *_: Tensor) -> Tensor:
        return loss.call(ops.cast(y_true, loss.dtype), ops.cast(y_pred, dtype))

    return ours if hasattr(loss, "elements") else theirs


def _rebuilt(given: Any, dtype: str) -> Callable[..., Tensor] | None:
    """Return a Keras loss with another dtype; None for functions, and where it takes none."""
    if not isinstance(given, keras.losses.Loss) or hasattr(given, "elements"):
        return None
    try:
        loss = type(given).from_config({**given.get_config(), "dtype": dtype})
    except (TypeError, ValueError):
        return None
    return lambda y_true, y_pred, *_: loss(y_true, y_pred)
