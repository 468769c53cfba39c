"""Factors of terms that move under jit, learned ones that train, and logs that say so."""

import math

import keras
import numpy as np
import pytest
from keras import ops

import lossmith as lm

RNG = np.random.default_rng(1)
X = RNG.normal(size=(8, 3)).astype("float32")
Y = {"a": X[:, :1] * 2.0, "b": X[:, 1:2] + RNG.normal(size=(8, 1)).astype("float32")}


def term(name, error="mse"):
    return lm.Loss(error, "b 1, b 1", of=(f"y:{name}", f"output:{name}"), name=name)


def compiled(loss, rate=0.0, **arguments):
    keras.utils.set_random_seed(0)
    x = keras.Input((3,))
    heads = {name: keras.layers.Dense(1, name=name)(x) for name in ("a", "b")}
    model = lm.Model(x, heads)
    model.compile(keras.optimizers.SGD(rate), loss=loss, **arguments)
    return model


def fit(model, epochs):
    return model.fit(X, Y, epochs=epochs, batch_size=4, shuffle=False, verbose=0).history


SCHEDULES = {
    "linear": (lm.schedules.Linear(0.0, 1.0, over=4), [0.0, 0.25, 0.5, 0.75, 1.0, 1.0]),
    "piecewise": (
        lm.schedules.Piecewise([1], [0.5, 3.0], by="epoch"),
        [0.5, 0.5, 3.0, 3.0, 3.0, 3.0],
    ),
    "keras": (
        keras.optimizers.schedules.ExponentialDecay(1.0, decay_steps=1, decay_rate=0.5),
        [1.0, 0.5, 0.25, 0.125, 0.0625, 0.03125],
    ),
    "cyclic": (lm.schedules.Cyclic(0.0, 1.0, period=4), [0.0, 0.5, 1.0, 1.0, 0.0, 0.5]),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_moves_inside_a_compiled_fit(name):
    factor, expected = SCHEDULES[name]
    model = compiled(factor * term("a") + term("b"))
    history = fit(model, epochs=3)
    batches = _batch_losses(model, "a")  # the model does not learn: every epoch is alike
    np.testing.assert_allclose(history["a"], np.mean(batches), rtol=1e-5)
    np.testing.assert_allclose(history["a_factor"], expected[1::2], rtol=1e-6)
    for epoch in range(3):
        pair = expected[2 * epoch : 2 * epoch + 2]
        weighted = np.mean([f * loss for f, loss in zip(pair, batches, strict=True)])
        total = weighted + history["b"][epoch]
        np.testing.assert_allclose(history["loss"][epoch], total, rtol=1e-5)


def test_the_factor_scales_the_gradient_of_its_term_alone():
    model = compiled(lm.schedules.Piecewise([1], [0.0, 1.0]) * term("a") + term("b"), rate=0.1)
    before = {v.path: ops.convert_to_numpy(v).copy() for v in model.trainable_variables}
    model.train_on_batch(X, Y)
    after = {v.path: ops.convert_to_numpy(v).copy() for v in model.trainable_variables}
    np.testing.assert_array_equal(after["a/kernel"], before["a/kernel"])
    gradient = 2.0 * X.T @ (X @ before["b/kernel"] - Y["b"]) / len(X)
    np.testing.assert_allclose(
        after["b/kernel"], before["b/kernel"] - 0.1 * gradient, rtol=1e-4, atol=1e-6
    )
    model.train_on_batch(X, Y)
    moved = {v.path: ops.convert_to_numpy(v) for v in model.trainable_variables}["a/kernel"]
    gradient = 2.0 * X.T @ (X @ before["a/kernel"] - Y["a"]) / len(X)
    np.testing.assert_allclose(moved, before["a/kernel"] - 0.1 * gradient, rtol=1e-4, atol=1e-6)


def test_evaluating_counts_no_step():
    model = compiled(lm.schedules.Linear(0.0, 1.0, over=4) * term("a") + term("b"))
    fit(model, epochs=1)
    logs = [model.evaluate(X, Y, verbose=0, return_dict=True) for _ in range(2)]
    assert [log["a_factor"] for log in logs] == [0.5, 0.5]


def test_a_learned_factor_follows_its_own_gradient():
    model = compiled(lm.schedules.Learned(2.0) * term("a") + term("b"), rate=0.1)
    error = model.evaluate(X, Y, verbose=0, return_dict=True)["a"]
    variable = next(v for v in model.trainable_variables if v.path.endswith("a_log_variance"))
    start = -math.log(2.0)
    np.testing.assert_allclose(ops.convert_to_numpy(variable), start, rtol=1e-6)
    logs = model.train_on_batch(X, Y, return_dict=True)
    # d/ds (exp(-s) * error + s) = 1 - exp(-s) * error
    expected = start - 0.1 * (1.0 - 2.0 * error)
    np.testing.assert_allclose(ops.convert_to_numpy(variable), expected, rtol=1e-4)
    np.testing.assert_allclose(logs["loss"], 2.0 * logs["a"] + start + logs["b"], rtol=1e-5)


def test_learned_factors_and_steps_are_saved_and_go_on(tmp_path):
    loss = lm.schedules.Learned() * term("a") + lm.schedules.Linear(0.0, 1.0, over=9) * term("b")
    model = compiled(loss, rate=0.1)
    fit(model, epochs=2)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.evaluate(X, Y, verbose=0, return_dict=True) == pytest.approx(
        model.evaluate(X, Y, verbose=0, return_dict=True)
    )
    again, go_on = fit(loaded, epochs=1), fit(model, epochs=1)
    assert {name: value[0] for name, value in again.items()} == pytest.approx(
        {name: value[0] for name, value in go_on.items()}
    )
    assert go_on["b_factor"] == pytest.approx([5 / 9])
    assert repr(loaded.loss) == repr(model.loss)


def test_compiling_again_keeps_what_was_learned_and_stops_training_what_is_gone():
    model = compiled(lm.schedules.Learned() * term("a") + term("b"), rate=0.1)
    model.train_on_batch(X, Y)
    variable = next(v for v in model.weights if v.path.endswith("a_log_variance"))
    learned = float(ops.convert_to_numpy(variable))
    model.compile(keras.optimizers.SGD(0.1), loss=term("a") + term("b"))
    model.train_on_batch(X, Y)
    assert not variable.trainable
    assert float(ops.convert_to_numpy(variable)) == learned


def test_a_model_whose_factors_are_numbers_has_no_further_weights():
    model = compiled(term("a") + 0.5 * term("b"))
    assert len(model.weights) == 4
    assert set(fit(model, epochs=1)) == {"loss", "a", "b"}


def _batch_losses(model, name):
    output = ops.convert_to_numpy(model(X)[name])
    return [np.mean((output[at : at + 4] - Y[name][at : at + 4]) ** 2) for at in (0, 4)]
