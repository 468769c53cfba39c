"""Checks of sample weights: what they mean, and on which axis they lie."""

# pyright: reportMissingParameterType=false

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from lossmith.checks import compare
from lossmith.checks.inputs import Batch
from lossmith.checks.probe import LossRaised, Probe
from lossmith.checks.unit import Case, check

_ALIGNED = (
    "Keras lays weights on the last axes of the errors, and divides by their sum before they are "
    "spread over steps: give one weight a step, or use lm.Loss"
)


def _per_sample(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


def _one_number(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred))


def _sum_over_all(y_true, y_pred):
    return ops.sum(ops.square(y_true - y_pred))


def _averaged_twice(y_true, y_pred):
    samples = ops.cast(ops.shape(y_pred)[0], y_pred.dtype)
    return ops.mean(ops.square(y_true - y_pred), axis=-1) / samples


def _token_mean(y_true, y_pred):
    mask = ops.not_equal(y_true, -1.0)
    error = ops.where(mask, ops.square(y_true - y_pred), 0.0)
    return ops.sum(error) / ops.maximum(ops.sum(ops.cast(mask, error.dtype)), 1.0)


def _mean_over_features(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred), axis=1)


def _mean_over_samples(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred), axis=0)


def _elements(y_true, y_pred):
    return ops.square(y_true - y_pred)


class _WeighsByHand(keras.losses.Loss):
    def __call__(self, y_true, y_pred, sample_weight=None):  # noqa: ANN204
        error = self.call(y_true, y_pred)
        return ops.mean(error if sample_weight is None else error * sample_weight)

    def call(self, y_true, y_pred):
        return ops.mean(ops.square(y_true - y_pred), axis=-1)


@check(
    "weight-equivalence",
    "weights",
    accepts=(Case(_per_sample), Case(_per_sample, "b t [c], b t [c]")),
    rejects=Case(_one_number),
    mend="return one number a sample: reduce over axis=-1, not over the batch",
    promise="weights",
    rules=("LSM102", "LSM405", "LSM407"),
    needs=("weights",),
)
def weight_equivalence(probe: Probe) -> None:
    """A sample of weight 0 counts as if it were not there, one of weight 2 as if it came twice.

    Weights of 2 for the first sample and 0 for the last are held against a batch whose last
    sample is a copy of the first: as many samples, the same sum of weights, so that it does not
    matter what the loss is divided by. Weights of one change nothing.
    """
    batch = probe.batch()
    ones = np.ones(batch.size)
    even = probe.weighted(batch, ones)
    probe.close(probe.value(even), probe.value(batch), what="weights of one", batch=even)
    if batch.size == 1:
        probe.skip("weights need two samples")
    weights = ones.copy()
    weights[0], weights[-1] = 2.0, 0.0
    weighted = probe.weighted(batch, weights)
    copied = batch.take([*range(batch.size - 1), 0])
    probe.close(
        probe.value(weighted),
        probe.value(copied),
        what="weight 2 for the first sample and 0 for the last, against the first in its place",
        batch=weighted,
    )


