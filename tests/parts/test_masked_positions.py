"""What stands at a masked position reaches neither value nor gradient, by not one bit."""

import functools

import keras
import numpy as np
import pytest

import lossmith as lm
from lossmith.core.notation import parse_axes
from tests.parts.cases import CASES, IDS
from tests.parts.poison import masked_places, outcomes, poisoned

FIRST = {type(case.error): place for place, case in reversed(list(enumerate(CASES)))}
JITS = {"torch": [False]}.get(keras.config.backend(), [False, True])


def runs_of(places):
    """Cases in each mode. JAX compiles every operation of an eager call: one case a class."""
    chosen = list(places)
    runs = [
        pytest.param(place, jit, id=f"{IDS[place]}-{'jit' if jit else 'eager'}")
        for jit in JITS
        for place in chosen
        if jit or keras.config.backend() != "jax" or place in FIRST.values()
    ]
    return pytest.mark.parametrize(("place", "jit"), runs)


every_run = runs_of(range(len(CASES)))
own_runs = runs_of(place for place, case in enumerate(CASES) if not case.of_keras)
label_runs = runs_of(p for p, case in enumerate(CASES) if case.labels and not case.of_keras)
REFUSED_BY_TORCH = ("BinaryCrossentropy", "BinaryFocalCrossentropy")
OUT_OF_RANGE = (-1, 3, 99, 2**31 - 1, -(2**31))


def inputs_of(case):
    """Inputs, which of them count, and where each input is masked."""
    rng = np.random.default_rng(1)
    inputs, counted = case.inputs(rng), case.counted(rng)
    masked = [
        masked_places(x.shape, axes.items, counted, case.mask_axes)
        for x, axes in zip(inputs, parse_axes(case.axes).inputs, strict=True)
    ]
    return inputs, counted, masked


def with_one(inputs, which, masked, value):
    """The inputs with one number that counts changed."""
    changed = [x.copy() for x in inputs]
    changed[which][tuple(np.argwhere(~masked[which])[0])] = value
    return changed


@functools.cache
def results(place, *, jit):
    """The loss of a case on all sets of inputs that the tests ask about, from one step."""
    case = CASES[place]
    inputs, counted, masked = inputs_of(case)
    dirty = [poisoned(x, where) for x, where in zip(inputs, masked, strict=True)]
    waste = [poisoned(x, np.ones(x.shape, bool)) for x in inputs]
    sets = {
        "clean": [*inputs, counted],
        "dirty": [*dirty, counted],
        "nothing counted": [*inputs, np.zeros_like(counted)],
        "nothing counted, dirty": [*waste, np.zeros_like(counted)],
    }
    for which, x in enumerate(() if case.of_keras else inputs):
        if x.dtype.kind == "f":
            sets[f"nan {which}"] = [*with_one(inputs, which, masked, np.nan), counted]
        else:
            for label in OUT_OF_RANGE:
                sets[f"label {label}"] = [*with_one(inputs, which, masked, label), counted]
    loss = case.loss(mask=lm.masks.Field("y:mask", case.mask_axes))

    def step(*tensors):
        return loss({"y": tensors[0], "mask": tensors[-1]}, tensors[-2])

    return dict(zip(sets, outcomes(step, *sets.values(), jit=jit), strict=True))


@every_run
def test_what_is_masked_changes_not_one_bit(place, jit):
    inputs, _, masked = inputs_of(CASES[place])
    found = results(place, jit=jit)
    assert found["clean"].bits == found["dirty"].bits
    assert np.isfinite(found["clean"].value)
    for which, gradient in found["dirty"].gradients.items():
        assert np.isfinite(gradient).all()
        np.testing.assert_array_equal(gradient[masked[which]], 0.0)
    assert np.abs(found["dirty"].gradients[len(inputs) - 1]).max() > 0


@every_run
def test_nothing_counted_is_zero_with_a_zero_gradient(place, jit):
    for name in ("nothing counted", "nothing counted, dirty"):
        outcome = results(place, jit=jit)[name]
        assert outcome.value == 0.0
        for gradient in outcome.gradients.values():
            np.testing.assert_array_equal(gradient, 0.0)


@own_runs
def test_a_nan_that_counts_is_seen(place, jit):
    found = {name: x for name, x in results(place, jit=jit).items() if name.startswith("nan")}
    assert found
    assert [name for name, outcome in found.items() if not np.isnan(outcome.value)] == []


@pytest.mark.parametrize("case", [case for case in CASES if case.of_keras], ids=lambda c: c.name)
def test_a_nan_that_counts_is_seen_through_a_keras_loss(case, backend):
    (target, prediction), counted, _ = inputs_of(case)
    prediction[0, 0] = np.nan  # the whole position: some of these losses read one class alone
    loss = case.loss(mask=lm.masks.Field("y:mask", case.mask_axes))
    if backend == "torch" and type(case.error.loss).__name__ in REFUSED_BY_TORCH:
        with pytest.raises(RuntimeError, match="between 0 and 1"):
            loss({"y": target, "mask": counted}, prediction)
        return
    assert np.isnan(float(loss({"y": target, "mask": counted}, prediction)))


@label_runs
def test_a_label_out_of_range_that_counts_is_nan(place, jit):
    found = results(place, jit=jit)
    hidden = [label for label in OUT_OF_RANGE if not np.isnan(found[f"label {label}"].value)]
    assert hidden == []


@label_runs
def test_labels_as_floats_mean_the_same_and_a_nan_among_them_is_seen(place, jit):
    case = CASES[place]
    (labels, prediction), _, masked = inputs_of(case)
    inputs = [labels.astype("float32"), prediction]
    spoilt = [with_one(inputs, 0, masked, bad) for bad in (np.nan, np.inf, -1.0, 99.0, 0.5)]
    whole, *others = outcomes(case.loss(), inputs, *spoilt, jit=jit)
    (integers,) = outcomes(case.loss(), [labels, prediction], jit=jit)
    np.testing.assert_array_equal(whole.value, integers.value)
    assert [bool(np.isnan(other.value)) for other in others] == [True] * len(spoilt)
