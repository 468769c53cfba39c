"""`backend.Program` against NumPy: value and gradient, eager and compiled."""

import keras
import numpy as np
import pytest
from keras import ops

from lossmith.backend import Program

MODES = ["eager", "jit", "xla"]


def weighted(a, b):
    return ops.sum(ops.square(a) * b, axis=-1)


@pytest.mark.parametrize("mode", MODES)
def test_value_and_gradients_are_those_of_numpy(mode, rng):
    a, b = rng.normal(size=(2, 4, 3)).astype("float32")
    program = Program(weighted, mode)
    value, grads = program.gradient(a, b, at=(0, 1))
    np.testing.assert_allclose(value, (a * a * b).sum(-1), rtol=1e-5)
    np.testing.assert_allclose(program.value(a, b), value, rtol=1e-6)
    np.testing.assert_allclose(grads[0], 2 * a * b, rtol=1e-5)
    np.testing.assert_allclose(grads[1], a * a, rtol=1e-5)


@pytest.mark.parametrize("mode", MODES)
def test_only_the_arrays_asked_for_are_differentiated(mode, rng):
    labels = np.array([0, 2], "int32")
    logits = rng.normal(size=(2, 3)).astype("float32")
    program = Program(lambda y, z: ops.sum(ops.one_hot(y, 3) * z, axis=-1), mode)
    _, (grad,) = program.gradient(labels, logits, at=(1,))
    np.testing.assert_allclose(grad, np.eye(3)[labels])


@pytest.mark.parametrize("mode", MODES)
def test_what_is_not_connected_has_no_gradient(mode):
    ones = np.ones((2, 3), "float32")
    _, (grad,) = Program(lambda a, _: ops.sum(a), mode).gradient(ones, ones, at=(1,))
    assert grad is None or not grad.any()


def test_compiled_programs_trace_once_for_a_shape(backend):
    program = Program(ops.sum, "jit")
    for size in (2, 2, 2, 3):
        program.value(np.ones(size, "float32"))
    assert program.traces == {"torch": 4}.get(backend, 2)


def test_the_arrays_given_are_left_alone(rng):
    a = rng.normal(size=(2, 3)).astype("float32")
    before = a.copy()

    def in_place(x):
        if keras.backend.backend() == "torch":
            return x.detach().mul_(2.0)
        return x * 2.0

    Program(in_place).value(a)
    np.testing.assert_array_equal(a, before)
