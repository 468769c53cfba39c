"""Where a model's losses find their tensors; what they say when one is not there."""

import keras
import numpy as np
import pytest

import lossmith as lm
from tests.model.data import (
    AXES,
    COUNTED,
    FIELDS,
    LENGTHS,
    MASK,
    OUTPUT,
    TARGET,
    X,
    Y,
    linear,
    logs_of,
)
from tests.model.data import errors as errors_of

RNG = np.random.default_rng(5)
OTHER = RNG.normal(size=TARGET.shape).astype("float32")
INPUT_MASK = COUNTED.astype("float32")


def two_by_two():
    """Two inputs, two outputs: the linear model, and its double."""
    x = keras.Input((5, 2), name="steps")
    mask = keras.Input((5,), name="mask")
    first = linear().get_layer("out")(x)
    twice = keras.layers.Rescaling(2.0, name="twice")(first)
    return lm.Model({"steps": x, "mask": mask}, {"out": first, "twice": twice})


def test_every_kind_of_source_is_found():
    model = two_by_two()
    model.compile(
        loss=lm.Loss("mse", AXES, of=("y:a", "output:out"), mask=lm.masks.Field("x:mask", "b t"))
        + lm.Loss("mae", AXES, of=("y:b", "output:twice"), mask=lm.masks.Lengths("y:lengths"))
        + lm.Loss("mse", AXES, of=("output:out", "output:twice"), name="apart")
        + lm.Loss("l1", "b t", of="x:mask", name="counted")
    )
    y = {"a": Y, "b": OTHER, "lengths": LENGTHS}
    found = logs_of(model, {"steps": X, "mask": INPUT_MASK}, y, batch_size=3)
    wanted = {
        "mse": errors_of(2).mean(),
        "mae": np.abs(2 * OUTPUT - OTHER)[COUNTED].mean(),
        "apart": (OUTPUT**2).mean(),
        "counted": COUNTED.mean(),
    }
    assert found == pytest.approx({"loss": sum(wanted.values()), **wanted}, rel=1e-5)


def test_a_list_of_outputs_has_their_names():
    x = keras.Input((2,), name="x")
    first = keras.layers.Rescaling(1.0, name="one")(x)
    second = keras.layers.Rescaling(3.0, name="three")(x)
    model = lm.Model(x, [first, second])
    model.compile(loss=lm.Loss("mae", "b f, b f", of=("x", "output:three")))
    assert logs_of(model, X[:, 0], {})["mae"] == pytest.approx(2 * np.abs(X[:, 0]).mean(), rel=1e-5)


def test_sample_weights_are_a_source():
    model = linear()
    weights = (LENGTHS > 2).astype("float32")
    model.compile(loss=lm.Loss("mse", AXES, mask=lm.masks.SampleWeight()))
    found = logs_of(model, X, TARGET, sample_weight=weights, batch_size=16)
    kept = ((OUTPUT - TARGET) ** 2)[LENGTHS > 2]
    assert found["mse"] == pytest.approx(kept.mean(), rel=1e-5)


def test_sample_weights_of_a_dict_of_targets_weigh_each_its_own_term():
    model = two_by_two()
    model.compile(
        loss=lm.Loss("mae", AXES, of=("y:a", "output:out"))
        + lm.Loss("mse", AXES, of=("y:b", "output:twice"))
        + lm.Loss("l1", AXES.split(", ")[0], of="output:out", name="free")
    )
    by_sample, by_step = RNG.uniform(size=16), RNG.uniform(size=(16, 5))
    found = logs_of(
        model,
        {"steps": X, "mask": INPUT_MASK},
        {"a": TARGET, "b": OTHER},
        sample_weight={"a": by_sample, "b": by_step},
        batch_size=3,
    )
    wanted = {
        "mae": (by_sample[:, None, None] * np.abs(OUTPUT - TARGET)).mean(),
        "mse": (by_step[..., None] * (2 * OUTPUT - OTHER) ** 2).mean(),
        "free": (by_sample[:, None, None] * np.abs(OUTPUT)).mean(),
    }
    assert found == pytest.approx({"loss": sum(wanted.values()), **wanted}, rel=1e-5)


