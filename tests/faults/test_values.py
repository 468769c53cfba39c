"""F1 to F8 and F17: values of a loss that is called. Keras' half and ours stand apart."""

import keras
import numpy as np
import pytest
from keras import ops

import lossmith as lm
from tests.faults.measured import FAULTS, keras_still_gives
from tests.faults.usual import Elementwise, PerSample, Scalar, floats, masked
from tests.support.grads import value_and_grad

NAN = float("nan")

# Each: targets, a prediction, and a mask or weights.
F1 = (floats(0, 1, 2, 3), floats([0], [1], [2], [3]))
F2 = (floats(0, 0, 0, 0), floats(1, 2, 3, 4), floats(1, 0, 0, 0))
F3 = (floats([0, 0]), floats([1, 100]), [[1, 0]])
F4 = (floats([0, 0], [0, 0]), floats([1, 100], [1, 1]), [[1, 0], [1, 1]])
F5 = (np.zeros((3, 3), "float32"), floats([1] * 3, [2] * 3, [3] * 3), floats(1, 0, 0))
F6 = (floats([[0], [0]]), floats([[1], [NAN]]), [[1, 0]])


@lm.loss("b [t], b [t]")
def _mean_over_steps(y_true, y_pred):
    return ops.mean(ops.square(y_pred - y_true), axis=-1)


@lm.loss("b t, b t")
def _one_number(y_true, y_pred):
    return ops.mean(ops.square(y_pred - y_true))


def _ours(loss, y, prediction, *, mask=None, weight=None):
    """Value and gradient, in NumPy, of a loss of a masked prediction."""
    value, (gradient,) = value_and_grad(lambda p: loss(y, masked(p, mask), weight), prediction)
    return value, gradient


def _close(value, gradient, right, right_gradient):
    np.testing.assert_allclose(value, right, rtol=1e-6)
    np.testing.assert_allclose(gradient, right_gradient, rtol=1e-6)


def test_f1_keras_broadcasts():
    keras_still_gives("F1", Elementwise()(*F1))


def test_f1_ours_refuses_without_axes():
    with pytest.raises(lm.LossmithError, match="do not line up"):
        lm.Loss("mse")(*F1)


def test_f1_ours_refuses_a_second_axis_that_the_axes_do_not_have():
    with pytest.raises(lm.LossmithError, match="does not have the axes"):
        lm.Loss("mse", "b, b")(*F1)


def test_f1_ours_meets_by_name():
    y, prediction = F1
    _close(*_ours(lm.Loss("mse", "b, b 1"), y, prediction + 2), 4.0, np.full((4, 1), 1.0))


def test_f2_keras_weighs_the_mean():
    keras_still_gives("F2", Scalar()(*F2))


def test_f2_ours_weighs_each_error():
    y, prediction, weight = F2
    right = np.mean(weight * (prediction - y) ** 2)
    assert right == FAULTS["F2"].right
    gradient = 2 * weight * (prediction - y) / 4
    _close(*_ours(lm.Loss("mse", "b, b"), y, prediction, weight=weight), right, gradient)


@pytest.mark.parametrize("weight", [None, floats(1, 0)])
def test_f2_f3_ours_refuses_a_function_that_returns_one_number(weight):
    y, prediction, _ = F4
    with pytest.raises(lm.LossmithError, match="one error for each element") as caught:
        _one_number(y, prediction, weight)
    assert "[ ]" in caught.value.fix


def test_f3_keras_ignores_the_mask():
    y, prediction, mask = F3
    keras_still_gives("F3", Scalar()(y, masked(prediction, mask)))


def test_f3_ours_counts_the_real_step():
    y, prediction, mask = F3
    _close(*_ours(lm.Loss("mse", "b t, b t"), y, prediction, mask=mask), 1.0, [[2.0, 0.0]])


def test_f4_keras_masks_the_wrong_axis():
    y, prediction, mask = F4
    keras_still_gives("F4", PerSample()(y, masked(prediction, mask)))


def test_f4_ours_reduces_each_sample_over_its_own_steps():
    y, prediction, mask = F4
    loss = lm.Loss("mse", "b t, b t", reduce="mean t, mean b")
    _close(*_ours(loss, y, prediction, mask=mask), 1.0, [[1.0, 0.0], [0.5, 0.5]])


def test_f4_ours_refuses_a_mask_over_steps_that_the_function_has_averaged():
    y, prediction, mask = F4
    with pytest.raises(lm.LossmithError, match="more axes than there are elements"):
        _mean_over_steps(y, masked(prediction, mask))


def test_f5_keras_takes_weights_of_samples_for_weights_of_steps():
    keras_still_gives("F5", Elementwise()(*F5))


def test_f5_keras_own_loss_does_it_too():
    y, prediction, weight = F5
    keras_still_gives(
        "F5", keras.losses.MeanSquaredError()(y[..., None], prediction[..., None], weight)
    )


