"""Graphs: code that runs by hand, and not where it is trained."""

import keras
import numpy as np
from keras import ops
from keras.saving import register_keras_serializable

from tests.zoo import pair
from tests.zoo import reference as ref


@register_keras_serializable("zoo")
def guesses_logits(y_true, y_pred):
    if ops.min(y_pred) < 0.0:
        y_pred = ops.sigmoid(y_pred)
    return keras.losses.binary_crossentropy(y_true, y_pred)


@register_keras_serializable("zoo")
def knows_chances(y_true, y_pred):
    return keras.losses.binary_crossentropy(y_true, y_pred)


pair(
    "branch-on-a-value",
    guesses_logits,
    knows_chances,
    axes="b f, b f",
    check="jit",
    rule="LSM504",
    why="While a graph is traced, a tensor is neither true nor false.",
    y_true="prob",
    y_pred="prob",
    reference=ref.binary,
)


@register_keras_serializable("zoo")
def as_python_number(y_true, y_pred):
    steepness = 1.0 + float(y_pred[0, 0] * 0.0)
    return ops.mean(ops.softplus(steepness * ops.abs(y_true - y_pred)), axis=-1)


@register_keras_serializable("zoo")
def as_constant(y_true, y_pred):
    steepness = 1.0
    return ops.mean(ops.softplus(steepness * ops.abs(y_true - y_pred)), axis=-1)


pair(
    "python-number-from-a-tensor",
    as_python_number,
    as_constant,
    axes="b f, b f",
    check="jit",
    rule="LSM503",
    why="`float` needs a value, and a traced tensor has none.",
    reference=lambda y, p: np.mean(np.log1p(np.exp(np.abs(y - p))), axis=-1),
)


@register_keras_serializable("zoo")
def through_numpy(y_true, y_pred):
    error = np.square(ops.convert_to_numpy(y_true) - ops.convert_to_numpy(y_pred))
    return ops.convert_to_tensor(error.mean(axis=-1))


@register_keras_serializable("zoo")
def through_ops(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


pair(
    "numpy-on-tensors",
    through_numpy,
    through_ops,
    axes="b f, b f",
    check="gradient-arrives",
    rule="LSM503",
    why="NumPy's results know nothing of where they come from.",
    reference=ref.squared,
)


@register_keras_serializable("zoo")
def length_of_batch(y_true, y_pred):
    total = ops.sum(ops.reshape(ops.square(y_true - y_pred), (len(y_pred), -1)), axis=-1)
    return ops.sqrt(total + 1e-6)


@register_keras_serializable("zoo")
def no_length(y_true, y_pred):
    total = ops.sum(ops.square(y_true - y_pred), axis=(1, 2))
    return ops.sqrt(total + 1e-6)


pair(
    "length-of-the-batch",
    length_of_batch,
    no_length,
    axes="b t f, b t f",
    check="dynamic-batch",
    rule="LSM104",
    why="A batch of any size has no length while it is traced.",
    reference=lambda y, p: np.sqrt(np.sum((y - p) ** 2, axis=(1, 2)) + 1e-6),
)


@register_keras_serializable("zoo")
def noisy(y_true, y_pred):
    y_true = y_true + 0.1 * keras.random.normal(ops.shape(y_true))
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


@register_keras_serializable("zoo")
def noiseless(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


pair(
    "noise-in-the-loss",
    noisy,
    noiseless,
    axes="b f, b f",
    check="pure",
    rule=None,
    why="The same batch has another loss each time, in validation too.",
    reference=ref.squared,
)


@register_keras_serializable("zoo")
def printed(y_true, y_pred):
    error = ops.mean(ops.square(y_true - y_pred), axis=-1)
    print("error", error)
    return error


@register_keras_serializable("zoo")
def unprinted(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


pair(
    "print-in-the-loss",
    printed,
    unprinted,
    axes="b f, b f",
    check="pure",
    rule="LSM506",
    why="In a graph it prints once, while tracing, and no values.",
    reference=ref.squared,
)