def test_targets_need_not_be_a_dict():
    model = linear()
    model.compile(loss=lm.Loss("mse", AXES, mask=lm.masks.Finite()))
    assert logs_of(model, X, Y, batch_size=3)["mse"] == pytest.approx(errors_of(2).mean(), rel=1e-5)


def test_another_loss_of_keras_works_as_in_keras():
    model = linear()
    model.compile(loss="mae", metrics=["mse"])
    theirs = linear(keras.Model)
    theirs.compile(loss="mae", metrics=["mse"])
    wanted = logs_of(theirs, X, TARGET, batch_size=3)
    assert logs_of(model, X, TARGET, batch_size=3) == pytest.approx(wanted, rel=1e-6)


# ── saving ───────────────────────────────────────────────────────────────────────────────────


def test_a_saved_model_loads_and_goes_on_as_before(tmp_path):
    model = linear(kernel_regularizer=keras.regularizers.L2(0.3))
    total = lm.Loss("mse", AXES, mask=MASK) + 0.5 * lm.Loss("mae", AXES, mask=MASK)
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), loss=total)
    model.fit(X, FIELDS, batch_size=16, epochs=1, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert type(again) is lm.Model
    assert again.loss == total
    assert logs_of(again, X, FIELDS) == logs_of(model, X, FIELDS)
    for each in (model, again):
        each.fit(X, FIELDS, batch_size=16, epochs=1, verbose=0)
    for one, other in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


# ── errors ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("loss", "fact"),
    [
        (lm.Loss("mse", mask=lm.masks.Lengths("y:length")), "'y' has no field 'length'"),
        (lm.Loss("mse", of=("y:target", "output")), "'y' has no field 'target'"),
        (lm.Loss("mse", mask=lm.masks.Field("x:mask")), "'x' has no fields"),
        (lm.Loss("mse", of=("y", "output:head")), "'output' has no fields"),
        (lm.Loss("mse", mask=lm.masks.SampleWeight()), "there is no 'sample_weight'"),
    ],
    ids=["field", "target", "input", "output", "sample weight"],
)
def test_a_tensor_that_is_not_there_is_named(loss, fact):
    model = linear()
    model.compile(loss=loss)
    with pytest.raises(lm.LossmithError, match=fact) as caught:
        model.evaluate(X, FIELDS, verbose=0)
    assert caught.value.at[0] == "mse"
    assert caught.value.fix


def test_a_near_miss_is_told_what_it_meant():
    loss = lm.Loss("mse", mask=lm.masks.Lengths("y:length"))
    with pytest.raises(lm.LossmithError) as caught:
        loss(FIELDS, OUTPUT)
    assert caught.value.fix == 'write "y:lengths"'


@pytest.mark.parametrize("several", [list, tuple, lambda losses: {"out": losses[0]}])
def test_several_losses_are_told_to_add_up(several):
    with pytest.raises(lm.LossmithError, match="takes one loss for all outputs"):
        linear().compile(loss=several([lm.Loss("mse")]))


def test_inputs_without_a_model_are_told_to_take_one():
    loss = lm.Loss("mse", mask=lm.masks.Field("x:mask"))
    with pytest.raises(lm.LossmithError, match="needs a model") as caught:
        loss(TARGET, OUTPUT)
    assert "lm.Model" in caught.value.fix
    model = linear(keras.Model)
    model.compile(loss=loss)
    with pytest.raises(lm.LossmithError, match="needs a model"):
        model.evaluate(X, TARGET, verbose=0)


@pytest.mark.parametrize("source", ["z", "targets", "y:", "", "Y", "out"])
def test_an_unknown_kind_of_source_is_refused_at_once(source):
    with pytest.raises(lm.LossmithError, match="a source has an unknown name"):
        lm.Loss("mse", of=(source, "output"))