@check(
    "split-consistency",
    "weights",
    accepts=(
        Case(_per_sample),
        Case(_token_mean, "b t, b t", promises={"mask": "y_true != -1", "normalises": "tokens"}),
        Case(_sum_over_all),
    ),
    rejects=(
        Case(_sum_over_all, promises={"normalises": "samples"}),
        Case(_averaged_twice),
        Case(_token_mean, "b t, b t", promises={"mask": "y_true != -1", "normalises": "samples"}),
    ),
    mend="divide the sum by what is promised, once: Keras divides what comes back by the number "
    "of errors",
    promise="couples",
    rules=("LSM102",),
)
def split_consistency(probe: Probe) -> None:
    """The gradient of a batch is that of its parts, weighted by what the loss is divided by.

    The parts are single samples of different lengths. Their gradients are added with weights in
    proportion to their numbers of samples, to their numbers of positions that count, and as they
    are: `normalises` promises which of these is the gradient of the batch, and without a promise
    one of them has to be.
    """
    batch = _with_counts(probe)
    places = np.array_split(np.arange(batch.size), batch.size // probe.promises.min_batch or 1)
    if len(places) == 1:
        probe.skip("one part is the whole batch")
    parts = [batch.take(list(place)) for place in places]
    whole = probe.gradient(batch)
    slopes = [probe.gradient(part) for part in parts]
    sums = {
        name: np.concatenate([count * slope for count, slope in zip(shares, slopes, strict=True)])
        for name, shares in _shares(parts).items()
    }
    found = [name for name, each in sums.items() if compare.agree(each, whole, compare.GRADIENT)]
    promised = probe.promises.normalises or [*found, "samples"][0]
    probe.close(
        whole,
        sums[promised],
        what=f"the gradient of a batch, against those of its parts weighted by {promised}; "
        f"what it is: {' and '.join(found) or 'none of these'}",
        batch=batch,
        rtol=compare.GRADIENT,
    )


def _with_counts(probe: Probe) -> Batch:
    """Return a batch whose parts differ in what losses are divided by."""
    batch = probe.batch(masked=probe.spec.mask is not None)
    if probe.promises.normalises != "weights":
        return batch
    weighted = probe.weighted(batch, np.linspace(0.5, 2.0, batch.size))
    spread = _over(weighted.sample_weight, batch.mask_or_ones())
    return batch.replace(sample_weight=spread) if batch.by_keras else weighted


def _shares(parts: list[Batch]) -> dict[str, np.ndarray]:
    """Return the weight of each part, by what a loss may be divided by."""
    samples = np.array([part.size for part in parts], "float64")
    tokens = np.array([part.mask_or_ones().sum() for part in parts], "float64")
    shares = {"samples": samples / samples.sum(), "tokens": tokens / max(tokens.sum(), 1.0)}
    if all(part.sample_weight is not None for part in parts):
        masks = [part.mask_or_ones() for part in parts]
        pairs = zip(parts, masks, strict=True)
        weights = np.array([np.sum(_over(part.sample_weight, mask) * mask) for part, mask in pairs])
        shares["weights"] = weights / weights.sum()
    return shares | {"1": np.ones(len(parts))}


@check(
    "weight-shapes",
    "weights",
    accepts=Case(_mean_over_features, "b f, b f"),
    rejects=(
        Case(_mean_over_samples, "b f, b f"),
        Case(_elements, "b f, b f"),
        Case(_WeighsByHand, "b f, b f"),
    ),
    mend="return one error a sample, or a step, the batch first, and leave the weights to Keras",
    promise="weights",
    rules=("LSM102", "LSM405"),
    needs=("weights", "elements"),
)
def weight_shapes(probe: Probe) -> None:
    """Weights of shape (B,) and (B, 1) are for samples, of shape (B, T) for steps, or refused.

    All axes have the same length, so that a weight on the wrong axis fits. What is expected comes
    from the errors before reduction, whose first axis has to follow the samples.
    """
    batch = probe.batch("colliding")
    errors = probe.elements(batch)
    if not errors.ndim:
        probe.skip("it gives one number, which no weight fits: see weight-equivalence")
    turned = batch.take(range(batch.size)[::-1])
    if probe.promises.ordered is None:
        what = "the errors before reduction, with the samples in reverse"
        probe.close(probe.elements(turned), errors[::-1], what=what, batch=turned)
    plain = probe.value(batch)
    shapes = [(batch.size,), (batch.size, 1), errors.shape[:2]]
    for shape in dict.fromkeys(shapes):
        weighted = batch.replace(sample_weight=probe.rng.uniform(0.2, 2.0, shape).astype("float32"))
        try:
            got = float(probe.engine.value(weighted, scalar=True))
        except LossRaised:
            continue
        probe.close(
            got,
            _weighed(errors, weighted.sample_weight, plain, got),
            what=f"weights of shape {shape} on errors of shape {errors.shape}",
            batch=weighted,
            inherited=_ALIGNED if _reduced_by_keras(probe, errors) else "",
        )


def _weighed(errors: np.ndarray, weights: Any, plain: float, got: float) -> float:
    """Return the weighted loss, divided by the number of errors or by their weights."""
    over = _over(weights, errors)
    mean = plain * np.sum(errors * over) / np.sum(errors)
    return min(mean, mean / np.mean(over), key=lambda value: abs(value - got))


def _over(weights: Any, errors: np.ndarray) -> np.ndarray:
    """Lay weights over errors from the first axis on."""
    weights = weights.reshape(weights.shape[: errors.ndim])
    return np.broadcast_to(
        weights.reshape(weights.shape + (1,) * (errors.ndim - weights.ndim)), errors.shape
    )


def _reduced_by_keras(probe: Probe, errors: np.ndarray) -> bool:
    """Whether the errors are what Keras asks for, and it is Keras that weighs them."""
    own = type(probe.subject.loss).__call__ is keras.losses.Loss.__call__
    return own and 1 < errors.ndim < len(probe.spec.pred_axes)
