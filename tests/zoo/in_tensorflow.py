"""Losses in TensorFlow."""

import numpy as np
import tensorflow as tf
from keras import ops
from keras.saving import register_keras_serializable

from tests.zoo import pair
from tests.zoo import reference as ref
from tests.zoo.reference import floats

PAD = -1.0


def in_tensorflow(sin, wrong, right, *, promises=(), **said):
    """Add a pair of losses that promise nothing beyond TensorFlow."""
    promises = {"backends": ["tensorflow"], **dict(promises)}
    pair(sin, wrong, right, promises=promises, backend="tensorflow", **said)


@register_keras_serializable("zoo")
def reduce_all(y_true, y_pred):
    return tf.reduce_mean(tf.square(y_true - y_pred))


@register_keras_serializable("zoo")
def reduce_features(y_true, y_pred):
    return tf.reduce_mean(tf.square(y_true - y_pred), axis=-1)


in_tensorflow(
    "reduce-mean-of-the-batch",
    reduce_all,
    reduce_features,
    axes="b f, b f",
    check="weight-equivalence",
    rule="LSM102",
    why="One number comes back, and there is nothing to weigh.",
    witness=lambda: (floats([0, 0], [0, 0]), floats([3, 2], [1, 0]), floats(0, 1)),
    reference=ref.squared,
)


@register_keras_serializable("zoo")
def only_where_masked(y_true, y_pred):
    mask = tf.not_equal(y_true, PAD)
    error = tf.abs(tf.boolean_mask(y_true, mask) - tf.boolean_mask(y_pred, mask))
    return tf.reduce_mean(error)


@register_keras_serializable("zoo")
def zero_where_masked(y_true, y_pred):
    mask = tf.not_equal(y_true, PAD)
    error = tf.abs(tf.where(mask, y_true, 0.0) - tf.where(mask, y_pred, 0.0))
    return tf.math.divide_no_nan(tf.reduce_sum(error), tf.reduce_sum(tf.cast(mask, error.dtype)))


in_tensorflow(
    "boolean-mask-of-nothing",
    only_where_masked,
    zero_where_masked,
    axes="b t, b t",
    check="nothing-counted",
    rule="LSM207",
    why="The mean of no elements is NaN, and their number is unknown to the compiler.",
    y_true="real pad=-1",
    promises={"normalises": "tokens", "weights": "one number for the batch"},
    witness=lambda: (floats([-1, -1]), floats([2, 3])),
    reference=lambda y, p: np.mean(np.abs(y - p)[y != PAD]),
)


@register_keras_serializable("zoo")
def outside_the_tape(y_true, y_pred):
    error = tf.py_function(lambda y, p: abs(y.numpy() - p.numpy()), [y_true, y_pred], tf.float32)
    return tf.reduce_mean(tf.reshape(error, tf.shape(y_pred)), axis=-1)


@register_keras_serializable("zoo")
def inside_the_tape(y_true, y_pred):
    return tf.reduce_mean(tf.abs(y_true - y_pred), axis=-1)


in_tensorflow(
    "through-py-function",
    outside_the_tape,
    inside_the_tape,
    axes="b f, b f",
    check="gradient-arrives",
    rule="LSM503",
    why="What NumPy computes inside `py_function` has no gradient.",
    reference=ref.absolute,
)


@register_keras_serializable("zoo")
def assert_on_values(y_true, y_pred):
    error = tf.reduce_mean(tf.square(y_true - y_pred), axis=-1)
    assert tf.reduce_all(error >= 0.0)
    return error


@register_keras_serializable("zoo")
def assert_on_nothing(y_true, y_pred):
    return tf.reduce_mean(tf.square(y_true - y_pred), axis=-1)


in_tensorflow(
    "assert-on-a-tensor",
    assert_on_values,
    assert_on_nothing,
    axes="b f, b f",
    check="jit",
    rule="LSM504",
    why="While a graph is traced, a tensor is neither true nor false.",
    reference=ref.squared,
)


@register_keras_serializable("zoo")
def in_one_framework(y_true, y_pred):
    return tf.reduce_mean(tf.abs(y_true - y_pred), axis=-1)


@register_keras_serializable("zoo")
def in_all_frameworks(y_true, y_pred):
    return ops.mean(ops.abs(y_true - y_pred), axis=-1)


pair(
    "one-framework-only",
    in_one_framework,
    in_all_frameworks,
    axes="b f, b f",
    check="backends-agree",
    rule="LSM501",
    why="The same model on another backend cannot be trained with it.",
    backend="tensorflow",
    reference=ref.absolute,
)


@register_keras_serializable("zoo")
def unsafe_norm(y_true, y_pred):
    return tf.norm(y_true - y_pred, axis=-1)


@register_keras_serializable("zoo")
def safe_norm(y_true, y_pred):
    return tf.sqrt(tf.reduce_sum(tf.square(y_true - y_pred), axis=-1) + 1e-6)


in_tensorflow(
    "norm-at-zero",
    unsafe_norm,
    safe_norm,
    axes="b [f], b [f]",
    check="extremes",
    rule="LSM305",
    why="The gradient of a norm at zero is NaN.",
    witness=lambda: (floats([1, 2]), floats([1, 2])),
    reference=lambda y, p: np.sqrt(ref.summed(y, p) + 1e-6),
)
