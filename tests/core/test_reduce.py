"""Reductions by name, over what counts, against NumPy."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lossmith as lm
from lossmith.core.reduce import parse_reduce
from lossmith.messages import NotationError
from tests.core.reference import placed
from tests.support.grads import value_and_grad

AXES = ("b", "t", "k")
SIZES = {"b": 3, "t": 4, "k": 2}
REDUCTIONS = (
    "mean",
    "weighted_mean",
    "sum",
    "mean t k, mean b",
    "mean k, mean t, mean b",
    "sum t, mean b k",
    "sum t k, mean b",
    "mean t, sum",
    "mean b, mean",
    "weighted_mean t k, mean b",
    "sum b t, mean k",
)


def numpy_reduce(values, mask, weights, text):
    """Reduce step by step; `weights` are pairs of an array over all axes and its own axes."""
    weights = list(weights)
    names = list(AXES)
    result = np.where(mask, values, 0.0)
    steps = [step.split() for step in text.split(",")]
    for place, (word, *written) in enumerate(steps):
        over = written or names
        at = tuple(names.index(name) for name in over)
        last = place == len(steps) - 1
        spent = [w for w in weights if last or set(w[1]) & set(over)]
        weights = [w for w in weights if not any(w is s for s in spent)]
        weight = np.ones(result.shape)
        for array, own in spent:
            weight = weight * placed(array, own, names, SIZES)
        total = np.where(mask, result * weight, 0.0).sum(axis=at)
        if word == "sum":
            count = np.ones_like(total)
        elif word == "mean":
            count = mask.sum(axis=at).astype("float64")
        else:
            count = np.where(mask, weight, 0.0).sum(axis=at)
        result = total / np.where(count == 0, 1.0, count)
        mask = mask.any(axis=at)
        names = [name for name in names if name not in over]
    return result


def own_axes(draw):
    return tuple(name for name in AXES if draw(st.booleans())) or ("b",)


@st.composite
def situations(draw):
    """A mask over some of the axes, up to two weights over some of them, and a reduction."""
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    mask_axes = own_axes(draw)
    mask = rng.uniform(size=[SIZES[n] for n in mask_axes]) < draw(st.sampled_from([0.0, 0.4, 0.9]))
    weights = []
    for _ in range(draw(st.integers(0, 2))):
        axes = own_axes(draw)
        weights.append((rng.integers(0, 4, [SIZES[n] for n in axes]) / 2, axes))
    return mask, mask_axes, weights, draw(st.sampled_from(REDUCTIONS)), rng


@settings(max_examples=20)  # each compiles
@given(situations())
def test_value_and_gradient_of_any_mask_weights_and_reduction(situation):
    mask, mask_axes, weights, text, rng = situation
    y, p = rng.normal(size=(2, 3, 4, 2)).astype("float32")
    fields = {"y": y, "mask": mask} | {f"w{i}": w for i, (w, _) in enumerate(weights)}
    loss = lm.Loss(
        "mse",
        "b t k, b t k",
        mask=lm.masks.Field("y:mask", " ".join(mask_axes)),
        weights=[lm.weights.Field(f"y:w{i}", " ".join(a)) for i, (_, a) in enumerate(weights)],
        reduce=text,
    )
    value, (gradient,) = value_and_grad(lambda x: loss(fields, x), p, jit=True)
    whole = placed(mask, mask_axes, AXES, SIZES).astype(bool)

    def wanted(prediction):
        return numpy_reduce((prediction - y.astype("float64")) ** 2, whole, weights, text)

    np.testing.assert_allclose(value, wanted(p.astype("float64")), rtol=1e-5, atol=1e-6)
    numeric = np.zeros(p.shape)
    for at in np.ndindex(p.shape):  # the value is quadratic: any step gives the exact slope
        ahead, behind = p.astype("float64"), p.astype("float64")
        ahead[at] += 0.5
        behind[at] -= 0.5
        numeric[at] = wanted(ahead) - wanted(behind)
    np.testing.assert_allclose(gradient, numeric, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("text", REDUCTIONS)
def test_a_sample_with_nothing_counted_is_no_sample(text):
    rng = np.random.default_rng(0)
    y, p = rng.normal(size=(2, 3, 4, 2)).astype("float32")
    loss = lm.Loss("mse", "b t k, b t k", mask=lm.masks.Lengths("y:lengths"), reduce=text)
    some = float(loss({"y": y, "lengths": [2, 0, 3]}, p))
    keep = [0, 2]
    without = float(loss({"y": y[keep], "lengths": [2, 3]}, p[keep]))
    np.testing.assert_allclose(some, without, rtol=1e-6)


@pytest.mark.parametrize("text", [*REDUCTIONS, "none"])
def test_each_reduction_of_one_number_is_that_number(text):
    loss = lm.Loss("mse", "b t k, b t k", reduce=text)
    value = keras.ops.convert_to_numpy(loss([[[1.0]]], [[[4.0]]]))
    np.testing.assert_array_equal(value.ravel(), [9.0])


@pytest.mark.parametrize(
    ("weights", "mean", "weighted"),
    [
        ([1.0, 1.0], 5.0, 5.0),
        ([2.0, 2.0], 10.0, 5.0),
        ([2.0, 0.0], 1.0, 1.0),
        ([0.0, 0.0], 0.0, 0.0),
    ],
)
def test_a_mean_divides_by_the_count_and_a_weighted_mean_by_the_weights(weights, mean, weighted):
    y, p = [0.0, 0.0], [1.0, 3.0]
    for reduce, wanted in (("mean", mean), ("weighted_mean", weighted)):
        assert float(lm.Loss("mse", "b, b", reduce=reduce)(y, p, weights)) == wanted


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("", "reduce has no word ''"),
        ("mean t,", "reduce has no word ''"),
        ("avg", "reduce has no word 'avg'"),
        ("Mean", "reduce has no word 'Mean'"),
        ("none b", "reduce has no word 'none'"),
        ("mean t, none", "reduce has no word 'none'"),
        ("sum_over_batch_size", "reduce has no word"),
        ("mean t, mean t", "takes an axis that is already gone"),
        ("mean t t", "takes an axis that is already gone"),
        ("mean, mean b", "takes an axis that is already gone"),
    ],
)
def test_a_reduction_that_cannot_be_read_is_refused(text, fact):
    with pytest.raises(NotationError, match=fact) as caught:
        parse_reduce(text)
    assert caught.value.fix


@pytest.mark.parametrize(
    ("keras_word", "ours"),
    [("sum_over_batch_size", "mean"), ("mean_with_sample_weight", "weighted_mean")],
)
def test_the_words_of_keras_are_translated(keras_word, ours):
    with pytest.raises(NotationError) as caught:
        parse_reduce(keras_word)
    assert caught.value.fix == f'write "{ours}"'


def test_an_axis_that_the_loss_does_not_have_is_refused_before_any_tensor():
    with pytest.raises(NotationError, match="reduce names 'k'"):
        lm.Loss("mse", "b t, b t", reduce="mean k, mean b")


def test_an_axis_that_is_consumed_is_refused():
    loss = lm.Loss("kl_divergence", "b t [c], b t [c]", reduce="mean c, mean")
    with pytest.raises(lm.LossmithError, match="reduce names 'c'"):
        loss(np.ones((1, 2, 3)) / 3, np.ones((1, 2, 3)) / 3)
