"""F9: gradients accumulated over batches with different numbers of steps."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import lossmith as lm
from tests.faults.measured import FAULTS, keras_still_gives
from tests.faults.usual import floats

RATE, GROUP = 0.01, 2
# Four real steps with errors of 1 in the first batch, two with errors of 4 in the second.
X = floats([1, 1], [1, 1], [1, 0], [1, 0])[..., None]
Y = floats([2, 2], [2, 2], [5, 50], [5, 50])[..., None]
REAL = 6
AXES = "b t f, b t f"


def _weight_after(loss, model_class, batch, **arguments):
    """The one weight, first 1, after one update."""
    inputs = keras.Input((2, 1))
    dense = layers.Dense(1, use_bias=False, kernel_initializer="ones")
    model = model_class(inputs, dense(layers.Masking()(inputs)))
    model.compile(keras.optimizers.SGD(RATE, **arguments), loss=loss)
    model.fit(X, Y, batch_size=batch, shuffle=False, verbose=0)
    return float(ops.convert_to_numpy(dense.kernel)[0, 0])


def _accumulated(loss, model_class=lm.Model):
    return _weight_after(loss, model_class, 2, gradient_accumulation_steps=GROUP)


def test_the_right_weight_is_that_of_one_large_batch():
    slope = 2 * (X - Y)[..., 0][X[..., 0] > 0].sum() / REAL
    assert FAULTS["F9"].right == pytest.approx(1 - RATE * slope)
    found = _weight_after(lm.Loss("mse", AXES), lm.Model, 4)
    assert found == pytest.approx(FAULTS["F9"].right, rel=1e-6)


def test_f9_keras_averages_the_means_of_the_batches():
    keras_still_gives("F9", _accumulated("mse", keras.Model))


COUNTS = {
    "Keras' own mask": {},
    "a mask": {"mask": lm.masks.NotEqual(50.0)},
    "weights": {"reduce": "weighted_mean"},
}


@pytest.mark.parametrize("way", COUNTS)
def test_f9_ours_refuses_a_divisor_that_moves(way):
    with pytest.raises(lm.LossmithError, match="accumulated gradients are averaged") as caught:
        _accumulated(lm.Loss("mse", AXES, **COUNTS[way]))
    assert "accumulation_groups" in caught.value.fix


def test_f9_ours_is_right_where_batches_know_their_group():
    inputs = keras.Input((2, 1))
    dense = layers.Dense(1, use_bias=False, kernel_initializer="ones")
    model = lm.Model(inputs, dense(layers.Masking()(inputs)))
    optimizer = keras.optimizers.SGD(RATE, gradient_accumulation_steps=GROUP)
    model.compile(optimizer, loss=lm.Loss("mse", AXES))
    batches = [(X[:2], Y[:2]), (X[2:], Y[2:])]
    for batch in lm.data.accumulation_groups(batches, GROUP, lambda x, *_: np.sum(x != 0)):
        model.train_on_batch(*batch)
    found = float(ops.convert_to_numpy(dense.kernel)[0, 0])
    assert found == pytest.approx(FAULTS["F9"].right, rel=1e-6)


@pytest.mark.parametrize("steps", [REAL, 10])
def test_f9_ours_with_a_fixed_divisor_is_that_of_one_large_batch(steps):
    loss = lm.Loss("mse", AXES, reduce="sum")
    accumulated = _accumulated(GROUP / steps * loss)
    at_once = _weight_after(1 / steps * loss, lm.Model, 4)
    assert accumulated == pytest.approx(at_once, rel=1e-6)
    wanted = 1 + (FAULTS["F9"].right - 1) * REAL / steps
    assert accumulated == pytest.approx(wanted, rel=1e-6)


def test_f9_a_batch_left_over_waits_for_the_next_epoch():
    """Keras keeps it: with three batches in groups of two the third has no effect yet."""
    inputs = keras.Input((2, 1))
    dense = layers.Dense(1, use_bias=False, kernel_initializer="ones")
    model = lm.Model(inputs, dense(layers.Masking()(inputs)))
    optimizer = keras.optimizers.SGD(RATE, gradient_accumulation_steps=GROUP)
    model.compile(optimizer, loss=GROUP / REAL * lm.Loss("mse", AXES, reduce="sum"))
    model.fit(X, Y, batch_size=2, shuffle=False, verbose=0)
    before = ops.convert_to_numpy(dense.kernel).copy()
    model.fit(X[:2], Y[:2], batch_size=2, shuffle=False, verbose=0)
    np.testing.assert_array_equal(ops.convert_to_numpy(dense.kernel), before)
