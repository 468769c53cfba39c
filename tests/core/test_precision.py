"""Sums and counts in float32 whatever the policy, integers as integers, float64 as it is."""

import keras
import numpy as np
import pytest

import lossmith as lm
from tests.support.grads import value_and_grad

POLICIES = ("float32", "mixed_float16", "mixed_bfloat16", "float16", "bfloat16")
MANY = 102_400  # past the largest float16, and past where bfloat16 and float16 count on


@pytest.fixture(params=POLICIES)
def policy(request):
    """A global dtype policy, and the one before afterwards."""
    before = keras.config.dtype_policy(), keras.config.floatx()
    keras.config.set_dtype_policy(request.param)
    if request.param == "float16":
        keras.config.set_floatx("float16")
    yield request.param
    keras.config.set_dtype_policy(before[0])
    keras.config.set_floatx(before[1])


def low(x, policy):
    """A tensor as a layer under that policy gives it."""
    return keras.ops.cast(np.asarray(x, "float32"), keras.dtype_policies.get(policy).compute_dtype)


def dtype_of(x):
    return keras.backend.standardize_dtype(x.dtype)


def test_sums_and_counts_are_float32(policy):
    y, p = np.zeros((MANY,), "float32"), low(np.ones((MANY,)), policy)
    total = lm.Loss("mse", "b, b", reduce="sum")(y, p)
    assert dtype_of(total) == "float32"
    assert float(total) == MANY
    assert float(lm.Loss("mse", "b, b")(y, p)) == 1.0


@pytest.mark.parametrize("reduce", ["mean", "weighted_mean", "mean t, mean b"])
def test_a_masked_mean_of_many_is_exact(policy, reduce):
    shape = (2, MANY // 2)
    y, mask = np.zeros(shape, "float32"), np.ones(shape, bool)
    mask[:, ::2] = False
    loss = lm.Loss("mse", "b t, b t", mask=lm.masks.Field("y:mask"), reduce=reduce)
    found = loss({"y": y, "mask": mask}, low(np.full(shape, 2.0), policy))
    assert dtype_of(found) == "float32"
    assert float(found) == 4.0


def test_what_float16_cannot_hold_is_computed_in_float32(policy):
    p = low([300.0, -300.0], policy)
    wanted = np.mean((keras.ops.convert_to_numpy(keras.ops.cast(p, "float32"))) ** 2)
    assert float(lm.Loss("mse", "b, b")(np.zeros(2), p)) == wanted  # 90,000 overflows float16


def test_targets_are_not_rounded_to_the_policy(policy):
    y = np.array([1.0001], "float32")
    found = float(lm.Loss("mae", "b, b")(y, low([1.0], policy)))
    np.testing.assert_allclose(found, y[0] - np.float32(1.0), rtol=1e-6)


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint16"])
def test_class_2049_stays_itself(policy, dtype):
    classes = 2051
    logits = np.zeros((1, classes), "float32")
    logits[0, 2049] = 10.0
    loss = lm.Loss(lm.errors.CrossEntropy(from_logits=True), "b, b [c]")
    found = float(loss(np.array([2049], dtype), low(logits, policy)))
    rest = np.log(np.exp(10.0) + classes - 1) - 10.0
    np.testing.assert_allclose(found, rest, rtol=1e-4)
    weights = np.ones(classes)
    weights[2049] = 3.0
    weighted = loss.replace(weights=lm.weights.ByClass(weights))
    found = float(weighted(np.array([2049], dtype), low(logits, policy)))
    np.testing.assert_allclose(found, 3 * rest, rtol=1e-4)


def test_label_16777217_stays_itself(policy):
    label = 2**24 + 1  # float32 makes it 2**24
    loss = lm.Loss("mae", "b, b", mask=lm.masks.NotEqual(2**24))
    elements = loss.elements(np.array([label, 2**24], "int32"), low([0.0, 0.0], policy))
    counted = keras.ops.convert_to_numpy(elements.mask.value)
    np.testing.assert_array_equal(counted, [True, False])


def test_the_gradient_of_a_low_prediction_is_that_of_float32(policy):
    dtype = keras.dtype_policies.get(policy).compute_dtype
    if dtype == "bfloat16":
        pytest.skip("NumPy has no bfloat16")
    p = np.array([0.5, -2.0], dtype)
    loss = lm.Loss("mse", "b, b", reduce="sum")
    value, (gradient,) = value_and_grad(lambda x: loss(np.zeros(2), x), p)
    assert value == 4.25
    assert gradient.dtype == p.dtype
    np.testing.assert_array_equal(gradient, 2 * p)


def test_lengths_past_float16_count(policy):
    length = 70_001
    loss = lm.Loss("mse", "b t, b t", mask=lm.masks.Lengths("y:lengths"), reduce="sum")
    y = {"y": np.zeros((1, length + 1)), "lengths": np.array([length])}
    assert float(loss(y, low(np.ones((1, length + 1)), policy))) == length


def test_step_weights_past_float16_are_right(policy):
    steps = 4099
    loss = lm.Loss("mae", "b t, b t", weights=lm.weights.ByStep(linear=(0.0, steps - 1.0)))
    found = float(loss(np.zeros((1, steps)), low(np.ones((1, steps)), policy)))
    np.testing.assert_allclose(found, (steps - 1) / 2, rtol=1e-6)


# ── float64 ──────────────────────────────────────────────────────────────────────────────────

double = pytest.mark.skipif(
    keras.config.backend() == "jax", reason="JAX turns float64 into float32 unless told otherwise"
)


@double
@pytest.mark.parametrize("reduce", ["mean", "sum", "mean t, mean b", "none"])
def test_float64_is_computed_in_float64(reduce):
    rng = np.random.default_rng(0)
    y, p = rng.normal(size=(2, 3, 4))
    loss = lm.Loss("mse", "b t, b t", reduce=reduce)
    value, (gradient,) = value_and_grad(lambda x: loss(keras.ops.convert_to_tensor(y), x), p)
    assert value.dtype == gradient.dtype == np.float64
    errors = (p - y) ** 2
    wanted = {"none": errors, "sum": errors.sum()}.get(reduce, errors.mean())
    np.testing.assert_allclose(value, wanted, rtol=1e-14)


@double
def test_float64_weights_and_classes_keep_their_digits():
    p = keras.ops.convert_to_tensor(np.array([[0.3, 0.7]]))
    loss = lm.Loss(
        "sparse_categorical_crossentropy", "b, b [c]", weights=lm.weights.ByClass([1.0, 1 / 3])
    )
    np.testing.assert_allclose(float(loss([1], p)), -np.log(0.7) / 3, rtol=1e-14)


@double
def test_dtype_asks_for_float64_of_low_predictions():
    loss = lm.Loss("mae", "b, b", dtype="float64")
    value = loss(np.array([0.1]), keras.ops.cast(np.array([0.0]), "float16"))
    assert dtype_of(value) == "float64"


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "mixed_float16", "int32", "double"])
def test_a_loss_refuses_to_be_computed_in_less_than_float32(dtype):
    with pytest.raises(lm.LossmithError, match="at least float32"):
        lm.Loss("mse", dtype=dtype)
