"""Statistics of the batch: the loss of a sample depends on its neighbours."""

import numpy as np
from keras import ops
from keras.saving import register_keras_serializable

from tests.zoo import pair
from tests.zoo import reference as ref


@register_keras_serializable("zoo")
def scaled_by_the_batch(y_true, y_pred):
    spread = ops.std(y_true, axis=0) + 0.1
    return ops.mean(ops.square((y_true - y_pred) / spread), axis=-1)


@register_keras_serializable("zoo")
def scaled_by_the_row(y_true, y_pred):
    spread = ops.std(y_true, axis=-1, keepdims=True) + 0.1
    return ops.mean(ops.square((y_true - y_pred) / spread), axis=-1)


pair(
    "scaled-by-the-spread-of-the-batch",
    scaled_by_the_batch,
    scaled_by_the_row,
    axes="b f, b f",
    check="sample-independence",
    rule=None,
    why="The error of a sample depends on which others were drawn with it.",
    reference=lambda y, p: ref.squared(y, p) / (np.std(y, axis=-1) + 0.1) ** 2,
)


@register_keras_serializable("zoo")
def root_of_the_batch(y_true, y_pred):
    return ops.sqrt(ops.mean(ops.square(y_true - y_pred)) + 1e-6)


@register_keras_serializable("zoo")
def root_of_each(y_true, y_pred):
    return ops.sqrt(ops.mean(ops.square(y_true - y_pred), axis=-1) + 1e-6)


pair(
    "root-over-the-batch",
    root_of_the_batch,
    root_of_each,
    axes="b f, b f",
    check="sample-independence",
    rule="LSM102",
    why="The root of the mean of a batch is not the mean of roots: each sample divides by all.",
    reference=lambda y, p: np.sqrt(ref.squared(y, p) + 1e-6),
)


@register_keras_serializable("zoo")
def softmax_of_the_batch(y_true, y_pred):
    return -ops.sum(y_true * ops.log_softmax(y_pred, axis=0), axis=-1)


@register_keras_serializable("zoo")
def softmax_of_classes(y_true, y_pred):
    return -ops.sum(y_true * ops.log_softmax(y_pred, axis=-1), axis=-1)


pair(
    "softmax-over-the-batch",
    softmax_of_the_batch,
    softmax_of_classes,
    axes="b [c], b [c]",
    check="sample-independence",
    rule=None,
    why="Samples compete for each class, where classes should compete for each sample.",
    y_true="simplex",
    y_pred="logits",
    reference=ref.crossentropy,
)


@register_keras_serializable("zoo")
def dice_of_the_batch(y_true, y_pred):
    overlap = 2.0 * ops.sum(y_true * y_pred) + 1.0
    return 1.0 - overlap / (ops.sum(y_true) + ops.sum(y_pred) + 1.0)


@register_keras_serializable("zoo")
def dice_of_each(y_true, y_pred):
    overlap = 2.0 * ops.sum(y_true * y_pred, axis=-1) + 1.0
    return 1.0 - overlap / (ops.sum(y_true, axis=-1) + ops.sum(y_pred, axis=-1) + 1.0)


pair(
    "dice-over-the-batch",
    dice_of_the_batch,
    dice_of_each,
    axes="b [f], b [f]",
    check="sample-independence",
    rule="LSM102",
    why="One overlap of all samples hides the small ones in the large.",
    y_true="binary",
    y_pred="prob",
    reference=ref.dice,
)
