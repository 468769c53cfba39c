"""Every error against its formula in NumPy, in value and in gradient."""

import numpy as np
import pytest

import lossmith as lm
from lossmith.core.notation import parse_axes
from tests.parts.cases import CASES, ERRORS, SIZES, Case
from tests.parts.reference import FORMULAS, REAL, REAL_TARGETS, gradient
from tests.support.grads import value_and_grad

# An overlap is one value a sample: its cases with a mask on the inside are the same formula.
OWN = [case for case in CASES if not case.name.startswith("keras") and case.mask_axes == "b t"]
own = pytest.mark.parametrize("case", OWN, ids=lambda case: case.name)
# Float32 differences of nearly equal numbers: sizes here are about 1.
VALUE = {"rtol": 1e-5, "atol": 1e-6}
# In float32 a gradient divides by probabilities and by norms that are themselves rounded.
GRADIENT = {"rtol": 1e-4, "atol": 1e-5}


def inputs_of(case, rng):
    """Inputs over the whole domain of an error."""
    inputs = case.inputs(rng)
    kind, shape = type(case.error), inputs[-1].shape
    if kind in REAL or getattr(case.error, "from_logits", False):
        inputs[-1] = rng.normal(size=shape).astype("float32") * 2
    if kind in REAL_TARGETS and len(inputs) > 1:
        inputs[0] = rng.normal(size=inputs[0].shape).astype("float32") * 2
    return inputs


def judged(case, inputs, *, targets=True):
    """Value and gradients of a loss, and those of the formula."""
    floats = [place for place, x in enumerate(inputs) if x.dtype.kind == "f"]
    floats = floats if targets else [len(inputs) - 1]
    loss = case.loss(reduce="none")
    formula = FORMULAS[type(case.error)]

    def whole(tensors):
        return dict(enumerate(inputs)) | dict(zip(floats, tensors, strict=True))

    def ours(*tensors):
        held = whole(tensors)
        return loss(held[0], held[len(inputs) - 1])

    def theirs(*arrays):
        held = whole(arrays)
        y, p = held[0], held[len(inputs) - 1]
        if case.error.flattens:
            axes = parse_axes(case.axes)
            kept = [axes.inputs[0].items.index(n) for n in axes.inputs[0].leading]
            shape = [p.shape[at] for at in kept]
            y, p = y.reshape(*shape, -1), p.reshape(*shape, -1)
        return formula(case.error, y, p)

    arrays = [inputs[place].astype("float64") for place in floats]
    gradients = []
    for which, array in enumerate(arrays):

        def of_one(x, which=which):
            return theirs(*arrays[:which], x, *arrays[which + 1 :])

        gradients.append(gradient(of_one, array))
    found = value_and_grad(ours, *(inputs[place] for place in floats))
    return found, (theirs(*arrays), gradients)


def test_every_error_has_a_formula():
    assert set(FORMULAS) == set(ERRORS)


@own
def test_value_and_gradient_are_those_of_the_formula(case, rng):
    (value, gradients), (wanted, wanted_gradients) = judged(case, inputs_of(case, rng))
    assert value.shape == wanted.shape
    np.testing.assert_allclose(value, wanted, **VALUE)
    for found, right in zip(gradients, wanted_gradients, strict=True):
        np.testing.assert_allclose(found, right, **GRADIENT)


# Arguments that no example shows, in numbers and in classes.
NUMBERS = ("b t, b t", False)
DENSE = ("b t [c], b t [c]", False)
SPARSE = ("b t, b t [c]", True)
CONFIGS = [
    (lm.errors.Huber(0.3), NUMBERS),
    (lm.errors.Quantile(0.1), NUMBERS),
    (lm.errors.BinaryFocal(gamma=0.0, from_logits=True), NUMBERS),
    (lm.errors.BinaryFocal(gamma=1.5, alpha=0.75), NUMBERS),
    (lm.errors.BinaryCrossEntropy(from_logits=True, label_smoothing=0.3), NUMBERS),
    (lm.errors.CrossEntropy(from_logits=True, label_smoothing=0.1), DENSE),
    (lm.errors.CrossEntropy(from_logits=True, label_smoothing=0.1), SPARSE),
    (lm.errors.Focal(gamma=0.0, alpha=1.0), DENSE),
    (lm.errors.Focal(gamma=1.0, alpha=0.5, from_logits=True), SPARSE),
    (lm.errors.Focal(gamma=2.5, from_logits=True), SPARSE),
]


def case_of(error, form):
    axes, labels = form
    return Case(f"{error!r} {axes}", error, axes, {**SIZES, "c": 3}, labels)


@pytest.mark.parametrize("case", [case_of(*given) for given in CONFIGS], ids=lambda c: c.name)
def test_other_arguments_follow_the_formula_too(case, rng):
    (value, gradients), (wanted, right) = judged(case, inputs_of(case, rng))
    np.testing.assert_allclose(value, wanted, **VALUE)
    np.testing.assert_allclose(gradients[-1], right[-1], **GRADIENT)


SATURATED = [
    (lm.errors.BinaryCrossEntropy(from_logits=True), NUMBERS),
    (lm.errors.CrossEntropy(from_logits=True), SPARSE),
    *((lm.errors.BinaryFocal(gamma, from_logits=True), NUMBERS) for gamma in (0.0, 0.5, 2.0)),
    *((lm.errors.Focal(gamma, 1.0, from_logits=True), SPARSE) for gamma in (0.0, 0.5, 2.0)),
]


@pytest.mark.parametrize("case", [case_of(*given) for given in SATURATED], ids=lambda c: c.name)
def test_logits_that_are_certain_neither_overflow_nor_lose_their_gradient(case, rng):
    inputs = case.inputs(rng)
    if not case.labels:
        inputs[0] = (inputs[0] > 0.5).astype("float32")
    inputs[-1] = rng.choice([-150.0, 0.5, 150.0], inputs[-1].shape).astype("float32")
    (value, (found,)), (wanted, (right,)) = judged(case, inputs, targets=False)
    np.testing.assert_allclose(value, wanted, **VALUE)
    np.testing.assert_allclose(found, right, rtol=1e-4, atol=1e-4)
