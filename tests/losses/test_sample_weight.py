"""Keras' sample weights mean what their shape says, also where batch and steps are equally long."""

import itertools

import keras
import numpy as np
import pytest

import lossmith as lm
from tests.support.grads import value_and_grad

# What each shape says: one weight a sample, or one a step of a sample.
MEANINGS = {
    "b": lambda w: w[:, None, None],
    "b 1": lambda w: w[:, :, None],
    "b t": lambda w: w[:, :, None],
    "b t 1": lambda w: w,
    "b t f": lambda w: w,
}
GRID = list(itertools.product(MEANINGS, [(3, 3, 3), (3, 4, 2), (2, 1, 3), (1, 3, 1)]))


def made(shape, which):
    rng = np.random.default_rng(0)
    b, t, f = shape
    y, p = rng.normal(size=(2, b, t, f)).astype("float32")
    sizes = {"b": b, "t": t, "f": f, "1": 1}
    w = rng.uniform(0, 2, [sizes[name] for name in which.split()]).astype("float32")
    return y, p, w


@pytest.mark.parametrize(("which", "shape"), GRID)
@pytest.mark.parametrize("axes", ["b t f, b t f", None], ids=["axes", "no axes"])
def test_each_shape_means_what_it_says(which, shape, axes):
    y, p, w = made(shape, which)
    loss = lm.Loss("mse", axes)
    value, (gradient,) = value_and_grad(lambda x: loss(y, x, w), p)
    factor = np.broadcast_to(MEANINGS[which](w), p.shape).astype("float64")
    difference = p.astype("float64") - y
    np.testing.assert_allclose(value, (factor * difference**2).mean(), rtol=1e-5)
    np.testing.assert_allclose(gradient, factor * 2 * difference / p.size, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(("which", "shape"), [case for case in GRID if case[0] != "b t f"])
def test_a_class_axis_takes_no_part_in_it(which, shape):
    _, p, w = made(shape, which)
    labels = np.random.default_rng(1).integers(0, shape[2], shape[:2])
    loss = lm.Loss(lm.errors.CrossEntropy(from_logits=True), "b t, b t [c]")
    logits = p.astype("float64")
    log_p = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    errors = -np.take_along_axis(log_p, labels[..., None], axis=-1)
    wanted = (np.broadcast_to(MEANINGS[which](w), errors.shape) * errors).mean()
    np.testing.assert_allclose(float(loss(labels, p, w)), wanted, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize(
    "shape", [(2,), (4,), (1,), (4, 3), (1, 4), (3, 1, 1, 1, 2), (3, 2), (1, 1)]
)
def test_weights_that_fit_nothing_are_refused(shape):
    y, p, _ = made((3, 4, 2), "b")
    with pytest.raises(lm.LossmithError) as caught:
        lm.Loss("mse", "b t f, b t f")(y, p, np.ones(shape, "float32"))
    assert "sample_weight" in str(caught.value)


def test_weights_of_one_a_batch_element_do_not_depend_on_the_order_of_axes():
    y, p, w = made((3, 3, 2), "b")
    turned = lm.Loss("mse", "t b f, b t f")(y.transpose(1, 0, 2), p, w)
    np.testing.assert_allclose(float(turned), float(lm.Loss("mse")(y, p, w)), rtol=1e-6)


def test_a_weight_is_no_mask_and_a_zero_weight_still_counts():
    y, p, w = [0.0, 0.0], [1.0, 3.0], [1.0, 0.0]
    assert float(lm.Loss("mse", "b, b")(y, p, w)) == 0.5
    assert float(lm.Loss("mse", "b, b", mask=lm.masks.SampleWeight())(y, p, w)) == 1.0
    assert float(lm.Loss("mse", "b, b", reduce="weighted_mean")(y, p, w)) == 1.0


def test_a_weight_that_is_not_a_number_at_a_masked_position_is_not_used():
    mask = lm.masks.Field("y:mask")
    y = {"y": [0.0, 0.0], "mask": [True, False]}
    nan = float("nan")
    loss = lm.Loss("mse", "b, b", mask=mask)
    value, (gradient,) = value_and_grad(lambda p: loss(y, p, [1.0, nan]), np.float32([1, nan]))
    assert value == 1.0
    np.testing.assert_array_equal(gradient, [2.0, 0.0])
    assert np.isnan(float(loss(y, [1.0, 1.0], [nan, 1.0])))


@pytest.mark.parametrize("kind", ["b", "b 1", "b t"])
def test_evaluate_of_keras_gives_the_weighted_mean_of_all_batches(kind):
    y, x, w = made((6, 3, 1), kind)
    inputs = keras.Input((3, 1))
    model = keras.Model(inputs, keras.layers.Identity()(inputs))
    model.compile(loss=lm.Loss("mse", "b t f, b t f"))
    found = model.evaluate(x, y, sample_weight=w, batch_size=3, verbose=0)
    factor = np.broadcast_to(MEANINGS[kind](w), x.shape)
    np.testing.assert_allclose(found, (factor * (x.astype("float64") - y) ** 2).mean(), rtol=1e-5)
