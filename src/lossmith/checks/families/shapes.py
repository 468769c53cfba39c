"""Checks of shapes and axes: samples that meet, ranks that broadcast."""

# pyright: reportMissingParameterType=false

from __future__ import annotations

import math

import keras
import numpy as np
from keras import ops

from lossmith import backend
from lossmith.checks import compare
from lossmith.checks.inputs import Batch
from lossmith.checks.probe import LossRaised, Probe, raising, tensors
from lossmith.checks.subject import call_with_mask
from lossmith.checks.unit import Case, check

_MANY = (32, 64, 128)
_SAMPLES = 4  # as many as where all axes are equally long
_GROWTH = 2.3  # how much more the second doubling may add than the first: 2 linear, 4 quadratic


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


def _repeated_on_the_wrong_axis(y_true, y_pred):
    return ops.mean(ops.square(ops.expand_dims(y_true, 1) - y_pred), axis=-1)


def _against_neighbour(y_true, y_pred):
    error = y_true - y_pred
    return ops.mean(ops.square(error - 0.5 * ops.roll(error, 1, axis=0)), axis=-1)


def _later_rows_count_more(y_true, y_pred):
    ramp = ops.cumsum(ops.ones_like(y_pred), axis=0)
    return ops.mean(ramp * ops.square(y_true - y_pred), axis=-1)


def _squeezed(y_true, y_pred):
    return ops.mean(ops.square(ops.squeeze(y_true - y_pred)), axis=1)


def _over_the_usual_batch(y_true, y_pred):
    return ops.sum(ops.square(y_true - y_pred)) / 32


def _diagonal_of_all_pairs(y_true, y_pred):
    return -ops.diagonal(ops.matmul(y_true, ops.transpose(y_pred)))


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
    rejects=(
        Case(_Unaligned, "b, b"),
        Case(_all_pairs, "b, b"),
        Case(_repeated_on_the_wrong_axis, "b t, b t k"),
    ),
    mend='give both the same rank first, or state the axes: lm.Loss("mse", "b, b")',
    promise="couples",
    rules=("LSM101",),
)
def no_silent_broadcast(probe: Probe) -> None:
    """Targets with an axis of length one more or less give the same loss or an error.

    A target `(B,)` against a prediction `(B, 1)` broadcasts to `(B, B)` where ranks are not held
    to each other; the error is then a mean over all pairs. And a loss that runs where all axes are
    equally long, and nowhere else, takes one of them for another.
    """
    batch, other = probe.batch("colliding"), probe.batch().take(range(_SAMPLES))
    if probe.raises(batch):
        probe.skip("it does not run where all axes are equally long")
    probe.holds(
        fact=not probe.raises(other),
        what="axes of different lengths",
        got="an error",
        expected="a value, as where all axes are equally long",
        batch=other,
    )
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


@check(
    "permutation",
    "shapes",
    accepts=Case(_squared),
    rejects=(Case(_against_neighbour), Case(_later_rows_count_more)),
    mend="look for roll, cumsum, slices or differences along axis 0, which is that of the samples",
    promise="ordered",
)
def permutation(probe: Probe) -> None:
    """Samples in another order give the same loss, and the same errors in that order.

    The new order gives each sample other neighbours, so that a step along the batch axis, where
    one along the time axis was meant, is seen.
    """
    batch = probe.batch(masked=probe.spec.mask is not None)
    if batch.size == 1:
        probe.skip("one sample has one order")
    order = [*range(1, batch.size, 2), *range(0, batch.size, 2)]
    what = f"the samples in the order {order}"
    turned = batch.take(order)
    probe.close(probe.value(turned), probe.value(batch), what=f"the loss, {what}", batch=turned)
    if not probe.subject.has_elements:
        return
    errors = probe.elements(batch)
    if errors.shape[:1] == (batch.size,):
        probe.close(probe.elements(turned), errors[order], what=f"the errors, {what}", batch=turned)


@check(
    "batch-one-and-rest",
    "shapes",
    accepts=(Case(_squared), Case(keras.losses.MeanSquaredError(reduction="sum"))),
    rejects=(Case(_squeezed), Case(_over_the_usual_batch)),
    mend="name the axis in squeeze, take sizes from ops.shape, and leave the mean over samples to "
    "Keras; a loss that needs several samples promises min_batch=2",
    rules=("LSM103", "LSM104"),
)
def batch_one_and_rest(probe: Probe) -> None:
    """A batch of one sample, or of the few that are left at the end, works and has its own mean.

    Copies of one sample have the loss of that sample, however many there are. (A Keras loss with
    `reduction="sum"` has as many times that loss.)
    """
    batch = probe.batch()
    if probe.raises(batch) and probe.raises(probe.batch("colliding")):
        probe.skip("it runs neither on 5 samples nor on 4")
    least = min(probe.promises.min_batch, batch.size)
    few = batch.take(range(least))
    value = probe.value(few)
    probe.finite(value, what=f"the loss of a batch of {least}", batch=few)
    probe.finite(probe.gradient(few), what=f"the gradient of a batch of {least}", batch=few)
    if least > 1 or any(probe.promises.made(name) for name in ("couples", "ordered")):
        return
    copies = batch.take([0] * batch.size)
    times = batch.size if _summed(probe.subject.loss) else 1
    what = f"the loss of {batch.size} copies of a sample, against that of the sample"
    probe.close(probe.value(copies), times * value, what=what, batch=copies)


@check(
    "linear-cost",
    "shapes",
    accepts=Case(_squared),
    rejects=Case(_diagonal_of_all_pairs),
    mend="multiply and add sample by sample, as in sum(a * b, axis=-1), with no product of all "
    "pairs of samples",
    promise="couples",
)
def linear_cost(probe: Probe) -> None:
    """Twice the samples take twice the numbers to compute, and no more.

    The elements of all tensors on the way are counted for 32, 64 and 128 samples, by shape and
    not by time. The second doubling may add twice what the first one did; a matrix of all pairs
    of samples adds four times as much.
    """
    batch = probe.batch()
    made = [_numbers_made(probe, batch, samples) for samples in _MANY]
    first, second = made[1] - made[0], made[2] - made[1]
    probe.holds(
        fact=second <= _GROWTH * first,
        what="numbers computed for " + ", ".join(str(many) for many in _MANY) + " samples",
        got=", ".join(f"{count:,}" for count in made),
        expected=f"{made[1] + 2 * first:,} for the last, in proportion",
        batch=batch,
    )


def _numbers_made(probe: Probe, batch: Batch, samples: int) -> int:
    """Count what the loss of so many samples computes."""
    many = batch.take([place % batch.size for place in range(samples)])
    call = call_with_mask(probe.subject, many)
    with raising(many):
        return backend.numbers_made(call, tensors(many))


def _summed(loss: object) -> bool:
    """Whether a loss says itself that it is a sum over the batch."""
    pipeline = getattr(loss, "pipeline", None)
    said = loss if pipeline is None else pipeline.reduce
    return getattr(said, "text", getattr(said, "reduction", "mean")) in ("sum", "none", None)


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
