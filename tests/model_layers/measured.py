"""Value and gradients of a layer in the time loop."""

import keras
import numpy as np

import lossmith as lm
from tests.model_layers import reference as ref
from tests.support.grads import value_and_grad

CROSS_ENTROPY = lm.errors.CrossEntropy(from_logits=True)
AXES = "b t, b t [c]"


def number(x):
    """A scalar tensor as a Python number."""
    return keras.ops.convert_to_numpy(x).item()


def measured(layer, function, *, jit=True, x=ref.X, weights=ref.WEIGHTS):
    """Value and gradients of a function of a layer whose weights are given."""

    def with_weights(x, *values):
        pairs = list(zip(layer.trainable_variables, values, strict=True))
        with keras.StatelessScope(pairs):
            return function(x)

    return value_and_grad(with_weights, x, *weights, jit=jit)


def close(found, expected, rtol):
    (value, grads), (wanted, wanted_grads) = found, expected
    np.testing.assert_allclose(value, wanted, rtol=1e-5)
    for ours, theirs in zip(grads, wanted_grads, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=rtol * np.abs(theirs).max() + 1e-9)
