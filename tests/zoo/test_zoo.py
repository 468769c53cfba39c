"""Each wrong loss is wrong, and each right one right, by proofs that know nothing of the checks."""

import inspect
import re
from collections import Counter

import keras
import numpy as np
import pytest
from keras import ops

from tests.support.grads import value_and_grad
from tests.zoo import pairs
from tests.zoo.judge import (
    kept_contract,
    numbers_made,
    observe,
    ordinary,
    outcome,
    raised,
    raw,
    reloaded,
    same,
    slopes,
    traced,
    trained_on,
)

BACKEND = keras.config.backend()
PAIRS = pairs()
CHECKS = {
    "sample-independence",
    "no-silent-broadcast",
    "permutation",
    "batch-one-and-rest",
    "split-consistency",
    "padding-invariance",
    "masked-values",
    "masked-nan",
    "nothing-counted",
    "weight-equivalence",
    "weight-shapes",
    "gradient",
    "gradient-arrives",
    "descent",
    "perfect-is-best",
    "linear-cost",
    "extremes",
    "half-precision",
    "integer-labels",
    "jit",
    "dynamic-batch",
    "output-contract",
    "pure",
    "serialisation",
    "backends-agree",
}
# Whose sins are not in the value of one call: each has a proof of its own below.
APART = (
    "jit",
    "dynamic-batch",
    "linear-cost",
    "output-contract",
    "pure",
    "serialisation",
    "backends-agree",
)
DOMAIN = re.compile(r"|((prob|simplex|logits|real|positive|binary|int<\d+)( pad=(-?\d+|nan))?)")


def over(chosen):
    chosen = list(chosen)
    return pytest.mark.parametrize("pair", chosen, ids=[pair.sin for pair in chosen])


def sinning_against(check):
    return over(pair for pair in PAIRS if pair.check == check)


every_pair = over(PAIRS)


# ── the registry ────────────────────────────────────────────────────────────────────────────────


def test_the_zoo_is_large_and_its_sins_are_named_once():
    names = [pair.sin for pair in PAIRS]
    assert len(names) >= 72
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", name) for name in names)


def test_every_check_has_two_sins_at_least():
    found = Counter(pair.check for pair in PAIRS)
    assert {check for check in CHECKS if found[check] < 2} == set()
    assert set(found) - {None} <= CHECKS


@every_pair
def test_a_pair_says_what_it_is(pair):
    assert len(ordinary(pair)) == 2
    assert pair.rule is None or re.fullmatch(r"LSM[1-6]\d\d", pair.rule)
    assert DOMAIN.fullmatch(pair.y_true)
    assert DOMAIN.fullmatch(pair.y_pred)
    assert pair.backend in (None, BACKEND)
    assert pair.why.endswith(".")
    for twin in (pair.wrong, pair.right):
        source = twin if inspect.isfunction(twin) else type(twin)
        assert inspect.getsource(source)


# ── the right twins ─────────────────────────────────────────────────────────────────────────────


@every_pair
def test_a_right_twin_is_finite_and_can_be_differentiated(pair):
    y_true, y_pred = ordinary(pair)
    for found in observe(pair.right, y_true, y_pred):
        assert np.isfinite(found).all()


@over(pair for pair in PAIRS if "weights" not in pair.promises)
def test_a_right_twin_returns_one_number_for_each_sample_or_step(pair):
    y_true, y_pred = ordinary(pair)
    value = raw(pair.right)(ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred))
    assert kept_contract(value, y_pred)


