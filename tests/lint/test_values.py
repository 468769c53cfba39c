"""What the reading of a loss knows about its values: the last expression is looked at."""

import textwrap

import pytest

from lossmith.lint.losses import losses
from lossmith.lint.module import Module
from lossmith.lint.values import Reduced

HEAD = """
import keras
from keras import ops
import tensorflow as tf
from tensorflow.keras import backend as K
import jax.numpy as jnp
EPS = 1e-6
def helper(x, m):
    return ops.sum(x * m, axis=-1)
def loss(y_true, y_pred, mask=None, alpha=0.5):
"""


def returned(body):
    (loss,) = [x for x in losses(Module(HEAD + textwrap.indent(body, "    "))) if x.name == "loss"]
    return loss.returned


@pytest.mark.parametrize(
    ("body", "origin"),
    [
        ("return y_true", "target"),
        ("return ops.abs(y_pred)", "prediction"),
        ("x = y_true\nx = x - y_pred\nreturn x", "both"),
        ("x = y_true\nx = y_pred\nreturn x", "prediction"),
        ("x = y_true\nif alpha: x = y_pred\nreturn x", "both"),
        ("x = 0\nfor i in range(3): x += y_pred\nreturn x", "prediction"),
        ("return ops.shape(y_pred)", "neither"),
        ("return y_pred.shape[0]", "neither"),
        ("a, b = y_true, y_pred\nreturn a", "target"),
        ("return helper(y_true, y_pred)", "both"),
        ("f = lambda x: x + 1\nreturn f(y_true)", "target"),
        ("def inner(x): return x * y_pred\nreturn inner(y_true)", "both"),
        ("return unknown(y_true)", "target"),
        ("return [p for p in y_pred]", "prediction"),
        ("return alpha", "neither"),
    ],
)
def test_where_a_value_comes_from(body, origin):
    assert returned(body).origin == origin


@pytest.mark.parametrize(
    ("body", "reduced"),
    [
        ("return y_pred", Reduced.NOT),
        ("return ops.mean(y_pred, axis=-1)", Reduced.SOME),
        ("return ops.mean(y_pred, -1)", Reduced.SOME),
        ("return tf.reduce_mean(y_pred, axis=[1, 2])", Reduced.SOME),
        ("return ops.mean(y_pred, axis=0)", Reduced.BATCH),
        ("return ops.mean(y_pred)", Reduced.ALL),
        ("return K.mean(y_pred, axis=None)", Reduced.ALL),
        ("return y_pred.mean()", Reduced.ALL),
        ("return jnp.mean(y_pred)", Reduced.ALL),
        ("return ops.mean(ops.mean(y_pred, axis=-1))", Reduced.ALL),
        ("return y_pred / ops.max(y_pred)", Reduced.NOT),
        ("return 2.0 * ops.mean(y_pred, axis=-1)", Reduced.SOME),
        ("return ops.mean(K.flatten(y_pred), axis=-1)", Reduced.ALL),
        ("return keras.losses.mean_squared_error(y_true, y_pred)", Reduced.SOME),
        ("return keras.losses.MeanSquaredError()(y_true, y_pred)", Reduced.ALL),
        ("return keras.losses.MeanSquaredError(reduction=None)(y_true, y_pred)", Reduced.SOME),
        ("return helper(y_true, y_pred)", Reduced.SOME),
    ],
)
def test_over_what_a_value_is_reduced(body, reduced):
    assert returned(body).reduced is reduced


@pytest.mark.parametrize(
    ("body", "indicator", "mask"),
    [
        ("return ops.not_equal(y_true, 0)", True, True),
        ("return y_true != 0", True, True),
        ("return K.cast(K.not_equal(y_true, -1), 'float32')", True, True),
        ("return ~tf.math.equal(y_true, 0)", True, True),
        ("return 1 - tf.cast(tf.equal(y_true, 0), tf.float32)", True, True),
        ("return ops.isfinite(y_true)", True, True),
        ("valid = ops.cast(y_true > 0, 'float32')\nreturn valid", True, True),
        ("return mask", True, True),
        ("return y_pred._keras_mask", True, True),
        ("return ops.equal(y_true, 1)", True, False),
        ("return ops.cast(y_pred > 0.5, 'float32')", True, False),
        ("return ops.sum(mask)", False, False),
        ("return y_true * mask", False, False),
    ],
)
def test_what_is_a_mask(body, indicator, mask):
    value = returned(body)
    assert (value.indicator, value.mask) == (indicator, mask)


@pytest.mark.parametrize(
    ("body", "low", "high", "positive"),
    [
        ("return ops.sigmoid(y_pred)", 0, 1, False),
        ("return ops.clip(y_pred, 1e-7, 1 - 1e-7)", 1e-7, 1 - 1e-7, True),
        ("return K.clip(y_pred, K.epsilon(), 1.0)", 1e-7, 1, True),
        ("return ops.square(y_pred) + EPS", 1e-6, float("inf"), True),
        ("return ops.maximum(y_pred, EPS)", 1e-6, float("inf"), True),
        ("return y_pred ** 2", 0, float("inf"), False),
        ("return -ops.abs(y_pred)", -float("inf"), 0, False),
        ("return y_pred + EPS", -float("inf"), float("inf"), False),
        ("return tf.clip_by_value(y_pred, clip_value_min=0.1, clip_value_max=2.0)", 0.1, 2, True),
    ],
)
def test_what_is_known_of_a_number(body, low, high, positive):
    value = returned(body)
    assert (value.low, value.high, value.positive) == (low, high, positive)


@pytest.mark.parametrize(
    ("body", "zeroed", "masked"),
    [
        ("return y_pred * mask", True, False),
        ("x = y_pred\nx *= mask\nreturn x", True, False),
        ("return ops.sum(y_pred * mask)", True, False),
        ("return ops.where(mask, y_pred, 0)", True, True),
        ("return ops.square(ops.where(mask, y_pred, 0.5))", False, True),
        ("return y_pred * y_true", False, False),
    ],
)
def test_what_is_hidden_by_a_mask(body, zeroed, masked):
    value = returned(body)
    assert (value.zeroed, value.masked) == (zeroed, masked)


@pytest.mark.parametrize(
    ("body", "made_by"),
    [
        ("p = tf.nn.softmax(y_pred)\nq = p\nreturn q", "softmax"),
        ("return helper(y_true, y_pred)", "sum"),
        ("p = ops.log(y_pred)\nif alpha: p = ops.exp(y_pred)\nreturn p", None),
    ],
)
def test_what_made_a_value_is_found_through_names(body, made_by):
    operation = returned(body).made_by
    assert (operation.name if operation else None) == made_by
