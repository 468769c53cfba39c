"""Losses of layers and weights: what a model holds, from one forward pass."""

import keras
import numpy as np
import pytest
from keras import ops

import lossmith as lm

RNG = np.random.default_rng(0)
X = RNG.normal(size=(7, 5, 3)).astype("float32")
Y = RNG.normal(size=(7, 5, 2)).astype("float32")


def layers():
    """A shared layer called twice, a recurrent layer, and an output."""
    keras.utils.set_random_seed(0)
    x = keras.Input((5, 3), name="x")
    shared = keras.layers.Dense(4, name="shared")
    first, second = shared(x), shared(2.0 * x)
    hidden = keras.layers.LSTM(4, return_sequences=True, name="lstm")(first + second)
    return x, first, second, hidden, keras.layers.Dense(2, name="head")(hidden)


TERMS = {
    "mse": lm.Loss("mse", "b t f, b t f"),
    "hidden": lm.Loss("l1", "b t h", of="layer:lstm", name="hidden"),
    "kernel": lm.Loss("l2", of="weights:lstm/kernel", reduce="sum", name="kernel"),
    "kernels": lm.Loss("l2", of="weights:*/kernel", reduce="sum", name="kernels"),
    "calls": lm.Loss("mse", of=("layer:shared:0", "layer:shared:1"), name="calls"),
}


def objective():
    total = TERMS["mse"]
    for name in ("hidden", "kernel", "kernels", "calls"):
        total = total + 0.1 * TERMS[name]
    return total


def by_hand(tensors, variables):
    """The terms in NumPy, from outputs computed by an ordinary model."""
    first, second, hidden, output = (ops.convert_to_numpy(t).astype("float64") for t in tensors)
    weights = {v.path: ops.convert_to_numpy(v).astype("float64") for v in variables}
    square = {path: np.sum(w**2) for path, w in weights.items() if path.endswith("/kernel")}
    return {
        "mse": np.mean((output - Y) ** 2),
        "hidden": np.mean(np.abs(hidden)),
        "kernel": square["lstm/lstm_cell/kernel"],
        "kernels": sum(square.values()),
        "calls": np.mean((first - second) ** 2),
    }


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The logs before training, after it, and those of the model loaded again."""
    x, *tensors = layers()
    plain, model = keras.Model(x, tensors), lm.Model(x, tensors[-1])
    model.compile(keras.optimizers.SGD(0.1), loss=objective())
    expected = by_hand(plain(X), model.weights)
    before = model.evaluate(X, Y, batch_size=3, verbose=0, return_dict=True)
    model.fit(X, Y, batch_size=4, epochs=2, verbose=0, sample_weight=np.ones(7))
    after = model.evaluate(X, Y, batch_size=7, verbose=0, return_dict=True)
    path = tmp_path_factory.mktemp("inside") / "model.keras"
    model.save(path)
    loaded = keras.saving.load_model(path)
    again = loaded.evaluate(X, Y, batch_size=7, verbose=0, return_dict=True)
    return expected, before, after, again, by_hand(plain(X), model.weights), model


def test_each_term_has_the_value_of_its_tensors(trained):
    expected, before, *_ = trained
    assert set(before) == {"loss", *expected}
    for name, value in expected.items():
        np.testing.assert_allclose(before[name], value, rtol=1e-5, err_msg=name)
    total = expected["mse"] + 0.1 * sum(v for name, v in expected.items() if name != "mse")
    np.testing.assert_allclose(before["loss"], total, rtol=1e-5)


def test_training_moves_every_term_and_the_loaded_model_goes_on(trained):
    expected, _, after, again, moved, _ = trained
    for name, value in moved.items():
        np.testing.assert_allclose(after[name], value, rtol=1e-5, err_msg=name)
        assert after[name] != pytest.approx(expected[name], rel=1e-4), name
    assert after["loss"] < expected["mse"] + 0.1 * sum(expected[name] for name in expected)
    np.testing.assert_allclose([after[k] for k in after], [again[k] for k in after], rtol=1e-6)


def test_layers_are_left_as_they_were(trained):
    model = trained[-1]
    assert all("call" not in layer.__dict__ for layer in model.layers)
    assert model.predict(X, verbose=0).shape == Y.shape


def test_a_layer_runs_once_a_step():
    class Counted(keras.layers.Layer):
        calls = 0

        def call(self, inputs):
            type(self).calls += 1
            return inputs * 1.0

    x = keras.Input((3,))
    hidden = Counted(name="counted")(x)
    model = lm.Model(x, keras.layers.Dense(1)(hidden))
    term = lm.Loss("l1", "b f", of="layer:counted")
    model.compile("sgd", loss=lm.Loss("mse", "b f, b f") + term, run_eagerly=True)
    model.train_on_batch(X[:, 0], Y[:, 0, :1])
    Counted.calls = 0
    model.train_on_batch(X[:, 0], Y[:, 0, :1])
    assert Counted.calls == 1


def test_a_layer_of_a_model_inside_is_named_by_its_path():
    inner_x = keras.Input((3,))
    inner = keras.Model(inner_x, keras.layers.Dense(4, name="code")(inner_x), name="encoder")
    x = keras.Input((3,))
    model = lm.Model(x, keras.layers.Dense(3)(inner(x)))
    model.compile(loss=lm.Loss("l1", "b h", of="layer:encoder/code"))
    logs = model.evaluate(X[:, 0], X[:, 0], verbose=0, return_dict=True)
    code = ops.convert_to_numpy(inner(X[:, 0]))
    np.testing.assert_allclose(logs["l1"], np.mean(np.abs(code)), rtol=1e-5)


def test_sample_weight_zero_does_not_erase_a_term_of_weights():
    x, *_, output = layers()
    model = lm.Model(x, output)
    model.compile(loss=TERMS["mse"] + TERMS["kernel"])
    logs = model.evaluate(X, Y, sample_weight=np.zeros(7), verbose=0, return_dict=True)
    kernel = next(v for v in model.weights if v.path == "lstm/lstm_cell/kernel")
    assert logs["mse"] == 0
    np.testing.assert_allclose(logs["kernel"], np.sum(ops.convert_to_numpy(kernel) ** 2), rtol=1e-5)
