"""Masks: that let padding in, turn NaN, or do nothing."""

import numpy as np
from keras import ops
from keras.saving import register_keras_serializable

from tests.zoo import pair
from tests.zoo import reference as ref
from tests.zoo.reference import floats, halves

PAD = -1.0
FAR = -9999.0
OWN = {"normalises": "samples"}


def own_mean_square(y_true, y_pred, mask):
    """The right end of many twins: the mean of each sample over its own steps."""
    target, output = ops.where(mask, y_true, 0.0), ops.where(mask, y_pred, 0.0)
    count = ops.sum(ops.cast(mask, y_pred.dtype), axis=-1)
    return ops.sum(ops.square(target - output), axis=-1) / ops.maximum(count, 1.0)


def masked(sin, wrong, right, **said):
    """Add a pair of losses on steps, some of which are padding."""
    common = {"axes": "b t, b t", "y_true": "real pad=-1", "promises": OWN}
    pair(sin, wrong, right, **(common | {"reference": ref.counted} | said))


@register_keras_serializable("zoo")
def mean_with_zeros(y_true, y_pred):
    mask = ops.not_equal(y_true, PAD)
    target, output = ops.where(mask, y_true, 0.0), ops.where(mask, y_pred, 0.0)
    return ops.mean(ops.square(target - output), axis=-1)


@register_keras_serializable("zoo")
def mean_of_own_steps(y_true, y_pred):
    mask = ops.not_equal(y_true, PAD)
    target, output = ops.where(mask, y_true, 0.0), ops.where(mask, y_pred, 0.0)
    count = ops.sum(ops.cast(mask, y_pred.dtype), axis=-1)
    return ops.sum(ops.square(target - output), axis=-1) / ops.maximum(count, 1.0)


masked(
    "mean-over-padding",
    mean_with_zeros,
    mean_of_own_steps,
    check="padding-invariance",
    rule="LSM203",
    why="Padded steps add nothing and are counted all the same: longer padding, smaller loss.",
)


@register_keras_serializable("zoo")
def multiplied_by_the_mask(y_true, y_pred):
    mask = ops.cast(ops.not_equal(y_true, PAD), y_pred.dtype)
    count = ops.maximum(ops.sum(mask, axis=-1), 1.0)
    return ops.sum(mask * ops.square(y_true - y_pred), axis=-1) / count


@register_keras_serializable("zoo")
def chosen_by_the_mask(y_true, y_pred):
    return own_mean_square(y_true, y_pred, ops.not_equal(y_true, PAD))


masked(
    "mask-by-multiplication",
    multiplied_by_the_mask,
    chosen_by_the_mask,
    check="masked-nan",
    rule="LSM201",
    why="Zero times NaN is NaN: what a padded step holds comes through.",
    witness=lambda: (floats([1, -1]), floats([2, np.nan])),
)


@register_keras_serializable("zoo")
def where_after_the_square(y_true, y_pred):
    mask = ops.logical_not(ops.isnan(y_true))
    error = ops.where(mask, ops.square(y_true - y_pred), 0.0)
    count = ops.sum(ops.cast(mask, y_pred.dtype), axis=-1)
    return ops.sum(error, axis=-1) / ops.maximum(count, 1.0)


@register_keras_serializable("zoo")
def where_before_the_square(y_true, y_pred):
    return own_mean_square(y_true, y_pred, ops.logical_not(ops.isnan(y_true)))


masked(
    "half-guarded-where",
    where_after_the_square,
    where_before_the_square,
    check="masked-nan",
    rule="LSM202",
    why="The value is right and the gradient NaN: the branch not taken is differentiated too.",
    y_true="real pad=nan",
    reference=lambda y, p: ref.counted(y, p, np.nan),
)


@register_keras_serializable("zoo")
def log_then_where(y_true, y_pred):
    mask = ops.not_equal(y_true, PAD)
    error = ops.where(mask, y_pred - y_true * ops.log(y_pred), 0.0)
    count = ops.sum(ops.cast(mask, y_pred.dtype), axis=-1)
    return ops.sum(error, axis=-1) / ops.maximum(count, 1.0)


@register_keras_serializable("zoo")
def where_then_log(y_true, y_pred):
    mask = ops.not_equal(y_true, PAD)
    output = ops.maximum(ops.where(mask, y_pred, 1.0), 1e-6)
    error = ops.where(mask, output - y_true * ops.log(output), 0.0)
    count = ops.sum(ops.cast(mask, y_pred.dtype), axis=-1)
    return ops.sum(error, axis=-1) / ops.maximum(count, 1.0)


masked(
    "log-before-where",
    log_then_where,
    where_then_log,
    check="masked-nan",
    rule="LSM202",
    why="A padded prediction of 0 has an infinite slope, and zero times it is NaN.",
    y_true="prob pad=-1",
    y_pred="prob",
    witness=lambda: (floats([0.5, -1]), floats([0.5, 0])),
    reference=None,
)


@register_keras_serializable("zoo")
def mask_times_a_mean(y_true, y_pred):
    mask = ops.cast(ops.not_equal(y_true, PAD), y_pred.dtype)
    error = ops.mean(ops.square(y_true - y_pred), axis=-1, keepdims=True)
    return ops.sum(mask * error, axis=-1) / ops.maximum(ops.sum(mask, axis=-1), 1.0)


