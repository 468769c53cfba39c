"""Gradients: none, another's, or the way up."""

import numpy as np
from keras import ops
from keras.saving import register_keras_serializable

from tests.zoo import pair
from tests.zoo import reference as ref


@register_keras_serializable("zoo")
def rounded(y_true, y_pred):
    return ops.mean(ops.square(y_true - ops.round(y_pred)), axis=-1)


@register_keras_serializable("zoo")
def unrounded(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


pair(
    "rounded-prediction",
    rounded,
    unrounded,
    axes="b f, b f",
    check="gradient-arrives",
    rule="LSM601",
    why="A step function is flat: nothing is learned.",
    reference=ref.squared,
)


@register_keras_serializable("zoo")
def wrong_answers(y_true, y_pred):
    wrong = ops.not_equal(ops.argmax(y_true, axis=-1), ops.argmax(y_pred, axis=-1))
    return ops.cast(wrong, y_pred.dtype)


@register_keras_serializable("zoo")
def doubtful_answers(y_true, y_pred):
    return -ops.sum(y_true * ops.log_softmax(y_pred, axis=-1), axis=-1)


pair(
    "accuracy-as-loss",
    wrong_answers,
    doubtful_answers,
    axes="b [c], b [c]",
    check="gradient-arrives",
    rule="LSM601",
    why="Neither argmax nor a comparison has a gradient.",
    y_true="simplex",
    y_pred="logits",
    reference=ref.crossentropy,
)


@register_keras_serializable("zoo")
def dice_of_decisions(y_true, y_pred):
    decided = ops.cast(y_pred > 0.5, y_pred.dtype)
    overlap = 2.0 * ops.sum(y_true * decided, axis=-1) + 1.0
    return 1.0 - overlap / (ops.sum(y_true, axis=-1) + ops.sum(decided, axis=-1) + 1.0)


@register_keras_serializable("zoo")
def dice_of_chances(y_true, y_pred):
    overlap = 2.0 * ops.sum(y_true * y_pred, axis=-1) + 1.0
    return 1.0 - overlap / (ops.sum(y_true, axis=-1) + ops.sum(y_pred, axis=-1) + 1.0)


pair(
    "thresholded-prediction",
    dice_of_decisions,
    dice_of_chances,
    axes="b [f], b [f]",
    check="gradient-arrives",
    rule="LSM601",
    why="The threshold cuts the gradient off.",
    y_true="binary",
    y_pred="prob",
    reference=ref.dice,
)


@register_keras_serializable("zoo")
def stopped_prediction(y_true, y_pred):
    return ops.mean(ops.abs(y_true - ops.stop_gradient(y_pred)), axis=-1)


@register_keras_serializable("zoo")
def stopped_target(y_true, y_pred):
    return ops.mean(ops.abs(ops.stop_gradient(y_true) - y_pred), axis=-1)


pair(
    "gradient-stopped-on-the-wrong-side",
    stopped_prediction,
    stopped_target,
    axes="b f, b f",
    check="gradient-arrives",
    rule="LSM601",
    why="The target was to be held fixed, and the prediction is.",
    reference=ref.absolute,
)


@register_keras_serializable("zoo")
def target_twice(y_true, y_pred):  # noqa: ARG001
    return ops.mean(ops.square(y_true - y_true), axis=-1)


@register_keras_serializable("zoo")
def target_and_prediction(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


pair(
    "prediction-unused",
    target_twice,
    target_and_prediction,
    axes="b f, b f",
    check="gradient-arrives",
    rule="LSM601",
    why="A slip of the pen: the target is compared with itself.",
    reference=ref.squared,
)


@register_keras_serializable("zoo")
def first_feature(y_true, y_pred):
    return ops.square(y_true[..., 0] - y_pred[..., 0])


@register_keras_serializable("zoo")
def every_feature(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


pair(
    "only-the-first-feature",
    first_feature,
    every_feature,
    axes="b f, b f",
    check="gradient-arrives",
    rule=None,
    why="Written for one feature, used for several: the others are never learned.",
    reference=ref.squared,
)


@register_keras_serializable("zoo")
def focal_stopped(y_true, y_pred):
    chance = y_true * y_pred + (1.0 - y_true) * (1.0 - y_pred)
    factor = ops.stop_gradient(ops.square(1.0 - chance))
    return -ops.mean(factor * ops.log(ops.maximum(chance, 1e-6)), axis=-1)


@register_keras_serializable("zoo")
def focal(y_true, y_pred):
    chance = y_true * y_pred + (1.0 - y_true) * (1.0 - y_pred)
    factor = ops.square(1.0 - chance)
    return -ops.mean(factor * ops.log(ops.maximum(chance, 1e-6)), axis=-1)


def _focal(y, p):
    chance = y * p + (1 - y) * (1 - p)
    return -np.mean((1 - chance) ** 2 * np.log(chance), axis=-1)


pair(
    "factor-held-fixed",
    focal_stopped,
    focal,
    axes="b f, b f",
    check="gradient",
    rule="LSM601",
    why="The focal factor depends on the prediction too; without its slope it is another loss.",
    y_true="binary",
    y_pred="prob",
    reference=_focal,
)


@ops.custom_gradient
def half_a_square(error):
    def grad(*args, upstream=None):
        return (args[0] if upstream is None else upstream) * error

    return ops.square(error), grad


@ops.custom_gradient
def whole_square(error):
    def grad(*args, upstream=None):
        return (args[0] if upstream is None else upstream) * 2.0 * error

    return ops.square(error), grad


@register_keras_serializable("zoo")
def by_half_a_square(y_true, y_pred):
    return ops.mean(half_a_square(y_true - y_pred), axis=-1)


@register_keras_serializable("zoo")
def by_a_whole_square(y_true, y_pred):
    return ops.mean(whole_square(y_true - y_pred), axis=-1)


pair(
    "custom-gradient-without-its-factor",
    by_half_a_square,
    by_a_whole_square,
    axes="b f, b f",
    check="gradient",
    rule=None,
    why="The gradient written by hand is not that of the value.",
    reference=ref.squared,
)


@ops.custom_gradient
def uphill_square(error):
    def grad(*args, upstream=None):
        return (args[0] if upstream is None else upstream) * -2.0 * error

    return ops.square(error), grad


@register_keras_serializable("zoo")
def by_an_uphill_square(y_true, y_pred):
    return ops.mean(uphill_square(y_true - y_pred), axis=-1)


@register_keras_serializable("zoo")
def by_a_downhill_square(y_true, y_pred):
    return ops.mean(whole_square(y_true - y_pred), axis=-1)


pair(
    "custom-gradient-uphill",
    by_an_uphill_square,
    by_a_downhill_square,
    axes="b f, b f",
    check="descent",
    rule=None,
    why="Each step of training makes the loss larger.",
    reference=ref.squared,
)


@register_keras_serializable("zoo")
def reversed_prediction(y_true, y_pred):
    y_pred = 2.0 * ops.stop_gradient(y_pred) - y_pred
    return ops.mean(ops.abs(y_true - y_pred), axis=-1)


@register_keras_serializable("zoo")
def plain_prediction(y_true, y_pred):
    return ops.mean(ops.abs(y_true - y_pred), axis=-1)


pair(
    "gradient-reversed",
    reversed_prediction,
    plain_prediction,
    axes="b f, b f",
    check="descent",
    rule=None,
    why="The trick of adversarial branches stands in the main loss: same value, opposite slope.",
    reference=ref.absolute,
)
