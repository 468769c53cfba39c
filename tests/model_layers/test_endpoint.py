"""A loss as a layer: against the loss itself, in a plain functional Keras model."""

import keras
import numpy as np
import pytest

import lossmith as lm
from lossmith.model.layers import LossEndpoint
from tests.evidence.assemble import CASES, loss_of, prediction_of
from tests.support.grads import value_and_grad

RNG = np.random.default_rng(0)
X = RNG.normal(size=(4, 5, 3)).astype("float32")
Y = RNG.normal(size=(4, 5)).astype("float32")
LENGTHS = np.array([5, 1, 3, 2], "int32")
COUNTED = np.arange(5) < LENGTHS[:, None]


def by_hand(kernel):
    error = (X.astype("float64") @ np.asarray(kernel, "float64"))[..., 0] - Y
    value = np.mean(error[COUNTED] ** 2)
    gradient = 2 * np.einsum("bt,btf->f", np.where(COUNTED, error, 0), X) / COUNTED.sum()
    return value, gradient[:, None]


def model_of(loss, **arguments):
    x, y = keras.Input((5, 3), name="x"), keras.Input((5,), name="y")
    lengths = keras.Input((), dtype="int32", name="lengths")
    dense = keras.layers.Dense(1, use_bias=False, name="dense")
    endpoint = LossEndpoint(loss, name="endpoint", **arguments)
    return keras.Model([x, y, lengths], endpoint(dense(x), y={"y": y, "lengths": lengths}))


LOSS = lm.Loss("mse", "b t, b t 1", mask=lm.masks.Lengths("y:lengths"))


def test_value_and_gradient_are_those_by_hand():
    endpoint = LossEndpoint(LOSS)
    kernel = RNG.normal(size=(3, 1)).astype("float32")

    def run(kernel):
        scope = keras.StatelessScope(collect_losses=True)
        with scope:
            endpoint(keras.ops.matmul(X, kernel), y={"y": Y, "lengths": LENGTHS})
        return scope.losses[0]

    value, (gradient,) = value_and_grad(run, kernel, jit=True)
    expected, wanted = by_hand(kernel)
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    np.testing.assert_allclose(gradient, wanted, rtol=1e-4)


def test_the_prediction_is_returned_as_it_came():
    model = model_of(LOSS)
    kernel = model.get_weights()[0]
    found = keras.ops.convert_to_numpy(model([X, Y, LENGTHS]))
    np.testing.assert_allclose(found, X @ kernel, rtol=1e-5, atol=1e-6)


def test_a_plain_model_trains_saves_and_loads(tmp_path):
    keras.utils.set_random_seed(0)
    model = model_of(LOSS + 0.5 * lm.Loss("mae", "b t, b t 1"))
    model.compile(keras.optimizers.Adam(0.05))
    data = [X, Y, LENGTHS]
    history = model.fit(data, epochs=10, verbose=0).history["loss"]
    assert history[-1] < history[0]
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.get_layer("endpoint").loss.names == ("mse", "mae")
    value = float(model.evaluate(data, verbose=0))
    error = (X @ model.get_weights()[0])[..., 0] - Y
    expected = np.mean(error[COUNTED] ** 2) + 0.5 * np.mean(np.abs(error))
    assert value == pytest.approx(expected, rel=1e-5)
    assert float(loaded.evaluate(data, verbose=0)) == pytest.approx(value, rel=1e-6)


def test_without_targets_nothing_is_added():
    endpoint = LossEndpoint(LOSS)
    output = keras.ops.convert_to_tensor(Y)
    assert endpoint(output) is not None
    assert endpoint.losses == []
    inputs = keras.Input((3,))
    assert keras.Model(inputs, endpoint(keras.layers.Dense(1)(inputs))).losses == []


@pytest.mark.parametrize("how", ["attached", "given"])
def test_keras_mask_is_honoured(how):
    endpoint = LossEndpoint(lm.Loss("mse", "b t f, b t f"))
    masked = np.where(COUNTED[..., None], X, 0.0).astype("float32")
    target = np.where(COUNTED[..., None], 0.0 * X, np.nan).astype("float32")
    if how == "attached":
        endpoint(keras.layers.Masking()(masked), y=target)
    else:
        endpoint(masked, y=target, mask=COUNTED)
    np.testing.assert_allclose(float(endpoint.losses[0]), np.mean(X[COUNTED] ** 2), rtol=1e-5)


def test_sample_weights_multiply():
    endpoint = LossEndpoint(lm.Loss("mae", "b t, b t"))
    weight = np.array([1.0, 2.0, 0.0, 3.0], "float32")
    endpoint(Y, y=np.zeros_like(Y), sample_weight=weight)
    expected = np.mean(np.abs(Y) * weight[:, None])
    np.testing.assert_allclose(float(endpoint.losses[0]), expected, rtol=1e-5)


def test_several_outputs_go_by_name():
    loss = lm.Loss("mse", "b t, b t", of=("y", "output:head"))
    endpoint = LossEndpoint(loss)
    endpoint({"head": Y, "other": X}, y=np.zeros_like(Y))
    np.testing.assert_allclose(float(endpoint.losses[0]), np.mean(Y**2), rtol=1e-5)


def test_targets_keep_their_precision_under_a_mixed_policy():
    endpoint = LossEndpoint(lm.Loss("mae", "b, b"), dtype="mixed_float16")
    endpoint(np.array([2048.0], "float32"), y=np.array([2049.0], "float32"))
    assert float(endpoint.losses[0]) == 1.0


def test_a_loss_that_does_not_fit_is_said_while_the_model_is_built():
    with pytest.raises(lm.LossmithError, match="y:lengths"):
        model_of(lm.Loss("mse", "b t, b t 1", mask=lm.masks.Lengths("y:length")))


def test_a_message_comes_whole_out_of_a_layer():
    with pytest.raises(lm.LossmithError, match="two lengths") as found:
        LossEndpoint(LOSS)(Y[..., None], y={"y": Y[:, :4], "lengths": LENGTHS})
    assert "expected" in str(found.value)


@pytest.mark.parametrize(("cls", "example"), CASES)
def test_a_loss_with_any_part_is_added_by_a_functional_model(cls, example):
    fields = example.y_true if isinstance(example.y_true, dict) else {"y": example.y_true}
    given = {"output": example.y_pred, "sample": example.sample_weight, **fields}
    given = {name: _array(x) for name, x in given.items() if x is not None}
    inputs = {name: keras.Input(x.shape[1:], dtype=str(x.dtype)) for name, x in given.items()}
    output = keras.layers.Masking()(inputs["output"]) if example.masking else inputs["output"]
    y = {name: inputs[name] for name in fields if name in inputs}
    endpoint = LossEndpoint(loss_of(cls, example))
    weight = {"sample_weight": inputs["sample"]} if "sample" in inputs else {}
    model = keras.Model(list(inputs.values()), endpoint(output, y=y or None, **weight))
    model(list(given.values()))
    expected = endpoint.loss(example.y_true, prediction_of(example), example.sample_weight)
    found = [keras.ops.convert_to_numpy(x) for x in (model.losses[0], expected)]
    np.testing.assert_allclose(*found, rtol=1e-6)


def _array(x):
    x = np.asarray(x)
    return x.astype({"float64": "float32", "int64": "int32"}.get(str(x.dtype), x.dtype))
