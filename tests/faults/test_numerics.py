"""NaN, nothing counted, low precision and class weights: faults found beside the eighteen."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import lossmith as lm
from tests.faults.measured import FAULTS, keras_still_gives
from tests.faults.usual import floats, masked
from tests.support.grads import value_and_grad

MASK = [[1, 0]]


def _where_after(mask):
    """Mask the errors after they are computed, as most people write it."""
    counted = np.array(mask, "bool")

    def loss(y_true, y_pred):
        errors = ops.abs(ops.subtract(y_pred, y_true))
        return ops.sum(ops.where(counted, errors, 0.0)) / ops.sum(ops.cast(counted, "float32"))

    return loss


def _where_after_squares(y_true, y_pred):
    errors = ops.square(ops.subtract(y_pred, y_true))
    counted = ops.convert_to_tensor(np.array(MASK, "bool"))
    return ops.sum(ops.where(counted, errors, 0.0)) / ops.sum(ops.cast(counted, "float32"))


def test_a_where_after_the_error_leaves_nan_in_the_gradient():
    y, prediction = floats([0, 0]), floats([3, np.nan])
    value, (gradient,) = value_and_grad(lambda p: _where_after_squares(y, p), prediction)
    assert value == 9.0
    assert gradient[0, 0] == FAULTS["where"].right
    keras_still_gives("where", gradient[0, 1])


@pytest.mark.parametrize("name", ["mse", "mae", "huber", "log_cosh", "poisson", "hinge"])
def test_ours_keeps_nan_out_of_value_and_gradient(name):
    y, prediction = floats([1, np.nan]), floats([3, np.nan])
    loss = lm.Loss(name, "b t, b t")
    value, (gradient,) = value_and_grad(lambda p: loss(y, masked(p, MASK)), prediction)
    alone, (own,) = value_and_grad(lambda p: loss(y[:, :1], p), prediction[:, :1])
    assert np.isfinite(value)
    assert value == alone
    np.testing.assert_array_equal(gradient, [[own[0, 0], 0.0]])


def test_a_hand_written_mean_over_nothing_is_nan():
    prediction = floats([1, 1])
    loss = _where_after([[0, 0]])
    keras_still_gives("nothing counted", loss(np.zeros_like(prediction), prediction))


@pytest.mark.parametrize("jit", [False, True, "xla"])
def test_ours_over_nothing_is_0_with_gradient_0(jit):
    prediction = floats([1, np.nan])
    loss = lm.Loss("mse", "b t, b t", mask=lm.masks.Lengths("y:lengths"))
    y = {"y": np.zeros_like(prediction), "lengths": np.array([0], "int32")}
    value, (gradient,) = value_and_grad(lambda p: loss(y, p), prediction, jit=jit)
    assert value == FAULTS["nothing counted"].right
    np.testing.assert_array_equal(gradient, np.zeros_like(prediction))


def test_a_square_overflows_in_half_precision():
    y, prediction = np.zeros((1, 1), "float16"), np.full((1, 1), 300, "float16")
    keras_still_gives("half precision", ops.mean(ops.square(ops.subtract(prediction, y))))
    keras_still_gives(
        "half precision", keras.losses.MeanSquaredError(dtype="float16")(y, prediction)
    )


def test_ours_computes_in_float32():
    y, prediction = np.zeros((1, 1), "float16"), np.full((1, 1), 300, "float16")
    assert float(lm.Loss("mse", "b f, b f")(y, prediction)) == FAULTS["half precision"].right
    with pytest.raises(lm.LossmithError, match="at least float32"):
        lm.Loss("mse", "b f, b f", dtype="float16")


LABELS = np.array([[0, 1], [1, 2]], "int32")
CLASS_WEIGHTS = {0: 1.0, 1: 10.0, 2: 100.0}


def _even(model_class):
    """A model that finds three classes equally likely at each of two steps."""
    inputs = keras.Input((2, 1))
    outputs = layers.Dense(3, kernel_initializer="zeros", activation="softmax")(inputs)
    return model_class(inputs, outputs)


def test_keras_takes_the_place_of_the_largest_label_for_the_class_of_a_sample():
    model = _even(keras.Model)
    model.compile(loss="sparse_categorical_crossentropy", optimizer="sgd", run_eagerly=True)
    x = np.zeros((2, 2, 1), "float32")
    logs = model.fit(x, LABELS, class_weight=CLASS_WEIGHTS, verbose=0).history
    keras_still_gives("class weights", logs["loss"][0])


def test_ours_weighs_each_step_by_its_class():
    weights = np.array(list(CLASS_WEIGHTS.values()))
    loss = lm.Loss(
        "sparse_categorical_crossentropy", "b t, b t [c]", weights=lm.weights.ByClass(weights)
    )
    probabilities = np.full((2, 2, 3), 1 / 3, "float32")
    right = np.mean(weights[LABELS]) * np.log(3.0)
    np.testing.assert_allclose(right, FAULTS["class weights"].right)
    value, (gradient,) = value_and_grad(lambda p: loss(LABELS, p), probabilities)
    np.testing.assert_allclose(value, right, rtol=1e-6)
    by_class = np.where(np.arange(3) == LABELS[..., None], -2.0, 1.0)
    np.testing.assert_allclose(gradient, weights[LABELS][..., None] / 4 * by_class, rtol=1e-5)
