"""Keras' automatic mask: from where it comes, how it joins, and when it was lost."""

import keras
import numpy as np
import pytest

import lossmith as lm

X = np.array([[1.0, 2.0, 0.0, 0.0], [3.0, 0.0, 0.0, 0.0], [4.0, 5.0, 6.0, 7.0]], "float32")[
    ..., None
]
Y = np.random.default_rng(0).normal(size=(3, 4, 1)).astype("float32")
COUNTED = X[..., 0] != 0


def number(x):
    return float(keras.ops.convert_to_numpy(x))


def masked_mean(errors, counted):
    return errors.astype("float64")[counted].mean()


def masking(**dense):
    x = keras.Input((4, 1))
    hidden = keras.layers.Masking()(x)
    return keras.Model(x, keras.layers.Dense(1, kernel_initializer="ones", **dense)(hidden))


def embedding():
    x = keras.Input((4,), dtype="int32")
    return keras.Model(x, keras.layers.Embedding(9, 1, mask_zero=True)(x))


@pytest.mark.parametrize("axes", ["b t f, b t f", None])
def test_the_mask_of_masking_reaches_the_loss(axes):
    prediction = masking()(X)
    value = number(lm.Loss("mse", axes)(Y, prediction))
    np.testing.assert_allclose(value, masked_mean((X - Y) ** 2, COUNTED), rtol=1e-5)


def test_the_mask_of_an_embedding_reaches_the_loss():
    prediction = embedding()(X[..., 0].astype("int32"))
    values = keras.ops.convert_to_numpy(prediction)
    value = number(lm.Loss("mae", "b t f, b t f")(Y, prediction))
    np.testing.assert_allclose(value, masked_mean(np.abs(values - Y), COUNTED), rtol=1e-5)


def test_what_stands_in_a_padded_step_does_not_matter():
    prediction = masking()(X)
    spoilt = np.where(COUNTED[..., None], Y, np.nan)
    loss = lm.Loss("mse", "b t f, b t f")
    assert number(loss(spoilt, prediction)) == number(loss(Y, prediction))


def test_the_mask_joins_with_others_and_is_not_counted_twice():
    prediction = masking()(X)
    y = Y.copy()
    y[2, 0] = np.nan
    both = COUNTED & np.isfinite(y[..., 0])
    errors = np.nan_to_num((X - y) ** 2)
    joined = lm.Loss("mse", "b t f, b t f", mask=lm.masks.Finite())
    np.testing.assert_allclose(number(joined(y, prediction)), masked_mean(errors, both), rtol=1e-5)
    said = joined.replace(mask=lm.masks.Finite() & lm.masks.KerasMask())
    np.testing.assert_allclose(number(said(y, prediction)), masked_mean(errors, both), rtol=1e-5)
    turned = joined.replace(mask=~lm.masks.KerasMask())
    padded = masked_mean((X - Y) ** 2, ~COUNTED)
    np.testing.assert_allclose(number(turned(Y, prediction)), padded, rtol=1e-5)


def test_a_lost_mask_is_an_error_where_one_was_asked_for():
    loss = lm.Loss("mse", mask=lm.masks.KerasMask())
    with pytest.raises(lm.LossmithError, match="carries no Keras mask"):
        loss(Y, keras.ops.convert_to_tensor(X))


def test_the_mask_and_sample_weights_are_both_honoured():
    prediction = masking()(X)
    w = np.array([1.0, 5.0, 0.5], "float32")
    value = number(lm.Loss("mse", "b t f, b t f")(Y, prediction, w))
    errors = w[:, None, None] * (X - Y) ** 2
    np.testing.assert_allclose(value, masked_mean(errors, COUNTED), rtol=1e-5)


def test_fit_and_evaluate_honour_the_mask():
    model = masking()
    loss = lm.Loss("mse", "b t f, b t f", mask=lm.masks.KerasMask())
    model.compile(keras.optimizers.SGD(0.01), loss=loss)
    wanted = masked_mean((X - Y) ** 2, COUNTED)
    np.testing.assert_allclose(model.evaluate(X, Y, verbose=0), wanted, rtol=1e-5)
    spoilt = np.where(COUNTED[..., None], Y, np.nan)
    history = model.fit(X, spoilt, epochs=2, verbose=0).history["loss"]
    np.testing.assert_allclose(history[0], wanted, rtol=1e-5)
    kernel, bias = (2 * ((X - Y) * factor)[COUNTED].mean() for factor in (X, 1.0))
    first = ((1 - 0.01 * kernel) * X - 0.01 * bias - Y) ** 2
    np.testing.assert_allclose(history[1], masked_mean(first, COUNTED), rtol=1e-4)
