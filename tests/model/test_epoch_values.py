"""What is logged is the value of the whole data, whatever the batch size."""

import keras
import numpy as np
import pytest

import lossmith as lm
from tests.model.data import (
    AXES,
    COUNTED,
    FIELDS,
    KERNEL,
    LENGTHS,
    MASK,
    OUTPUT,
    TARGET,
    WEIGHTS,
    X,
    Y,
    errors,
    linear,
    logs_of,
)

batches = pytest.mark.parametrize("batch_size", [3, 16])
TOTAL = (
    lm.Loss("mse", AXES, mask=MASK)
    + 0.5 * lm.Loss("mae", AXES, mask=MASK, reduce="mean t f, mean b", name="by_sample")
    + 0.1 * lm.Loss("l2", "b t f", of="output", name="small")
)


def by_hand():
    """The terms over the whole data, in NumPy."""
    absolute = np.where(COUNTED[..., None], np.abs(OUTPUT - TARGET), 0.0).sum(axis=(1, 2))
    samples = LENGTHS > 0
    terms = {
        "mse": errors(2).mean(),
        "by_sample": (absolute[samples] / LENGTHS[samples]).mean(),
        "small": (OUTPUT**2).mean(),
    }
    return {"loss": terms["mse"] + 0.5 * terms["by_sample"] + 0.1 * terms["small"], **terms}


@batches
def test_evaluate_logs_every_term_as_on_the_whole_data(batch_size):
    model = linear()
    model.compile(loss=TOTAL)
    assert logs_of(model, X, FIELDS, batch_size=batch_size) == pytest.approx(by_hand(), rel=1e-5)


def test_keras_own_mean_of_means_is_another_number():
    model = linear(keras.Model)
    model.compile(loss=lm.Loss("mse", AXES, mask=lm.masks.Finite()))
    found = model.evaluate(X, Y, batch_size=3, verbose=0)
    assert abs(found / errors(2).mean() - 1) > 0.01


@batches
@pytest.mark.parametrize("reduce", ["mean", "weighted_mean"])
def test_sample_weights_keep_it_exact(batch_size, reduce):
    model = linear()
    model.compile(loss=lm.Loss("mse", AXES, mask=MASK, reduce=reduce))
    found = logs_of(model, X, FIELDS, sample_weight=WEIGHTS, batch_size=batch_size)
    weights = np.broadcast_to(WEIGHTS[:, None], COUNTED.shape)[COUNTED]
    total = (weights * errors(2)).sum()
    wanted = total / (COUNTED.sum() if reduce == "mean" else weights.sum())
    assert found == pytest.approx({"loss": wanted, "mse": wanted}, rel=1e-5)


@batches
def test_regularisers_are_kept_in_the_total_and_out_of_the_terms(batch_size):
    model = linear(kernel_regularizer=keras.regularizers.L2(0.3))
    model.compile(loss=lm.Loss("mse", AXES, mask=MASK))
    found = logs_of(model, X, FIELDS, batch_size=batch_size)
    rest = 0.3 * (KERNEL**2).sum()
    mse = errors(2).mean()
    wanted = {"loss": mse + rest, "mse": mse, "regularization": rest}
    assert found == pytest.approx(wanted, rel=1e-5)


def test_fit_logs_terms_and_their_validation_and_learns_as_by_hand():
    model = linear()
    model.compile(keras.optimizers.SGD(0.1), loss=TOTAL)
    validation = (X[4:], {"y": Y[4:], "lengths": LENGTHS[4:]})
    history = model.fit(
        X, FIELDS, batch_size=16, epochs=1, validation_data=validation, verbose=0
    ).history
    assert set(history) == {*by_hand(), *(f"val_{name}" for name in by_hand())}
    first = {name: history[name][0] for name in by_hand()}
    assert first == pytest.approx(by_hand(), rel=1e-5)
    kernel = KERNEL - 0.1 * slope()
    found = keras.ops.convert_to_numpy(model.get_layer("out").kernel)
    np.testing.assert_allclose(found, kernel, rtol=1e-4)
    after = (X.astype("float64") @ kernel - TARGET)[4:]
    wanted = (after[COUNTED[4:]] ** 2).mean()
    assert history["val_mse"][0] == pytest.approx(wanted, rel=1e-4)


def slope():
    """The gradient of the total by the kernel, by hand."""
    difference = np.where(COUNTED[..., None], OUTPUT - TARGET, 0.0)
    samples = np.maximum(LENGTHS, 1)[:, None, None] * (LENGTHS > 0).sum()
    by_output = (
        2 * difference / COUNTED.sum()
        + 0.5 * np.sign(difference) / samples
        + 0.1 * 2 * OUTPUT / OUTPUT.size
    )
    return np.einsum("btf,bto->fo", X.astype("float64"), by_output)


def test_each_epoch_starts_from_nothing():
    model = linear()
    model.compile(keras.optimizers.SGD(0.0), loss=TOTAL)
    history = model.fit(X, FIELDS, batch_size=3, epochs=2, verbose=0, shuffle=False).history
    for name, value in by_hand().items():
        assert history[name] == pytest.approx([value, value], rel=1e-5)


def test_nothing_counted_in_the_whole_data_is_zero():
    model = linear()
    model.compile(keras.optimizers.SGD(0.1), loss=lm.Loss("mse", AXES, mask=MASK))
    nothing = {"y": np.full_like(Y, np.nan), "lengths": np.zeros_like(LENGTHS)}
    with pytest.warns(UserWarning, match="counted nothing") as found:
        history = model.fit(X, nothing, batch_size=3, epochs=2, verbose=0).history
    said = [str(warning.message) for warning in found if warning.category is UserWarning]
    assert len(said) == 1
    assert said[0].startswith("the term 'mse' counted nothing in the data of this epoch")
    assert history == {"loss": [0.0, 0.0], "mse": [0.0, 0.0]}
    np.testing.assert_array_equal(model.get_weights()[0], KERNEL)


def test_compiled_metrics_get_the_field_y():
    model = linear()
    model.compile(loss=lm.Loss("mse", AXES, name="term"), metrics=["mae"])
    found = logs_of(model, X, {"y": TARGET, "lengths": LENGTHS}, batch_size=16)
    difference = OUTPUT - TARGET
    wanted = {
        "mae": np.abs(difference).mean(),
        "loss": (difference**2).mean(),
        "term": (difference**2).mean(),
    }
    assert found == pytest.approx(wanted, rel=1e-5)
    model.compile(loss=lm.Loss("mse", AXES, name="term"), weighted_metrics=["mae"])
    found = logs_of(model, X, {"y": TARGET}, sample_weight=WEIGHTS, batch_size=16)
    weighted = np.average(np.abs(difference).mean(axis=(1, 2)), weights=WEIGHTS)
    assert found["mae"] == pytest.approx(weighted, rel=1e-5)


def test_a_model_compiled_again_logs_the_new_terms_only():
    model = linear()
    model.compile(loss=TOTAL)
    model.compile(loss=lm.Loss("mae", AXES, mask=MASK))
    found = logs_of(model, X, FIELDS, batch_size=3)
    assert found == pytest.approx({"loss": errors(1).mean(), "mae": errors(1).mean()}, rel=1e-5)
    model.compile(loss="mse")
    assert logs_of(model, X, TARGET) == pytest.approx({"loss": ((OUTPUT - TARGET) ** 2).mean()})
