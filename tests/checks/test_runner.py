"""A whole run: real batches, limits, what cannot be run, and fingerprints."""

import keras
import numpy as np
import pytest
from keras import ops

import lossmith as lm
from lossmith.checks import Status, fingerprint


def squared(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


def root_of_batch(y_true, y_pred):
    return ops.sqrt(ops.mean(ops.square(y_true - y_pred)))


def only_of_length_six(y_true, y_pred):
    return ops.mean(ops.square(ops.reshape(y_true - y_pred, (-1, 6))), axis=-1)


def masked(y_true, y_pred):
    mask = ops.not_equal(y_true, -1.0)
    error = ops.where(mask, ops.square(y_true - ops.where(mask, y_pred, 0.0)), 0.0)
    return ops.sum(error) / ops.maximum(ops.sum(ops.cast(mask, error.dtype)), 1.0)


def compiled(loss):
    x = keras.Input((4,))
    model = keras.Model(x, keras.layers.Dense(6)(x))
    model.compile(loss=loss)
    return model


@pytest.fixture
def real(rng):
    return rng.normal(size=(8, 4)).astype("float32"), rng.normal(size=(8, 6)).astype("float32")


def test_a_model_is_run_on_its_own_batch(real):
    report = lm.check(compiled(only_of_length_six), *real, only=["output-contract", "pure"])
    assert [result.status for result in report] == [Status.KEPT, Status.KEPT]


def test_the_loss_of_a_model_is_held_to_the_laws(real):
    check = "sample-independence"
    assert lm.check(compiled(root_of_batch), *real, only=check)[0].status is Status.BROKEN
    assert lm.check(compiled(squared), *real, only=check)[0].status is Status.KEPT


def test_examples_are_the_first_batch(rng):
    y_true, y_pred = rng.normal(size=(2, 9, 6)).astype("float32")
    found = fingerprint(squared, y_true=y_true, y_pred=y_pred)
    np.testing.assert_array_equal(found["distinct 0/y_true"], y_true[:5])
    np.testing.assert_allclose(
        found["distinct 0/value"], np.mean((y_true - y_pred)[:5] ** 2), rtol=1e-5
    )


@pytest.mark.parametrize(
    ("loss", "axes", "says"),
    [
        (squared, "b [c], b [c]", "samples"),
        (masked, "b t, b t", "tokens"),
        (keras.losses.MeanSquaredError(reduction="sum"), "b [c], b [c]", "nothing"),
    ],
)
def test_what_a_loss_divides_by_is_told(loss, axes, says):
    facts = dict(lm.check(loss, axes, only="output-contract").facts)
    assert facts["divides by"].startswith(says)


def test_a_loss_of_more_than_two_tensors_is_skipped_and_says_what_it_needs():
    report = lm.check(lm.Loss("mse", "b t, b t", mask=lm.masks.Field("x:mask", "b t")))
    assert {result.status for result in report} == {Status.SKIPPED}
    assert "x:mask" in report[0].reason


def test_several_outputs_are_skipped_with_a_reason(real):
    x = keras.Input((4,))
    model = keras.Model(x, {"a": keras.layers.Dense(6)(x), "b": keras.layers.Dense(6)(x)})
    model.compile(loss={"a": "mse", "b": "mae"})
    report = lm.check(model, real[0], {"a": real[1], "b": real[1]})
    assert {result.status for result in report} == {Status.SKIPPED}
    assert "several" in report[0].reason


def test_checks_that_come_after_the_limit_are_skipped():
    assert {r.reason for r in lm.check(squared, limit=0.0)} == {
        "time: the checks before took up the limit"
    }


def test_a_loss_that_never_runs_is_broken_whatever_was_asked_for():
    def raises(y_true, y_pred):
        raise KeyError(f"no table for {y_true.shape}, {y_pred.shape}")

    assert not lm.check(raises, only="gradient").ok


def test_fingerprints_go_through_a_file_and_agree(tmp_path):
    np.savez(tmp_path / "there.npz", **fingerprint("mse"))
    there = np.load(tmp_path / "there.npz")
    result = lm.check("mse", only="backends-agree", elsewhere={"there": there})[0]
    assert result.status is Status.KEPT


@pytest.mark.parametrize("part", ["value", "gradient"])
def test_a_fingerprint_that_differs_is_broken(part):
    there = fingerprint("mse")
    there[f"distinct 1/{part}"] = there[f"distinct 1/{part}"] * 1.01
    result = lm.check("mse", only="backends-agree", elsewhere={"there": there})[0]
    assert result.status is Status.BROKEN
    assert f"the {part}, here and on there" in result.reason


def test_a_backend_that_raises_differs_from_one_that_does_not():
    there = fingerprint("mse")
    del there["distinct 0/value"]
    there["distinct 0/error"] = np.asarray("AttributeError: no mean")
    result = lm.check("mse", only="backends-agree", elsewhere={"there": there})[0]
    assert result.status is Status.BROKEN
    assert "no mean" in result.expected


@pytest.mark.skipif(keras.config.backend() != "torch", reason="arrays of the others do not change")
def test_a_loss_that_writes_into_its_inputs_is_not_pure():
    def in_place(y_true, y_pred):
        error = squared(y_true, y_pred)
        y_true.zero_()
        return error

    result = lm.check(in_place, "b [c], b [c]", only="pure")[0]
    assert result.status is Status.BROKEN
    assert result.got == "y_true"


def test_a_loss_that_seeds_numpy_is_not_pure():
    def seeds(y_true, y_pred):
        np.random.seed(3)  # noqa: NPY002
        return squared(y_true, y_pred)

    assert "numpy.random" in lm.check(seeds, "b [c], b [c]", only="pure")[0].got


def test_a_loss_that_assigns_to_its_variables_is_not_pure():
    class Counts(keras.losses.Loss):
        def __init__(self):
            super().__init__()
            self.seen = keras.Variable(0.0, trainable=False)

        def call(self, y_true, y_pred):
            self.seen.assign(self.seen + 1.0)
            return squared(y_true, y_pred)

    assert lm.check(Counts(), "b [c], b [c]", only="pure")[0].got == "assigns to 1"
