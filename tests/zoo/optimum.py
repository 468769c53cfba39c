"""The optimum: losses that are lowest somewhere else than at the target."""

import keras
import numpy as np
from keras import ops
from keras.saving import register_keras_serializable

from tests.zoo import pair
from tests.zoo import reference as ref
from tests.zoo.reference import floats


@register_keras_serializable("zoo")
def dice_score(y_true, y_pred):
    overlap = 2.0 * ops.sum(y_true * y_pred, axis=-1) + 1.0
    return overlap / (ops.sum(y_true, axis=-1) + ops.sum(y_pred, axis=-1) + 1.0)


@register_keras_serializable("zoo")
def dice_loss(y_true, y_pred):
    overlap = 2.0 * ops.sum(y_true * y_pred, axis=-1) + 1.0
    return 1.0 - overlap / (ops.sum(y_true, axis=-1) + ops.sum(y_pred, axis=-1) + 1.0)


pair(
    "score-as-loss",
    dice_score,
    dice_loss,
    axes="b [f], b [f]",
    check="perfect-is-best",
    rule="LSM602",
    why="A score is better when higher, and a loss is minimised.",
    y_true="binary",
    y_pred="prob",
    reference=ref.dice,
)


@register_keras_serializable("zoo")
def log_likelihood(y_true, y_pred):
    return ops.sum(y_true * ops.log(ops.maximum(y_pred, 1e-6)), axis=-1)


@register_keras_serializable("zoo")
def negative_log_likelihood(y_true, y_pred):
    return -ops.sum(y_true * ops.log(ops.maximum(y_pred, 1e-6)), axis=-1)


pair(
    "likelihood-minimised",
    log_likelihood,
    negative_log_likelihood,
    axes="b [c], b [c]",
    check="perfect-is-best",
    rule=None,
    why="The minus is missing.",
    y_true="simplex",
    y_pred="simplex",
    reference=ref.log_loss,
)


@register_keras_serializable("zoo")
def prediction_alone(y_true, y_pred):  # noqa: ARG001
    return ops.mean(ops.square(y_pred), axis=-1)


@register_keras_serializable("zoo")
def prediction_and_target(y_true, y_pred):
    return ops.mean(ops.square(y_pred - y_true), axis=-1)


pair(
    "target-ignored",
    prediction_alone,
    prediction_and_target,
    axes="b f, b f",
    check="perfect-is-best",
    rule=None,
    why="Every target is taken for 0.",
    reference=ref.squared,
)


@register_keras_serializable("zoo")
def square_before_minus(y_true, y_pred):
    return ops.mean(ops.abs(y_true - y_pred**2), axis=-1)


@register_keras_serializable("zoo")
def minus_before_square(y_true, y_pred):
    return ops.mean(ops.abs((y_true - y_pred) ** 2), axis=-1)


pair(
    "power-before-minus",
    square_before_minus,
    minus_before_square,
    axes="b f, b f",
    check="perfect-is-best",
    rule=None,
    why="`**` binds tighter than `-`.",
    reference=ref.squared,
)


@register_keras_serializable("zoo")
def softmax_of_steps(y_true, y_pred):
    return -ops.sum(y_true * ops.log_softmax(y_pred, axis=1), axis=-1)


@register_keras_serializable("zoo")
def softmax_of_classes(y_true, y_pred):
    return -ops.sum(y_true * ops.log_softmax(y_pred, axis=-1), axis=-1)


pair(
    "softmax-over-steps",
    softmax_of_steps,
    softmax_of_classes,
    axes="b t [c], b t [c]",
    check="perfect-is-best",
    rule=None,
    why="Steps compete for each class, where classes should compete for each step.",
    y_true="simplex",
    y_pred="logits",
    reference=ref.crossentropy,
)


@register_keras_serializable("zoo")
def scores_as_chances(labels, logits):
    return keras.losses.binary_crossentropy(labels, logits)


@register_keras_serializable("zoo")
def scores_as_scores(labels, logits):
    return keras.losses.binary_crossentropy(labels, logits, from_logits=True)


pair(
    "logits-as-probabilities",
    scores_as_chances,
    scores_as_scores,
    axes="b f, b f",
    check="perfect-is-best",
    rule="LSM308",
    why="Logits are clipped to 0 and 1, and those outside are never learned.",
    y_true="prob",
    y_pred="logits",
    reference=lambda y, x: ref.binary(y, 1 / (1 + np.exp(-x))),
)


@register_keras_serializable("zoo")
def chances_as_logits(y_true, y_pred):
    return keras.losses.categorical_crossentropy(y_true, y_pred, from_logits=True)


@register_keras_serializable("zoo")
def chances_as_chances(y_true, y_pred):
    return keras.losses.categorical_crossentropy(y_true, y_pred)


pair(
    "probabilities-as-logits",
    chances_as_logits,
    chances_as_chances,
    axes="b [c], b [c]",
    check="perfect-is-best",
    rule=None,
    why="The model ends in a softmax, and the loss takes another.",
    y_true="simplex",
    y_pred="simplex",
)


@register_keras_serializable("zoo")
def prediction_first(y_pred, y_true):
    return -ops.sum(y_true * ops.log(ops.maximum(y_pred, 1e-6)), axis=-1)


@register_keras_serializable("zoo")
def target_first(y_true, y_pred):
    return -ops.sum(y_true * ops.log(ops.maximum(y_pred, 1e-6)), axis=-1)


pair(
    "arguments-swapped",
    prediction_first,
    target_first,
    axes="b [c], b [c]",
    check="perfect-is-best",
    rule="LSM404",
    why="Keras passes the target first: the loss of the target under the prediction is learned.",
    y_true="simplex",
    y_pred="simplex",
    witness=lambda: (floats([0.2, 0.8]), floats([0.5, 0.5])),
    reference=ref.log_loss,
)
