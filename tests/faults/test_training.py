"""F7, F11, F12, F16: what happens around `fit` and `evaluate`, and when a model is saved."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import lossmith as lm
from tests.faults.measured import FAULTS, keras_still_gives
from tests.faults.usual import floats

# Real steps hold 1, padding 0; the model gives its input back.
STEPS = floats([1, 1], [1, 1], [1, 0], [1, 0])[..., None]
LENGTHS = np.array([2, 2, 1, 1], "int32")
# Errors of 1 in the first two samples, of 4 in the last two, and of anything in the padding.
TARGETS = floats([2, 0], [2, 0], [5, 50], [-3, 50])[..., None]


def _identity(model_class):
    inputs = keras.Input((None, 1))
    outputs = layers.Dense(1, use_bias=False, kernel_initializer="ones")(layers.Masking()(inputs))
    return model_class(inputs, outputs)


def _times_one(x):
    return x * 1.0


def _add_zeros(x):
    return layers.Add()([x, ops.zeros_like(x)])


DROPPING = {"times 1": _times_one, "relu": ops.relu, "Add of an op": _add_zeros}


def _masked_then(operation, model_class):
    """A model with `Masking`, then an operation that changes nothing but the mask."""
    inputs = keras.Input((3, 1))
    return model_class(inputs, operation(layers.Masking()(inputs)))


F7_X, F7_Y = floats([[1], [0], [0]]), floats([[10], [10], [10]])


@pytest.mark.parametrize("operation", DROPPING)
def test_f7_keras_counts_the_padding(operation):
    model = _masked_then(DROPPING[operation], keras.Model)
    keras_still_gives("F7", keras.losses.MeanSquaredError()(F7_Y, model(F7_X)))


@pytest.mark.parametrize("operation", DROPPING)
def test_f7_ours_says_that_the_mask_is_gone_where_it_was_asked_for(operation):
    loss = lm.Loss("mse", "b t f, b t f", mask=lm.masks.KerasMask())
    with pytest.raises(lm.LossmithError, match="carries no Keras mask") as caught:
        loss(F7_Y, _masked_then(DROPPING[operation], keras.Model)(F7_X))
    assert "Lengths" in caught.value.fix


@pytest.mark.parametrize("operation", DROPPING)
def test_f7_ours_takes_the_mask_from_the_input(operation):
    model = _masked_then(DROPPING[operation], lm.Model)
    loss = lm.Loss("mse", "b t f, b t f", mask=lm.masks.NotEqual(0, source="x"))
    model.compile(loss=loss, run_eagerly=True)
    logs = model.evaluate(F7_X, F7_Y, return_dict=True, verbose=0)
    assert logs["loss"] == pytest.approx(FAULTS["F7"].right)


def _epoch_value(model, batch_size):
    logs = model.evaluate(STEPS, TARGETS, batch_size=batch_size, return_dict=True, verbose=0)
    return logs["loss"]


def _right():
    errors = ((STEPS - TARGETS) ** 2)[..., 0]
    counted = np.arange(2) < LENGTHS[:, None]
    return errors[counted].mean()


def test_f11_keras_weighs_batches_by_their_samples():
    model = _identity(keras.Model)
    model.compile(loss="mse")
    assert _epoch_value(model, 4) == pytest.approx(_right())
    keras_still_gives("F11", _epoch_value(model, 2))


@pytest.mark.parametrize("batch_size", [4, 3, 2, 1])
def test_f11_ours_is_the_value_of_the_whole_data(batch_size):
    model = _identity(lm.Model)
    model.compile(loss=lm.Loss("mse", "b t f, b t f"))
    assert FAULTS["F11"].right == _right()
    assert _epoch_value(model, batch_size) == pytest.approx(_right(), rel=1e-6)


def _one_output(model_class):
    inputs = keras.Input((1,))
    return model_class(inputs, layers.Dense(1, use_bias=False, kernel_initializer="ones")(inputs))


F12_X, F12_Y = floats([1], [1]), floats([3], [-1])


def test_f12_keras_uses_the_first_of_two_losses():
    model = _one_output(keras.Model)
    model.compile(loss=["mse", "mae"], run_eagerly=True)
    logs = model.evaluate(F12_X, F12_Y, return_dict=True, verbose=0)
    keras_still_gives("F12", logs["loss"])


def test_f12_ours_adds_them_and_logs_each():
    model = _one_output(lm.Model)
    model.compile(loss=lm.Loss("mse", "b f, b f") + lm.Loss("mae", "b f, b f"), run_eagerly=True)
    logs = model.evaluate(F12_X, F12_Y, return_dict=True, verbose=0)
    errors = np.abs(F12_X - F12_Y)
    right = {"loss": 6.0, "mse": np.mean(errors**2), "mae": np.mean(errors)}
    assert logs == pytest.approx(right, rel=1e-6)
    assert logs["loss"] == pytest.approx(FAULTS["F12"].right)


@lm.loss("b f, b f")
def _own_squared_error(y_true, y_pred):
    return ops.square(y_pred - y_true)


def _saved(model, path):
    """Save a model whose optimizer has been used, as after `fit`."""
    model.optimizer.build(model.trainable_variables)
    model.save(path)
    return path


def _closure(factor):
    def scaled(y_true, y_pred):
        return factor * ops.mean(ops.square(y_pred - y_true), axis=-1)

    return scaled


def test_f16_keras_saves_a_closure_without_a_word_and_does_not_load_it(tmp_path):
    model = _one_output(keras.Model)
    model.compile(loss=_closure(2.0))
    path = _saved(model, tmp_path / "model.keras")  # a warning would be an error here
    with pytest.raises(Exception, match="scaled") as caught:
        keras.saving.load_model(path)
    assert not isinstance(caught.value, lm.LossmithError)


def test_f16_keras_saves_a_lambda_that_it_refuses_to_load(tmp_path):
    model = _one_output(keras.Model)
    model.compile(loss=lambda y_true, y_pred: ops.mean(ops.square(y_pred - y_true), axis=-1))
    with pytest.warns(UserWarning, match="lambda"):
        path = _saved(model, tmp_path / "model.keras")
    with pytest.raises(Exception, match="lambda"):
        keras.saving.load_model(path)


@pytest.mark.parametrize("function", [_closure(2.0), lambda y_true, y_pred: y_pred - y_true])
def test_f16_ours_says_so_at_construction(function):
    with pytest.raises(lm.LossmithError, match="would save and not load again") as caught:
        lm.Loss(function, "b f, b f")
    assert "register_keras_serializable" in caught.value.fix


def test_f16_ours_loads_with_the_same_value(tmp_path):
    model = _one_output(keras.Model)
    model.compile(loss=_own_squared_error)
    again = keras.saving.load_model(_saved(model, tmp_path / "model.keras"))
    assert again.loss == _own_squared_error
    assert float(again.loss(F12_Y, F12_X)) == FAULTS["F16"].right