def test_f5_ours_weighs_samples():
    y, prediction, weight = F5
    errors = weight[:, None] * (prediction - y) ** 2
    assert np.isclose(errors.sum() / 9, FAULTS["F5"].right)
    gradient = 2 * weight[:, None] * (prediction - y) / 9
    loss = lm.Loss("mse", "b t, b t")
    _close(*_ours(loss, y, prediction, weight=weight), errors.sum() / 9, gradient)


def test_f6_keras_lets_a_masked_nan_through():
    y, prediction, mask = F6
    keras_still_gives("F6", keras.losses.MeanSquaredError()(y, masked(prediction, mask)))


def test_f6_keras_lets_a_nan_of_weight_0_through():
    y = floats([0], [NAN])
    keras_still_gives("F6", keras.losses.MeanSquaredError()(y, np.ones_like(y), floats(1, 0)))


@pytest.mark.parametrize("bad", [NAN, np.inf, -np.inf])
def test_f6_ours_never_sees_a_masked_position(bad):
    y, prediction, mask = F6
    prediction = np.where(np.isnan(prediction), np.float32(bad), prediction)
    loss = lm.Loss("mse", "b t f, b t f")
    _close(*_ours(loss, y, prediction, mask=mask), 1.0, [[[2.0], [0.0]]])
    y = np.where(prediction == bad, np.float32(bad), y)
    _close(*_ours(loss, y, prediction, mask=mask), 1.0, [[[2.0], [0.0]]])


def test_f6_ours_takes_weight_0_as_missing_where_it_is_told_so():
    y, prediction, weight = floats(0, NAN), floats(1, 1), floats(1, 0)
    loss = lm.Loss("mse", "b, b", mask=lm.masks.SampleWeight())
    _close(*_ours(loss, y, prediction, weight=weight), 1.0, [2.0, 0.0])


def test_f6_ours_shows_a_nan_that_counts():
    y, prediction, _ = F6
    assert np.isnan(float(lm.Loss("mse", "b t f, b t f")(y, prediction)))


def _padded(steps):
    """Two real tokens of five equally likely classes, padded with weight 0."""
    weight = np.zeros((1, steps), "float32")
    weight[:, :2] = 1
    return np.zeros((1, steps), "int32"), np.zeros((1, steps, 5), "float32"), weight


def test_f8_keras_halves_the_loss_where_padding_doubles():
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    keras_still_gives("F8", loss(*_padded(4)))
    np.testing.assert_allclose(
        float(loss(*_padded(8))), FAULTS["F8"].wrong / 2, rtol=1e-6, err_msg="F8 has changed"
    )


@pytest.mark.parametrize("steps", [2, 4, 8])
@pytest.mark.parametrize("way", [{"mask": lm.masks.SampleWeight()}, {"reduce": "weighted_mean"}])
def test_f8_ours_does_not_move_with_padding(steps, way):
    y, logits, weight = _padded(steps)
    loss = lm.Loss(lm.errors.CrossEntropy(from_logits=True), "b t, b t [c]", **way)
    gradient = np.where(np.arange(5) == 0, 0.2 - 1, 0.2) * weight[..., None] / 2
    _close(*_ours(loss, y, logits, weight=weight), FAULTS["F8"].right, gradient)


class _Target(keras.losses.Loss):
    def call(self, y_true, y_pred):  # noqa: ARG002
        return y_true


def test_f17_keras_rounds_labels_to_floats():
    label = np.array([16777217], "int32")
    keras_still_gives("F17", _Target(reduction="none")(label, floats(0))[0])


def test_f17_ours_keeps_integers():
    y, prediction = np.array([16777217, 16777216], "int32"), floats(0, 3)
    loss = lm.Loss("mae", "b, b", mask=lm.masks.NotEqual(16777217))
    _close(*_ours(loss, y, prediction), 16777213.0, [0.0, -1.0])


def _last_of(classes):
    """Logits that are sure of the class before the last; the label is the last."""
    logits = np.zeros((1, classes), "float32")
    logits[0, -2] = 16.0
    return np.array([classes - 1], "int32"), logits


def test_f17_keras_picks_another_class_in_float16():
    y, logits = _last_of(2050)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, dtype="float16")
    found = float(loss(y, logits))
    assert found < 1.0, f"Keras {keras.__version__} gives {found}: label 2049 is itself in float16"


def test_f17_ours_picks_the_class_itself_in_float16():
    y, logits = _last_of(2050)
    right = np.log(np.sum(np.exp(logits.astype("float64")))) - 0.0
    loss = lm.Loss(lm.errors.CrossEntropy(from_logits=True), "b, b [c]")
    np.testing.assert_allclose(float(loss(y, logits.astype("float16"))), right, rtol=1e-6)
