"""In plain `keras.Model.compile`: several outputs, several steps an execution, XLA, policies."""

import keras
import numpy as np
import pytest

import lossmith as lm

RNG = np.random.default_rng(0)
X = RNG.normal(size=(8, 3)).astype("float32")
Y = RNG.normal(size=(8, 1)).astype("float32")
RATE = 0.05


def linear(**arguments):
    x = keras.Input((3,))
    output = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones", **arguments)(x)
    return keras.Model(x, output)


def descended(y, w, epochs, batch=8):
    """The losses of gradient descent on the mean squared error, in NumPy."""
    w, x, losses = w.astype("float64"), X.astype("float64"), []
    for _ in range(epochs):
        values = []
        for start in range(0, len(x), batch):
            part, target = x[start : start + batch], y[start : start + batch]
            difference = part @ w - target
            values.append((difference**2).mean())
            w = w - RATE * 2 * part.T @ difference / difference.size
        losses.append(np.mean(values))
    return losses


STEPS = [1] if keras.config.backend() == "torch" else [1, 2]  # not on torch, says Keras


@pytest.mark.parametrize("jit_compile", [False, True] if STEPS != [1] else [False])
@pytest.mark.parametrize("steps", STEPS)
def test_fit_descends_as_by_hand(steps, jit_compile):
    model = linear()
    optimizer = keras.optimizers.SGD(RATE)
    model.compile(
        optimizer,
        loss=lm.Loss("mse", "b f, b f"),
        steps_per_execution=steps,
        jit_compile=jit_compile,
    )
    history = model.fit(X, Y, batch_size=4, epochs=3, shuffle=False, verbose=0).history["loss"]
    np.testing.assert_allclose(history, descended(Y, np.ones((3, 1)), 3, batch=4), rtol=1e-4)


def test_missing_targets_train_as_if_they_were_not_there():
    model = linear()
    loss = lm.Loss("mse", "b f, b f", mask=lm.masks.Finite())
    model.compile(keras.optimizers.SGD(RATE), loss=loss)
    y = Y.copy()
    y[::2] = np.nan
    history = model.fit(X, y, epochs=2, shuffle=False, verbose=0).history["loss"]
    kept = X[1::2].astype("float64")
    w = np.ones((3, 1))
    difference = kept @ w - Y[1::2]
    after = kept @ (w - RATE * 2 * kept.T @ difference / 4) - Y[1::2]
    np.testing.assert_allclose(history, [(difference**2).mean(), (after**2).mean()], rtol=1e-4)


def test_several_outputs_take_a_dict_of_losses():
    x = keras.Input((3,))
    a = keras.layers.Dense(1, kernel_initializer="ones", name="a")(x)
    b = keras.layers.Dense(4, kernel_initializer="zeros", name="b")(x)
    model = keras.Model(x, {"a": a, "b": b})
    model.compile(
        loss={"a": lm.Loss("mae", "b f, b f"), "b": lm.Loss("huber", "b, b k")},
        loss_weights={"a": 1.0, "b": 0.5},
    )
    logs = model.evaluate(X, {"a": Y, "b": Y[:, 0]}, verbose=0, return_dict=True)
    first = np.abs(X.astype("float64").sum(axis=1, keepdims=True) - Y).mean()
    size = np.abs(Y.astype("float64"))
    second = np.where(size <= 1, size**2 / 2, size - 0.5).mean()
    np.testing.assert_allclose(logs["loss"], first + 0.5 * second, rtol=1e-5)
    np.testing.assert_allclose(logs["a_loss"], first, rtol=1e-5)
    np.testing.assert_allclose(logs["b_loss"], second, rtol=1e-5)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_a_model_in_mixed_precision_trains_to_a_finite_loss(policy):
    model = linear(dtype=policy)
    loss = lm.Loss("mse", "b f, b f")
    model.compile(keras.optimizers.SGD(RATE), loss=loss)
    history = model.fit(X, Y * 300.0, epochs=2, shuffle=False, verbose=0).history["loss"]
    wanted = descended(Y * 300.0, np.ones((3, 1)), 2)  # squares past what float16 holds
    np.testing.assert_allclose(history, wanted, rtol=2e-2)


def test_a_loss_is_one_of_keras_and_gives_what_keras_gives():
    assert isinstance(lm.Loss("mse"), keras.losses.Loss)
    ours, theirs = lm.Loss("mse", "b f, b f")(Y, 2 * Y), keras.losses.MeanSquaredError()(Y, 2 * Y)
    np.testing.assert_allclose(float(ours), float(theirs), rtol=1e-6)
    weights = RNG.uniform(size=8).astype("float32")
    for reduce, theirs in (
        ("mean", "sum_over_batch_size"),
        ("sum", "sum"),
        ("weighted_mean", "mean_with_sample_weight"),
    ):
        ours = float(lm.Loss("mse", "b f, b f", reduce=reduce)(Y, 2 * Y, weights))
        keras_loss = keras.losses.MeanSquaredError(reduction=theirs)
        np.testing.assert_allclose(ours, float(keras_loss(Y, 2 * Y, weights)), rtol=1e-5)