@register_keras_serializable("zoo")
def mask_on_steps(y_true, y_pred):
    return own_mean_square(y_true, y_pred, ops.not_equal(y_true, PAD))


masked(
    "mask-times-a-mean",
    mask_times_a_mean,
    mask_on_steps,
    check="masked-values",
    rule="LSM206",
    why="The error is averaged before it meets the mask, which then scales one number.",
)


@register_keras_serializable("zoo")
def mask_dropped(y_true, y_pred):
    mask = ops.not_equal(y_true, PAD)
    count = ops.sum(ops.cast(mask, y_pred.dtype), axis=-1)
    return ops.sum(ops.square(y_true - y_pred), axis=-1) / ops.maximum(count, 1.0)


@register_keras_serializable("zoo")
def mask_used(y_true, y_pred):
    return own_mean_square(y_true, y_pred, ops.not_equal(y_true, PAD))


masked(
    "mask-only-counted",
    mask_dropped,
    mask_used,
    check="masked-values",
    rule="LSM206",
    why="The mask reaches the divisor and never the error.",
)


@register_keras_serializable("zoo")
def mask_inverted(y_true, y_pred):
    return own_mean_square(y_true, y_pred, ops.equal(y_true, PAD))


@register_keras_serializable("zoo")
def mask_upright(y_true, y_pred):
    return own_mean_square(y_true, y_pred, ops.not_equal(y_true, PAD))


masked(
    "mask-inverted",
    mask_inverted,
    mask_upright,
    check="masked-values",
    rule=None,
    why="Only the padding is learned.",
)


@register_keras_serializable("zoo")
def unequal_to_nan(y_true, y_pred):
    return own_mean_square(y_true, y_pred, ops.not_equal(y_true, float("nan")))


@register_keras_serializable("zoo")
def is_not_nan(y_true, y_pred):
    return own_mean_square(y_true, y_pred, ops.logical_not(ops.isnan(y_true)))


masked(
    "compared-with-nan",
    unequal_to_nan,
    is_not_nan,
    check="masked-nan",
    rule="LSM208",
    why="NaN is unequal to everything, itself included: nothing is masked.",
    y_true="real pad=nan",
    reference=lambda y, p: ref.counted(y, p, np.nan),
)


@register_keras_serializable("zoo")
def far_sentinel(y_true, y_pred):
    y_true, y_pred = ops.cast(y_true, "float32"), ops.cast(y_pred, "float32")
    return own_mean_square(y_true, y_pred, ops.not_equal(y_true, FAR))


@register_keras_serializable("zoo")
def far_below(y_true, y_pred):
    y_true, y_pred = ops.cast(y_true, "float32"), ops.cast(y_pred, "float32")
    return own_mean_square(y_true, y_pred, ops.greater(y_true, 0.9 * FAR))


masked(
    "sentinel-rounded-away",
    far_sentinel,
    far_below,
    check="half-precision",
    rule="LSM208",
    why="A target of -9999 reaches the loss as -10000 in float16, and counts.",
    y_true="real pad=-9999",
    witness=lambda: (halves([1, -9999]), halves([2, 2])),
    reference=lambda y, p: ref.counted(y, p, FAR),
)


@register_keras_serializable("zoo")
def mask_from_argmax(y_true, y_pred):
    mask = ops.argmax(y_true, axis=-1) > 0
    error = -ops.sum(y_true * ops.log_softmax(ops.where(mask[..., None], y_pred, 0.0)), axis=-1)
    count = ops.sum(ops.cast(mask, y_pred.dtype), axis=-1)
    return ops.sum(ops.where(mask, error, 0.0), axis=-1) / ops.maximum(count, 1.0)


@register_keras_serializable("zoo")
def mask_from_any(y_true, y_pred):
    mask = ops.any(y_true > 0, axis=-1)
    error = -ops.sum(y_true * ops.log_softmax(ops.where(mask[..., None], y_pred, 0.0)), axis=-1)
    count = ops.sum(ops.cast(mask, y_pred.dtype), axis=-1)
    return ops.sum(ops.where(mask, error, 0.0), axis=-1) / ops.maximum(count, 1.0)


masked(
    "class-zero-taken-for-padding",
    mask_from_argmax,
    mask_from_any,
    axes="b t [c], b t [c]",
    check="gradient-arrives",
    rule=None,
    why="The argmax of a row of zeros is 0, and so is that of the first class.",
    y_true="simplex pad=0",
    y_pred="logits",
    reference=None,
)


@register_keras_serializable("zoo")
def mean_under_a_mask(y_true, y_pred):
    return ops.mean(ops.abs(y_true - y_pred))


@register_keras_serializable("zoo")
def steps_under_a_mask(y_true, y_pred):
    return ops.mean(ops.abs(y_true - y_pred), axis=-1)


pair(
    "averaged-under-a-keras-mask",
    mean_under_a_mask,
    steps_under_a_mask,
    axes="b t f, b t f",
    check="masked-values",
    rule="LSM102",
    why="The mask of a Masking or Embedding layer finds one number and has no effect.",
    promises={"mask": "keras", "normalises": "tokens"},
    witness=lambda: (
        floats([[1], [0]], [[2], [0]]),
        floats([[2], [50]], [[2], [3]]),
        np.array([[True, False], [True, True]]),
    ),
    reference=ref.absolute,
)
