"""The functions for people's own losses, against NumPy, in value and gradient."""

from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lossmith as lm
from tests.support.grads import value_and_grad

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 4)).astype("float32")
MASK = np.array([[1, 1, 0, 1], [0, 1, 0, 0], [0, 0, 0, 0]], bool)
WEIGHTS = np.array([[2.0], [0.5], [1.0]], "float32")
DIRTY = np.where(MASK, X, np.resize([np.nan, np.inf, -np.inf, 1e30], X.shape)).astype("float32")


def numpy(x):
    return keras.ops.convert_to_numpy(x)


def test_every_function_of_ops_is_tested():
    files = Path(__file__).parents[1].rglob("test_*.py")
    source = "".join(file.read_text(encoding="utf-8") for file in files)
    assert [name for name in lm.ops.__all__ if f"lm.ops.{name}(" not in source] == []


@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_lengths_to_mask(shape):
    lengths = np.random.default_rng(0).integers(0, 6, shape)
    found = numpy(lm.ops.lengths_to_mask(lengths, 4))
    np.testing.assert_array_equal(found, np.arange(4) < lengths[..., None])


@pytest.mark.parametrize("axis", [None, 0, 1, (0, 1), -1])
@pytest.mark.parametrize("mask", [None, MASK], ids=["all", "mask"])
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["alike", "weights"])
def test_masked_sum_and_mean(axis, mask, weights):
    x = X if mask is None else DIRTY
    counted = np.ones_like(MASK) if mask is None else mask
    factor = np.broadcast_to(1.0 if weights is None else weights, X.shape) * counted
    count = counted.sum(axis=axis)
    total = (X.astype("float64") * factor).sum(axis=axis)
    value, (gradient,) = value_and_grad(lambda t: lm.ops.masked_sum(t, mask, weights, axis), x)
    np.testing.assert_allclose(value, total, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(gradient, factor, rtol=1e-6)
    value, (gradient,) = value_and_grad(lambda t: lm.ops.masked_mean(t, mask, weights, axis), x)
    divisor = np.where(count == 0, 1, count)
    np.testing.assert_allclose(value, total / divisor, rtol=1e-5, atol=1e-6)
    each = np.expand_dims(divisor, axis) if isinstance(axis, int) else divisor
    np.testing.assert_allclose(gradient, factor / each, rtol=1e-5)


def test_a_masked_mean_of_float16_is_float32():
    values = np.ones(102_400, "float16")
    assert keras.backend.standardize_dtype(lm.ops.masked_sum(values).dtype) == "float32"
    assert float(lm.ops.masked_sum(values)) == 102_400
    assert float(lm.ops.masked_mean(values)) == 1.0


def test_safe_where_lets_neither_value_nor_gradient_through():
    def function(x):
        return lm.ops.safe_where(MASK, keras.ops.log, x, fill=1.0)

    x = np.where(MASK, np.abs(X) + 0.1, DIRTY).astype("float32")
    value, (gradient,) = value_and_grad(function, x)
    right = np.abs(X).astype("float64") + 0.1
    np.testing.assert_allclose(value, np.where(MASK, np.log(right), 0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(gradient, np.where(MASK, 1 / right, 0), rtol=1e-5)


def test_safe_where_takes_several_inputs():
    found = lm.ops.safe_where(MASK, keras.ops.divide, DIRTY, X, fill=1.0)
    np.testing.assert_allclose(numpy(found), MASK.astype("float32"), rtol=1e-6)


@pytest.mark.parametrize(("count", "wanted"), [(2.0, 1.5), (0.0, 3.0), (-2.0, -1.5)])
def test_safe_divide(count, wanted):
    def function(total):
        return lm.ops.safe_divide(total, keras.ops.convert_to_tensor(count, "float32"))

    value, (gradient,) = value_and_grad(function, np.float32(3.0))
    assert value == wanted
    assert gradient == wanted / 3.0


def test_safe_divide_shows_a_nan():
    nan = keras.ops.convert_to_tensor(float("nan"))
    assert np.isnan(float(lm.ops.safe_divide(nan, keras.ops.zeros(()))))


@pytest.mark.parametrize(
    ("axes", "shape", "like", "wanted"),
    [
        ("b t -> b t k", (2, 3), (2, 3, 4), lambda x: x[:, :, None]),
        ("b k -> b t k", (2, 4), (2, 3, 4), lambda x: x[:, None]),
        ("k b -> b k", (4, 2), (2, 4), lambda x: x.T),
        ("b 1 -> b t", (2, 1), (2, 3), lambda x: x),
        ("b -> b t", (2,), (2, 2), lambda x: x[:, None]),
    ],
)
def test_repeat_to(axes, shape, like, wanted):
    x, other = np.random.default_rng(0).normal(size=shape).astype("float32"), np.zeros(like)
    value, (gradient,) = value_and_grad(lambda t: lm.ops.repeat_to(t, axes, like=other), x)
    np.testing.assert_array_equal(value, np.broadcast_to(wanted(x), like))
    np.testing.assert_array_equal(gradient, np.full(shape, np.prod(like) / np.prod(shape)))


def test_repeat_to_refuses_two_lengths():
    with pytest.raises(lm.LossmithError, match="b has two lengths"):
        lm.ops.repeat_to(np.zeros(3), "b -> b t", like=np.zeros((2, 3)))


labels = st.lists(
    st.sampled_from([-(2**31), -1, 0, 1, 2, 3, 99, 2**31 - 1]), min_size=3, max_size=3
)


@given(labels, st.sampled_from(["int32", "int64", "float32"]))
def test_a_label_picks_its_value_or_nan(labels, dtype):
    array = np.array(labels).astype(dtype)
    legal = np.array([0 <= label < 4 for label in labels])
    index = np.where(legal, labels, 0)
    values = RNG.normal(size=(3, 4)).astype("float32")
    wanted = np.where(legal, values[np.arange(3), index], np.nan)
    np.testing.assert_array_equal(numpy(lm.ops.pick(values, array)), wanted)
    if dtype != "float32":
        found = numpy(lm.ops.class_weight_for(array, values[0]))
        np.testing.assert_array_equal(found, np.where(legal, values[0][index], np.nan))


@pytest.mark.skipif(keras.config.backend() == "jax", reason="JAX has no 64-bit integers")
def test_a_label_that_int32_would_wrap_is_no_class():
    label = keras.ops.convert_to_tensor(np.array([2**32 + 1]), "int64")
    assert np.isnan(numpy(lm.ops.pick(X[:1], label))).all()
    assert np.isnan(numpy(lm.ops.class_weight_for(label, X[0]))).all()


def test_small_integers_are_labels_of_many_classes():
    values = np.arange(1000.0, dtype="float32")[None]
    assert numpy(lm.ops.pick(values, np.array([255], "uint8"))) == [255.0]
    assert numpy(lm.ops.class_weight_for(np.array([127], "int8"), values[0])) == [127.0]


def test_the_gradient_of_pick_is_one_at_the_label():
    labels = np.array([3, 0, 1])
    _, (gradient,) = value_and_grad(lambda x: lm.ops.pick(x, labels), X)
    np.testing.assert_array_equal(gradient, np.eye(4)[labels])


def test_class_weights_of_dense_targets_are_their_mean():
    target = np.array([[0.25, 0.75], [1.0, 0.0]], "float32")
    found = numpy(lm.ops.class_weight_for(target, np.array([2.0, 4.0], "float32")))
    np.testing.assert_allclose(found, [3.5, 2.0], rtol=1e-6)
