"""Every combination of ranks, also where all lengths are equal: by name, or an error."""

import itertools
import re

import keras
import numpy as np
import pytest

import lossmith as lm
from tests.core.reference import placed, sizes_of

FORMS = ("b", "b 1", "b t", "b t 1", "b 1 k", "b t k", "b k", "1 t", "t")
PAIRS = list(itertools.product(FORMS, repeat=2))
LENGTHS = [{"b": 2, "t": 2, "k": 2, "1": 1}, {"b": 2, "t": 3, "k": 4, "1": 1}]
alike = pytest.mark.parametrize("lengths", LENGTHS, ids=["B==T==K", "B!=T!=K"])


def arrays_of(forms, lengths):
    rng = np.random.default_rng(0)
    return [rng.normal(size=[lengths[n] for n in f.split()]).astype("float32") for f in forms]


def squared(y, p, target, prediction):
    """The squared differences of two arrays that meet by name, and their axes."""
    y = y.reshape([n for n, name in zip(y.shape, target.split(), strict=True) if name != "1"])
    p = p.reshape([n for n, name in zip(p.shape, prediction.split(), strict=True) if name != "1"])
    target, prediction = ([n for n in f.split() if n != "1"] for f in (target, prediction))
    names = list(dict.fromkeys([*prediction, *target]))
    if set(target) == set(names) != set(prediction):
        names = target
    sizes = sizes_of([y, p], [target, prediction])
    return (placed(p, prediction, names, sizes) - placed(y, target, names, sizes)) ** 2


@alike
@pytest.mark.parametrize(("target", "prediction"), PAIRS)
def test_with_axes_every_pair_lines_up_by_name(target, prediction, lengths):
    y, p = arrays_of([target, prediction], lengths)
    loss = lm.Loss("mse", f"{target}, {prediction}", reduce="none")
    found = keras.ops.convert_to_numpy(loss(y, p))
    wanted = squared(y, p, target, prediction)
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


@alike
@pytest.mark.parametrize(("target", "prediction"), PAIRS)
def test_without_axes_a_pair_has_equal_shapes_or_is_refused_with_axes(target, prediction, lengths):
    y, p = arrays_of([target, prediction], lengths)
    loss = lm.Loss("mse", reduce="none")
    if y.shape == p.shape:
        found = keras.ops.convert_to_numpy(loss(y, p))
        np.testing.assert_allclose(found, (p - y) ** 2, rtol=1e-5, atol=1e-6)
        return
    with pytest.raises(lm.LossmithError, match="do not line up") as caught:
        loss(y, p)
    (axes,) = re.findall(r"axes='(.+)'", caught.value.fix)
    lm.Loss("mse", axes)(y, p)  # what it tells the user to write does run
    shared = set(y.shape) <= {1, *p.shape} or set(p.shape) <= {1, *y.shape}
    assert shared or "each with each" in caught.value.fix


@alike
@pytest.mark.parametrize("form", ["b t k", "b t", "b", "b k"])
def test_sparse_labels_without_axes_lack_the_class_axis_or_are_refused(form, lengths):
    rng = np.random.default_rng(0)
    p = rng.normal(size=[lengths[n] for n in "btk"]).astype("float32")
    y = rng.integers(0, 2, [lengths[n] for n in form.split()])
    loss = lm.Loss(lm.errors.CrossEntropy(from_logits=True), reduce="none")
    if y.shape in (p.shape, p.shape[:-1]):
        assert keras.ops.convert_to_numpy(loss(y, p)).shape == p.shape[:-1]
        return
    with pytest.raises(lm.LossmithError, match="do not line up"):
        loss(y, p)
