"""Checks of shapes and axes: samples that meet, ranks that broadcast."""

# pyright: reportMissingParameterType=false

from __future__ import annotations

import math

import keras
import numpy as np
from keras import ops

from lossmith.checks import compare
from lossmith.checks.inputs import Batch
from lossmith.checks.probe import LossRaised, Probe
from lossmith.checks.unit import Case, check


def _squared(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


def _one_number_a_sample(y_true, y_pred):
    return ops.square(y_true - y_pred)


def _root_of_batch(y_true, y_pred):
    return ops.sqrt(ops.mean(ops.square(y_true - y_pred)))


def _against_batch_mean(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred - ops.mean(y_pred, axis=0)), axis=-1)


class _Unaligned(keras.losses.Loss):
    """A subclass gets its tensors as they come: Keras aligns ranks for functions alone."""

    def call(self, y_true, y_pred):
        return ops.square(y_true - y_pred)


class _Flattened(keras.losses.Loss):
    def call(self, y_true, y_pred):
        return ops.square(ops.reshape(y_true, (-1,)) - ops.reshape(y_pred, (-1,)))


def _all_pairs(y_true, y_pred):
    return ops.square(ops.reshape(y_true, (-1, 1)) - ops.reshape(y_pred, (1, -1)))


@check(
    "sample-independence",
    "shapes",
    accepts=Case(_squared),
    rejects=(Case(_root_of_batch), Case(_against_batch_mean)),
    mend="reduce over all axes but the first, and let Keras average over samples",
    promise="couples",
    rules=("LSM102",),
)
def sample_independence(probe: Probe) -> None:
    """The loss of a batch is a sum of one part for each sample.

    Two halves are exchanged for others. If the loss is additive, what one exchange changes does
    not depend on the other, so that the second difference is 0. The mask is the same throughout.
    """
    masked = probe.spec.mask is not None
    a, b = (probe.batch(draw=draw, masked=masked) for draw in (0, 1))
    if a.size == 1:
        probe.skip("one sample cannot meet another")
    half = a.size // 2
    first = _joined(b, a, half)
    second = _joined(a, b, half)
    values = [probe.value(x) for x in (a, first, second, b)]
    scale = max(map(abs, values))
    difference = values[0] - values[1] - values[2] + values[3]
    probe.close(
        difference,
        0.0,
        what="L(a1, b1) - L(a2, b1) - L(a1, b2) + L(a2, b2), samples of two draws exchanged",
        batch=a,
        rtol=compare.ADDITIVE,
        scale=scale,
    )


@check(
    "no-silent-broadcast",
    "shapes",
    accepts=(Case(_one_number_a_sample, "b, b"), Case(_Flattened, "b, b")),
    rejects=(Case(_Unaligned, "b, b"), Case(_all_pairs, "b, b")),
    mend='give both the same rank first, or state the axes: lm.Loss("mse", "b, b")',
    promise="couples",
    rules=("LSM101",),
)
def no_silent_broadcast(probe: Probe) -> None:
    """Targets with an axis of length one more or less give the same loss or an error.

    A target `(B,)` against a prediction `(B, 1)` broadcasts to `(B, B)` where ranks are not held
    to each other; the error is then a mean over all pairs.
    """
    batch = probe.batch("colliding")
    value = probe.value(batch)
    for form, what in _forms(batch):
        try:
            found = probe.value(form)
        except LossRaised:
            continue
        probe.close(found, value, what=what, batch=form)
    if probe.subject.has_elements:
        shape = probe.elements(batch).shape
        most = max(batch.y_true.size, batch.y_pred.size)
        probe.holds(
            fact=math.prod(shape) <= most,
            what="the shape of the errors before reduction",
            got=str(shape),
            expected=f"at most {most} numbers, as many as the inputs have",
            batch=batch,
        )


def _joined(a: Batch, b: Batch, half: int) -> Batch:
    """Return the first samples of one batch and the last of another."""
    return a.replace(
        y_true=np.concatenate([a.y_true[:half], b.y_true[half:]]),
        y_pred=np.concatenate([a.y_pred[:half], b.y_pred[half:]]),
    )


def _forms(batch: Batch) -> list[tuple[Batch, str]]:
    """Return the batch with an axis of length one more on one side, or less."""
    forms = [(batch.replace(y_true=batch.y_true[..., None]), "the target with one axis more")]
    if batch.y_true.ndim == batch.y_pred.ndim == 1:
        wide = batch.replace(y_pred=batch.y_pred[:, None])
        forms.append((wide, "the prediction as (B, 1), the target as (B,)"))
    return forms
