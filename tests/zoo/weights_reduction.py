"""Reductions: over the batch, by the wrong number, or not at all."""

import numpy as np
from keras import ops
from keras.saving import register_keras_serializable

from tests.zoo import pair
from tests.zoo import reference as ref
from tests.zoo.reference import floats


def half_weighed():
    """A sample with a large error and weight 0, and one without."""
    return floats([0, 0], [0, 0]), floats([3, 2], [1, 0]), floats(0, 1)


@register_keras_serializable("zoo")
def mean_of_all(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred))


@register_keras_serializable("zoo")
def mean_of_each(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


pair(
    "batch-averaged-by-hand",
    mean_of_all,
    mean_of_each,
    axes="b f, b f",
    check="weight-equivalence",
    rule="LSM102",
    why="One number comes back, and Keras multiplies it by the mean of the sample weights.",
    witness=half_weighed,
    reference=ref.squared,
)


@register_keras_serializable("zoo")
def flat_mean(y_true, y_pred):
    y_true, y_pred = ops.reshape(y_true, (-1,)), ops.reshape(y_pred, (-1,))
    return ops.mean(ops.abs(y_true - y_pred))


@register_keras_serializable("zoo")
def row_mean(y_true, y_pred):
    return ops.mean(ops.abs(y_true - y_pred), axis=-1)


pair(
    "flattened-before-the-mean",
    flat_mean,
    row_mean,
    axes="b f, b f",
    check="weight-equivalence",
    rule="LSM102",
    why="Flattening puts samples and features on one axis, and the weights have none to go with.",
    witness=half_weighed,
    reference=ref.absolute,
)


@register_keras_serializable("zoo")
def believes_it_weighs(y_true, y_pred, sample_weight=None):
    error = ops.mean(ops.square(y_true - y_pred), axis=-1)
    if sample_weight is not None:
        error = error * sample_weight
    return ops.mean(error)


@register_keras_serializable("zoo")
def lets_keras_weigh(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


pair(
    "phantom-sample-weight",
    believes_it_weighs,
    lets_keras_weigh,
    axes="b f, b f",
    check="weight-equivalence",
    rule="LSM407",
    why="Keras never passes a third argument, so that the weights are never used.",
    witness=half_weighed,
    reference=ref.squared,
)


@register_keras_serializable("zoo")
def mean_over_samples(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred), axis=0)


@register_keras_serializable("zoo")
def mean_over_features(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred), axis=1)


pair(
    "averaged-over-axis-zero",
    mean_over_samples,
    mean_over_features,
    axes="b f, b f",
    check="weight-shapes",
    rule="LSM102",
    why="With as many features as samples, the weights of samples are given to features.",
    witness=half_weighed,
    reference=ref.squared,
)


@register_keras_serializable("zoo")
def elements(y_true, y_pred):
    return ops.square(y_true - y_pred)


@register_keras_serializable("zoo")
def elements_averaged(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


pair(
    "elements-returned",
    elements,
    elements_averaged,
    axes="b f, b f",
    check="weight-shapes",
    rule=None,
    why="A weight for each sample meets the last axis, which is that of the features.",
    witness=half_weighed,
    reference=ref.squared,
)


@register_keras_serializable("zoo")
def kept_dims(y_true, y_pred):
    return ops.max(ops.abs(y_true - y_pred), axis=(1, 2), keepdims=True)


@register_keras_serializable("zoo")
def dropped_dims(y_true, y_pred):
    return ops.max(ops.abs(y_true - y_pred), axis=(1, 2))


pair(
    "axes-kept",
    kept_dims,
    dropped_dims,
    axes="b t f, b t f",
    check="output-contract",
    rule=None,
    why="Axes of length one stay behind, (B, 1, 1) for (B,), and masks and weights do not fit.",
    promises={"sparse_gradient": "maximum"},
    reference=lambda y, p: np.max(np.abs(y - p), axis=(1, 2)),
)


@register_keras_serializable("zoo")
def sum_of_all(y_true, y_pred):
    return ops.sum(ops.abs(y_true - y_pred))


@register_keras_serializable("zoo")
def sum_of_each(y_true, y_pred):
    return ops.sum(ops.abs(y_true - y_pred), axis=-1)


pair(
    "batch-summed",
    sum_of_all,
    sum_of_each,
    axes="b f, b f",
    check="split-consistency",
    rule="LSM102",
    why="Twice the batch is twice the gradient, and the learning rate means another thing.",
    promises={"normalises": "samples"},
    reference=lambda y, p: np.sum(np.abs(y - p), axis=-1),
)


@register_keras_serializable("zoo")
def divided_twice(y_true, y_pred):
    samples = ops.cast(ops.shape(y_pred)[0], y_pred.dtype)
    return ops.mean(ops.square(y_true - y_pred), axis=-1) / samples


@register_keras_serializable("zoo")
def divided_by_keras(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


pair(
    "divided-by-the-batch-twice",
    divided_twice,
    divided_by_keras,
    axes="b f, b f",
    check="split-consistency",
    rule=None,
    why="Keras divides by the batch size once more.",
    promises={"normalises": "samples"},
    reference=ref.squared,
)


@register_keras_serializable("zoo")
def classes_weigh_steps(y_true, y_pred):
    weight = ops.arange(1, y_pred.shape[-1] + 1, dtype=y_pred.dtype)
    error = -ops.sum(y_true * ops.log_softmax(y_pred, axis=-1), axis=-1)
    return error * weight


@register_keras_serializable("zoo")
def classes_weigh_classes(y_true, y_pred):
    weight = ops.arange(1, y_pred.shape[-1] + 1, dtype=y_pred.dtype)
    error = -ops.sum(y_true * ops.log_softmax(y_pred, axis=-1), axis=-1)
    return ops.sum(y_true * weight, axis=-1) * error


pair(
    "class-weights-on-the-time-axis",
    classes_weigh_steps,
    classes_weigh_classes,
    axes="b t [c], b t [c]",
    check="no-silent-broadcast",
    rule=None,
    why="The weights of classes meet the axis of steps, and fit when both are equally long.",
    y_true="simplex",
    y_pred="logits",
    witness=lambda: (floats([[0, 1], [0, 1]]), floats([[1, 0], [2, 0]])),
    reference=lambda y, x: (
        np.sum(np.arange(1, y.shape[-1] + 1) * y, axis=-1) * ref.crossentropy(y, x)
    ),
)


@register_keras_serializable("zoo")
def weight_squared(y_true, y_pred):
    weight = ops.where(y_true > 0, 3.0, 1.0)
    return ops.mean(ops.square(weight * (y_true - y_pred)), axis=-1)


@register_keras_serializable("zoo")
def weight_once(y_true, y_pred):
    weight = ops.where(y_true > 0, 3.0, 1.0)
    return ops.mean(weight * ops.square(y_true - y_pred), axis=-1)


pair(
    "weight-inside-the-square",
    weight_squared,
    weight_once,
    axes="b f, b f",
    check=None,
    rule=None,
    why="A weight of three counts nine times; what was meant, the code does not say.",
    reference=lambda y, p: np.mean(np.where(y > 0, 3, 1) * (y - p) ** 2, axis=-1),
)
