"""The helper that judges gradients, against derivatives taken by hand."""

import keras
import numpy as np
import pytest

from tests.support.grads import value_and_grad

X = np.array([[1.0, -2.0], [0.5, 3.0]], "float32")
Y = np.array([[2.0, 1.0], [4.0, -1.0]], "float32")

modes = pytest.mark.parametrize("jit", [False, True, "xla"])


@modes
def test_a_scalar_and_both_its_gradients(jit):
    value, (dx, dy) = value_and_grad(lambda x, y: keras.ops.sum(x * x * y), X, Y, jit=jit)
    np.testing.assert_allclose(value, np.sum(X * X * Y), rtol=1e-6)
    np.testing.assert_allclose(dx, 2 * X * Y, rtol=1e-6)
    np.testing.assert_allclose(dy, X * X, rtol=1e-6)


@modes
def test_a_tensor_keeps_its_shape_and_gives_the_gradient_of_its_sum(jit):
    value, (dx,) = value_and_grad(keras.ops.sin, X, jit=jit)
    np.testing.assert_allclose(value, np.sin(X), rtol=1e-5)
    np.testing.assert_allclose(dx, np.cos(X), rtol=1e-5)


@modes
def test_an_unused_array_has_a_zero_gradient(jit):
    _, (dx, dy) = value_and_grad(lambda x, y: keras.ops.sum(x), X, Y, jit=jit)  # noqa: ARG005
    np.testing.assert_array_equal(dx, np.ones_like(X))
    np.testing.assert_array_equal(dy, np.zeros_like(Y))


def test_a_constant_has_zero_gradients():
    value, (dx,) = value_and_grad(lambda x: keras.ops.ones((2, 2)), X)  # noqa: ARG005
    assert value.sum() == 4
    np.testing.assert_array_equal(dx, np.zeros_like(X))


def test_a_nan_gradient_is_shown():
    _, (dx,) = value_and_grad(lambda x: keras.ops.sum(keras.ops.log(x) * 0), X * 0)
    assert np.isnan(dx).all()


def test_integers_are_refused():
    with pytest.raises(TypeError, match="closure"):
        value_and_grad(keras.ops.sum, np.arange(3))
