"""Counts: masked means over padding, over nothing, or over the wrong number."""

import numpy as np
from keras import ops
from keras.saving import register_keras_serializable

from tests.zoo.masks import PAD, masked, own_mean_square
from tests.zoo.reference import floats, halves

TOKENS = {"normalises": "tokens", "weights": "one number for the batch"}


@register_keras_serializable("zoo")
def zeros_for_keras(y_true, y_pred):
    mask = ops.not_equal(y_true, PAD)
    target, output = ops.where(mask, y_true, 0.0), ops.where(mask, y_pred, 0.0)
    return ops.where(mask, ops.square(target - output), 0.0)


@register_keras_serializable("zoo")
def one_for_each_sample(y_true, y_pred):
    return own_mean_square(y_true, y_pred, ops.not_equal(y_true, PAD))


masked(
    "zeros-left-to-the-mean",
    zeros_for_keras,
    one_for_each_sample,
    check="padding-invariance",
    rule="LSM203",
    why="Keras averages what comes back, the zeros of padded steps included.",
)


@register_keras_serializable("zoo")
def over_the_count(y_true, y_pred):
    mask = ops.not_equal(y_true, PAD)
    target, output = ops.where(mask, y_true, 0.0), ops.where(mask, y_pred, 0.0)
    count = ops.sum(ops.cast(mask, y_pred.dtype), axis=-1)
    return ops.sum(ops.abs(target - output), axis=-1) / count


@register_keras_serializable("zoo")
def over_one_at_least(y_true, y_pred):
    mask = ops.not_equal(y_true, PAD)
    target, output = ops.where(mask, y_true, 0.0), ops.where(mask, y_pred, 0.0)
    count = ops.sum(ops.cast(mask, y_pred.dtype), axis=-1)
    return ops.sum(ops.abs(target - output), axis=-1) / ops.maximum(count, 1.0)


masked(
    "unguarded-count",
    over_the_count,
    over_one_at_least,
    check="nothing-counted",
    rule="LSM204",
    why="A sample that is all padding is 0 / 0.",
    witness=lambda: (floats([1, 2], [-1, -1]), floats([2, 2], [3, 3])),
    reference=None,
)


@register_keras_serializable("zoo")
def token_mean_unguarded(y_true, y_pred):
    mask = ops.not_equal(y_true, PAD)
    target, output = ops.where(mask, y_true, 0.0), ops.where(mask, y_pred, 0.0)
    return ops.sum(ops.square(target - output)) / ops.sum(ops.cast(mask, y_pred.dtype))


@register_keras_serializable("zoo")
def token_mean(y_true, y_pred):
    mask = ops.not_equal(y_true, PAD)
    target, output = ops.where(mask, y_true, 0.0), ops.where(mask, y_pred, 0.0)
    count = ops.sum(ops.cast(mask, y_pred.dtype))
    return ops.sum(ops.square(target - output)) / ops.maximum(count, 1.0)


masked(
    "token-mean-of-nothing",
    token_mean_unguarded,
    token_mean,
    check="nothing-counted",
    rule="LSM204",
    why="A batch with no step that counts is 0 / 0, and every weight of the model NaN after it.",
    promises=TOKENS,
    witness=lambda: (floats([-1, -1]), floats([2, 3])),
    reference=lambda y, p: np.mean((y - p)[y != PAD] ** 2),
)


@register_keras_serializable("zoo")
def tokens_over_samples(y_true, y_pred):
    mask = ops.not_equal(y_true, PAD)
    target, output = ops.where(mask, y_true, 0.0), ops.where(mask, y_pred, 0.0)
    rows = ops.cast(ops.shape(y_pred)[0], y_pred.dtype)
    return ops.sum(ops.square(target - output)) / rows


@register_keras_serializable("zoo")
def tokens_over_tokens(y_true, y_pred):
    mask = ops.not_equal(y_true, PAD)
    target, output = ops.where(mask, y_true, 0.0), ops.where(mask, y_pred, 0.0)
    count = ops.sum(ops.cast(mask, y_pred.dtype))
    return ops.sum(ops.square(target - output)) / ops.maximum(count, 1.0)


masked(
    "tokens-divided-by-samples",
    tokens_over_samples,
    tokens_over_tokens,
    check="split-consistency",
    rule=None,
    why="A mean over steps is promised, and the divisor counts samples.",
    promises=TOKENS,
    reference=lambda y, p: np.mean((y - p)[y != PAD] ** 2),
)


@register_keras_serializable("zoo")
def count_and_a_little(y_true, y_pred):
    mask = ops.not_equal(y_true, PAD)
    target, output = ops.where(mask, y_true, 0.0), ops.where(mask, y_pred, 0.0)
    count = ops.sum(ops.cast(mask, y_pred.dtype), axis=-1)
    return ops.sum(ops.square(target - output), axis=-1) / (count + 1e-8)


@register_keras_serializable("zoo")
def count_or_one(y_true, y_pred):
    return own_mean_square(y_true, y_pred, ops.not_equal(y_true, PAD))


masked(
    "epsilon-count",
    count_and_a_little,
    count_or_one,
    check="half-precision",
    rule="LSM205",
    why="In float16, 1e-8 is 0: the guard is gone where a sample is all padding.",
    witness=lambda: (halves([1, 2], [-1, -1]), halves([2, 2], [3, 3])),
)


@register_keras_serializable("zoo")
def scaled_by_the_sentinel(y_true, y_pred):
    mask = ops.not_equal(y_true, PAD)
    scale = ops.max(ops.abs(y_true), axis=-1) + 0.1
    return own_mean_square(y_true, y_pred, mask) / ops.square(scale)


@register_keras_serializable("zoo")
def scaled_by_own_steps(y_true, y_pred):
    mask = ops.not_equal(y_true, PAD)
    scale = ops.max(ops.abs(ops.where(mask, y_true, 0.0)), axis=-1) + 0.1
    return own_mean_square(y_true, y_pred, mask) / ops.square(scale)


masked(
    "padding-in-the-scale",
    scaled_by_the_sentinel,
    scaled_by_own_steps,
    check="padding-invariance",
    rule=None,
    why="The largest target of a sample may be the sentinel.",
    y_true="prob pad=-1",
    reference=None,
)


@register_keras_serializable("zoo")
def picked_by_the_mask(y_true, y_pred):
    mask = ops.not_equal(y_true, PAD)
    return ops.mean(ops.square(y_true[mask] - y_pred[mask]))


@register_keras_serializable("zoo")
def zeroed_by_the_mask(y_true, y_pred):
    mask = ops.not_equal(y_true, PAD)
    target, output = ops.where(mask, y_true, 0.0), ops.where(mask, y_pred, 0.0)
    count = ops.sum(ops.cast(mask, y_pred.dtype))
    return ops.sum(ops.square(target - output)) / ops.maximum(count, 1.0)


masked(
    "picked-by-a-mask",
    picked_by_the_mask,
    zeroed_by_the_mask,
    check="nothing-counted",
    rule="LSM207",
    why="The mean of no elements is NaN; and on JAX their number must be known beforehand.",
    promises=TOKENS,
    witness=lambda: (floats([-1, -1]), floats([2, 3])),
    reference=lambda y, p: np.mean((y - p)[y != PAD] ** 2),
)