@over(pair for pair in PAIRS if pair.reference)
def test_a_right_twin_agrees_with_numpy_in_value_and_gradient(pair):
    y_true, y_pred = ordinary(pair)
    value, (grad,) = value_and_grad(
        lambda p: raw(pair.right)(ops.convert_to_tensor(y_true), p), y_pred
    )
    y_true, y_pred = y_true.astype("float64"), y_pred.astype("float64")
    np.testing.assert_allclose(value, pair.reference(y_true, y_pred), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(grad, slopes(pair.reference, y_true, y_pred), rtol=1e-3, atol=1e-5)


@every_pair
def test_a_right_twin_is_loaded_as_it_was_saved(pair):
    y_true, y_pred = map(ops.convert_to_tensor, ordinary(pair))
    again = reloaded(pair.right)
    assert inspect.isfunction(again) == inspect.isfunction(pair.right)
    value = trained_on(pair.right)(y_true, y_pred)
    np.testing.assert_array_equal(
        ops.convert_to_numpy(trained_on(again)(y_true, y_pred)), ops.convert_to_numpy(value)
    )


# Shapes are never open on JAX and PyTorch.
@over(PAIRS if BACKEND == "tensorflow" else [])
def test_a_right_twin_is_traced_for_a_batch_of_any_size(pair):
    import tensorflow as tf

    arrays = ordinary(pair)
    open_shapes = [tf.TensorSpec((None, *array.shape[1:]), array.dtype) for array in arrays]
    graph = tf.function(raw(pair.right), autograph=False).get_concrete_function(*open_shapes)
    value = graph(*map(tf.convert_to_tensor, arrays))
    np.testing.assert_allclose(value, raw(pair.right)(*arrays), rtol=1e-5, atol=1e-6)


def test_many_right_twins_have_a_reference():
    assert sum(pair.reference is not None for pair in PAIRS) >= 30


# ── the wrong ones ──────────────────────────────────────────────────────────────────────────────


@over(pair for pair in PAIRS if pair.check not in APART)
def test_a_wrong_twin_has_another_value_or_gradient(pair):
    arrays = pair.witness() if pair.witness else ordinary(pair)
    keras_mask = pair.promises.get("mask") == "keras"
    right = observe(pair.right, *arrays, keras_mask=keras_mask)
    assert all(np.isfinite(found).all() for found in right)
    wrong = outcome(observe, pair.wrong, *arrays, keras_mask=keras_mask)
    assert raised(wrong) or not same(wrong, right)


@pytest.mark.skipif(BACKEND == "torch", reason="PyTorch traces nothing")
@sinning_against("jit")
def test_a_loss_that_needs_values_cannot_be_compiled(pair):
    arrays = ordinary(pair)
    tensors = [ops.convert_to_tensor(array) for array in arrays]
    assert same([raw(pair.wrong)(*tensors)], [raw(pair.right)(*tensors)])
    observe(pair.right, *arrays, jit=True)
    assert raised(outcome(observe, without_autograph(pair.wrong), *arrays, jit=True))


def without_autograph(loss):
    """As Keras traces losses."""
    if BACKEND != "tensorflow":
        return loss
    import tensorflow as tf

    return tf.autograph.experimental.do_not_convert(loss)


@sinning_against("dynamic-batch")
def test_a_loss_that_needs_the_batch_size_cannot_be_traced_without(pair):
    traced(pair, pair.right)
    wrong = outcome(traced, pair, pair.wrong), outcome(observe, pair.wrong, *ordinary(pair))
    assert any(map(raised, wrong))


@sinning_against("linear-cost")
def test_a_loss_of_all_pairs_is_right_and_computes_too_much(pair):
    arrays = ordinary(pair)
    assert same(observe(pair.wrong, *arrays), observe(pair.right, *arrays))
    assert numbers_made(pair, pair.right, 64) <= 2.1 * numbers_made(pair, pair.right, 32)
    assert numbers_made(pair, pair.wrong, 64) >= 3 * numbers_made(pair, pair.wrong, 32)


@sinning_against("output-contract")
def test_a_loss_that_returns_something_else(pair):
    y_true, y_pred = ordinary(pair)
    tensors = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
    assert not kept_contract(outcome(raw(pair.wrong), *tensors), y_pred)


@sinning_against("pure")
def test_a_loss_that_does_more_than_return(pair, capsys):
    assert not leaves_traces(pair, pair.right, capsys)
    assert leaves_traces(pair, pair.wrong, capsys)


def leaves_traces(pair, loss, capsys):
    tensors = [ops.convert_to_tensor(np.array(array)) for array in ordinary(pair)]
    first, second = (ops.convert_to_numpy(raw(loss)(*tensors)).copy() for _ in range(2))
    printed = capsys.readouterr().out
    with keras.StatelessScope():
        scoped = outcome(raw(loss), *tensors)
    return bool(printed) or raised(scoped) or not np.allclose(first, second)


@sinning_against("serialisation")
def test_a_loss_that_cannot_be_loaded_or_is_another_then(pair):
    y_true, y_pred = map(ops.convert_to_tensor, ordinary(pair))
    again = outcome(reloaded, pair.wrong)
    assert raised(again) or not np.allclose(
        ops.convert_to_numpy(trained_on(again)(y_true, y_pred)),
        ops.convert_to_numpy(trained_on(pair.wrong)(y_true, y_pred)),
    )


# Where the wrong twin is right all the same.
RIGHT_ON = {
    "method-of-the-tensor": {"jax", "torch"},
    "integers-times-floats": {"jax", "torch"},
    "sigmoid-and-from-logits": {"tensorflow"},
    "one-framework-only": {"tensorflow"},
}


@sinning_against("backends-agree")
def test_a_loss_that_is_right_on_some_backends(pair):
    arrays = ordinary(pair)
    wrong = outcome(observe, pair.wrong, *arrays)
    agrees = not raised(wrong) and same(wrong, observe(pair.right, *arrays))
    assert agrees == (BACKEND in RIGHT_ON[pair.sin])
