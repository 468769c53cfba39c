"""Inputs meet by name: every order and every missing name, against NumPy."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lossmith as lm
from tests.core.reference import placed, sizes_of
from tests.support.grads import value_and_grad

NAMES = ("b", "t", "k", "f")
# All alike, so that a match by position would go through without a word; and all different.
LENGTHS = ({"b": 2, "t": 2, "k": 2, "f": 2}, {"b": 2, "t": 3, "k": 1, "f": 4})

some_axes = st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True)


def arrays_of(axes, lengths, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=[lengths[n] for n in names]).astype("float32") for names in axes]


def elements_of(loss, y, p):
    return keras.ops.convert_to_numpy(loss(y, p))


@given(some_axes, some_axes, st.sampled_from(LENGTHS), st.randoms(use_true_random=False))
def test_any_two_inputs_meet_by_name(target, prediction, lengths, random):
    kept = list(dict.fromkeys([*prediction, *target]))
    result = random.sample(kept, len(kept))
    y, p = arrays_of([target, prediction], lengths)
    text = f"{' '.join(target)}, {' '.join(prediction)} -> {' '.join(result)}"
    found = elements_of(lm.Loss("mse", text, reduce="none"), y, p)
    sizes = sizes_of([y, p], [target, prediction])
    wanted = (placed(p, prediction, result, sizes) - placed(y, target, result, sizes)) ** 2
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


@given(some_axes, st.lists(st.sampled_from(NAMES), unique=True), st.sampled_from(LENGTHS))
def test_consumed_axes_may_stand_anywhere(shared, consumed, lengths):
    names = ["c" if name in consumed[:1] else name for name in shared]
    names = names if "c" in names else [*names, "c"]
    rest = [name for name in names if name != "c"] or ["b"]
    names = names if len(names) > 1 else ["c", "b"]
    lengths = {**lengths, "c": 3}
    rng = np.random.default_rng(1)
    p = rng.normal(size=[lengths[n] for n in names]).astype("float32")
    y = rng.integers(0, 3, [lengths[n] for n in rest])
    text = f"{' '.join(rest)}, {' '.join('[c]' if n == 'c' else n for n in names)}"
    error = lm.errors.CrossEntropy(from_logits=True)
    found = elements_of(lm.Loss(error, f"{text} -> {' '.join(rest)}", reduce="none"), y, p)
    logits = p.transpose([names.index(name) for name in [*rest, "c"]]).astype("float64")
    log_p = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    wanted = -np.take_along_axis(log_p, y[..., None], axis=-1)[..., 0]
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("text", "shapes", "wanted"),
    [
        ("b t, b t k", [(2, 3), (2, 3, 4)], lambda y, p: (p - y[:, :, None]) ** 2),
        ("b k, b t k", [(2, 4), (2, 3, 4)], lambda y, p: (p - y[:, None, :]) ** 2),
        ("t b, b t", [(3, 2), (2, 3)], lambda y, p: (p - y.T) ** 2),
        ("k, b k", [(4,), (2, 4)], lambda y, p: (p - y) ** 2),
        ("b t k, b t", [(2, 3, 4), (2, 3)], lambda y, p: (p[:, :, None] - y) ** 2),
        ("b t, b k", [(2, 3), (2, 4)], lambda y, p: (p[:, :, None] - y[:, None]) ** 2),
        ("b t 1, b t", [(2, 3, 1), (2, 3)], lambda y, p: (p - y[..., 0]) ** 2),
        ("b 1, b t", [(2, 1), (2, 3)], lambda y, p: (p - y) ** 2),
        ("1 t, b t", [(1, 3), (2, 3)], lambda y, p: (p - y) ** 2),
        ("..., ...", [(2, 3, 4)] * 2, lambda y, p: (p - y) ** 2),
        ("... k, ... k", [(4,)] * 2, lambda y, p: (p - y) ** 2),
        ("..., ... k", [(2, 3), (2, 3, 4)], lambda y, p: (p - y[..., None]) ** 2),
        ("b, b -> b", [(2,)] * 2, lambda y, p: (p - y) ** 2),
        ("b t, b t k -> k t b", [(2, 3), (2, 3, 4)], lambda y, p: ((p - y[..., None]) ** 2).T),
    ],
)
def test_value_and_gradients_of_the_repeated_tensor(text, shapes, wanted):
    rng = np.random.default_rng(0)
    y, p = (rng.normal(size=shape).astype("float32") for shape in shapes)
    loss = lm.Loss("mse", text, reduce="none")
    value, (dy, dp) = value_and_grad(loss, y, p)
    right = wanted(y.astype("float64"), p.astype("float64"))
    assert value.shape == right.shape
    np.testing.assert_allclose(value, right, rtol=1e-5, atol=1e-6)
    h = 1e-6
    for found, place in ((dy, 0), (dp, 1)):
        arrays = [y.astype("float64"), p.astype("float64")]
        numeric = np.zeros(arrays[place].shape)
        for at in np.ndindex(numeric.shape):
            ahead, behind = ([x.copy() for x in arrays] for _ in range(2))
            ahead[place][at] += h
            behind[place][at] -= h
            numeric[at] = (wanted(*ahead).sum() - wanted(*behind).sum()) / (2 * h)
        np.testing.assert_allclose(found, numeric, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("text", "shapes", "fact"),
    [
        ("b t, b t", [(2, 3), (2, 4)], "t has two lengths"),
        ("b t, b t", [(2, 1), (2, 3)], "t has two lengths"),
        ("b t, b t", [(2, 3), (2, 1)], "t has two lengths"),
        ("b t, t b", [(2, 3), (2, 3)], "has two lengths"),
        ("b t, b t", [(2,), (2, 3)], "does not have the axes"),
        ("b t, b t", [(2, 3, 1), (2, 3)], "does not have the axes"),
        ("b 1, b t", [(2, 3), (2, 3)], "of another length where the axes say 1"),
        ("..., ...", [(2, 3), (2, 1)], "axis1 has two lengths"),
        ("... a b, ... a b", [(2,), (2,)], "does not have the axes"),
    ],
)
def test_what_does_not_line_up_says_so(text, shapes, fact):
    y, p = (np.zeros(shape, "float32") for shape in shapes)
    with pytest.raises(lm.LossmithError, match=fact) as caught:
        lm.Loss("mse", text)(y, p)
    assert caught.value.at == ("mse",)
    assert caught.value.fix
