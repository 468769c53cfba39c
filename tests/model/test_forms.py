"""The forms a model comes in: functional, taken over from another, and a class of one's own."""

import keras
import numpy as np
import pytest
from keras import ops

import lossmith as lm

RNG = np.random.default_rng(2)
X = RNG.normal(size=(8, 3)).astype("float32")
Y = RNG.normal(size=(8, 2)).astype("float32")
TOTAL = (
    lm.Loss("mse", "b f, b f")
    + 0.5 * lm.Loss("l1", of="layer:encoder", name="code")
    + 0.1 * lm.Loss("l2", of="weights:*/kernel", reduce="sum", name="kernels")
)
RATE = 0.1


@keras.saving.register_keras_serializable("test_forms")
class Coder(lm.ModelMixin, keras.Model):
    """An encoder and a head, without names of their own."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.encoder = keras.layers.Dense(4)
        self.head = keras.layers.Dense(2)

    def call(self, inputs):
        return self.head(self.encoder(inputs))


def functional():
    x = keras.Input((3,))
    return keras.Model(x, keras.layers.Dense(2)(keras.layers.Dense(4, name="encoder")(x)))


def sequential():
    encoder = keras.layers.Dense(4, name="encoder")
    return keras.Sequential([keras.Input((3,)), encoder, keras.layers.Dense(2)])


FORMS = {
    "taken over from a functional model": lambda: lm.Model(functional()),
    "taken over from a sequential model": lambda: lm.Model(sequential()),
    "a class of one's own": Coder,
}


def by_hand(kernels):
    """The terms of the linear model, and one step of gradient descent, in NumPy."""
    first, second = kernels
    x, y = X.astype("float64"), Y.astype("float64")
    code = x @ first
    difference = code @ second - y
    terms = {
        "mse": np.mean(difference**2),
        "code": np.mean(np.abs(code)),
        "kernels": sum(np.sum(kernel**2) for kernel in kernels),
    }
    by_output = 2.0 * difference / difference.size
    by_code = by_output @ second.T + 0.5 * np.sign(code) / code.size
    gradients = [x.T @ by_code + 0.2 * first, code.T @ by_output + 0.2 * second]
    total = terms["mse"] + 0.5 * terms["code"] + 0.1 * terms["kernels"]
    return {"loss": total, **terms}, [k - RATE * g for k, g in zip(kernels, gradients, strict=True)]


def kernels_of(model):
    found = [v for v in model.trainable_variables if v.path.endswith("kernel")]
    return [ops.convert_to_numpy(v).astype("float64") for v in found]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_learns_as_by_hand(form, tmp_path):
    keras.utils.set_random_seed(1)
    model = FORMS[form]()
    model(X)
    before = kernels_of(model)
    model.compile(keras.optimizers.SGD(RATE), loss=TOTAL)
    logs = model.train_on_batch(X, Y, return_dict=True)
    wanted, after = by_hand(before)
    assert logs == pytest.approx(wanted, rel=1e-5)
    for got, expected in zip(kernels_of(model), after, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-6)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.evaluate(X, Y, verbose=0, return_dict=True) == pytest.approx(
        model.evaluate(X, Y, verbose=0, return_dict=True)
    )


def test_a_class_of_ones_own_trains_before_it_is_built():
    keras.utils.set_random_seed(1)
    model = Coder()
    model.compile(keras.optimizers.SGD(0.0), loss=TOTAL)
    history = model.fit(X, Y, batch_size=3, epochs=1, verbose=0).history
    wanted, _ = by_hand(kernels_of(model))
    assert {name: value[0] for name, value in history.items()} == pytest.approx(wanted, rel=1e-5)


def test_a_model_taken_over_shares_its_weights():
    plain = functional()
    model = lm.Model(plain)
    assert [v.path for v in model.weights] == [v.path for v in plain.weights]
    model.compile(keras.optimizers.SGD(RATE), loss=TOTAL)
    model.fit(X, Y, verbose=0)
    np.testing.assert_array_equal(
        ops.convert_to_numpy(plain(X)), ops.convert_to_numpy(model(X)), strict=True
    )


def test_a_model_taken_over_keeps_the_names_of_inputs_and_outputs():
    x = {name: keras.Input((3,), name=name) for name in ("left", "right")}
    outputs = {"sum": keras.layers.Add(name="add")([x["left"], x["right"]]), "left": x["left"]}
    model = lm.Model(keras.Model(x, outputs))
    model.compile(
        loss=lm.Loss("mae", "b f, b f", of=("x:right", "output:sum"))
        + lm.Loss("mae", "b f, b f", of=("y", "output:left"), name="other")
    )
    given = {"left": X, "right": 2.0 * X}
    logs = model.evaluate(given, 0.0 * X, verbose=0, return_dict=True)
    assert logs["mae"] == pytest.approx(np.mean(np.abs(X)), rel=1e-5)
    assert logs["other"] == pytest.approx(np.mean(np.abs(X)), rel=1e-5)


class Branches(lm.ModelMixin, keras.Model):
    """Several outputs without names, and a layer inside a layer that is no model."""

    class Block(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.inner = keras.layers.Rescaling(2.0)

        def call(self, inputs):
            return self.inner(inputs)

    def __init__(self):
        super().__init__()
        self.block = self.Block()

    def call(self, inputs):
        return [self.block(inputs), -1.0 * inputs]


def test_outputs_without_names_go_by_place_and_layers_by_attribute():
    model = Branches()
    terms = [
        lm.Loss("mse", of=("y", "output:1"), name="second"),
        lm.Loss("mse", of=("output:0", "layer:block/inner"), name="same"),
        lm.Loss("l1", of="layer:block/inner", name="inner"),
    ]
    model.compile(loss=terms[0] + terms[1] + terms[2])
    logs = model.evaluate(X, -1.0 * X, verbose=0, return_dict=True)
    expected = {"second": 0.0, "same": 0.0, "inner": np.mean(np.abs(2.0 * X))}
    assert logs == pytest.approx({**expected, "loss": expected["inner"]}, rel=1e-5)


def test_the_mixin_refuses_to_stand_last():
    with pytest.raises(lm.LossmithError, match="has to stand before"):
        type("Wrong", (keras.Model, lm.ModelMixin), {})


def test_a_model_without_inputs_of_its_own_is_not_taken_over():
    with pytest.raises(lm.LossmithError, match="can be taken over"):
        lm.Model(keras.Sequential([keras.layers.Dense(2)]))


def test_targets_come_in_a_tuple():
    x = keras.Input((3,))
    model = lm.Model(x, keras.layers.Rescaling(1.0)(x))
    mask = lm.masks.Field("y:1", "b")
    model.compile(loss=lm.Loss("mse", "b f, b f", mask=mask, name="term"), metrics=["mae"])
    counts = np.arange(8) < 5
    for y in ((0.0 * X, counts), [0.0 * X, counts]):
        logs = model.evaluate(X, y, batch_size=3, verbose=0, return_dict=True)
        assert logs["term"] == pytest.approx(np.mean(X[:5] ** 2), rel=1e-5)
        assert logs["mae"] == pytest.approx(np.mean(np.abs(X)), rel=1e-5)


def test_targets_in_a_list_have_the_names_of_the_outputs():
    x = keras.Input((3,), name="x")
    outputs = [keras.layers.Rescaling(rate, name=name)(x) for name, rate in (("a", 1), ("b", 3))]
    model = lm.Model(x, outputs)
    loss = lm.Loss("mse", of=("y:a", "output:a"), name="first")
    loss = loss + lm.Loss("mae", of=("y:b", "output:b"), name="second")
    model.compile(loss=loss, metrics=[["mae"], ["mse"]])
    logs = model.evaluate(X, [0.0 * X, 0.0 * X], batch_size=3, verbose=0, return_dict=True)
    assert logs["first"] == pytest.approx(np.mean(X**2), rel=1e-5)
    assert logs["second"] == pytest.approx(np.mean(np.abs(3.0 * X)), rel=1e-5)
    assert logs["a_mae"] == pytest.approx(np.mean(np.abs(X)), rel=1e-5)
    assert logs["b_mse"] == pytest.approx(np.mean((3.0 * X) ** 2), rel=1e-5)


def test_metrics_of_outputs_get_the_fields_of_their_names():
    x = keras.Input((3,), name="x")
    outputs = {
        name: keras.layers.Rescaling(rate, name=name)(x) for name, rate in (("a", 1), ("b", 3))
    }
    model = lm.Model(x, outputs)
    mask = lm.masks.Field("y:counts", "b")
    loss = lm.Loss("mse", "b f, b f", of=("y:a", "output:a"), mask=mask, name="first")
    model.compile(loss=loss, metrics={"a": ["mae"], "b": ["mse"]})
    y = {"a": 0.0 * X, "b": 0.0 * X, "counts": np.arange(8) < 5}
    logs = model.evaluate(X, y, batch_size=4, verbose=0, return_dict=True)
    assert logs["first"] == pytest.approx(np.mean(X[:5] ** 2), rel=1e-5)
    assert logs["a_mae"] == pytest.approx(np.mean(np.abs(X)), rel=1e-5)
    assert logs["b_mse"] == pytest.approx(np.mean((3.0 * X) ** 2), rel=1e-5)


def test_what_a_model_adds_itself_is_logged_apart():
    class Adds(keras.layers.Layer):
        def call(self, inputs):
            self.add_loss(ops.mean(inputs**2))
            return inputs

    x = keras.Input((3,))
    head = keras.layers.Dense(2, kernel_initializer="ones", kernel_regularizer="l2")
    model = lm.Model(x, head(Adds()(x)))
    model.compile(loss=lm.Loss("mse", "b f, b f"))
    logs = model.evaluate(X, Y, batch_size=4, verbose=0, return_dict=True)
    output = X.sum(axis=1, keepdims=True)
    expected = {
        "mse": np.mean((output - Y) ** 2),
        "add_loss": np.mean(X**2),
        "regularization": 0.01 * 6.0,
    }
    assert logs == pytest.approx({**expected, "loss": sum(expected.values())}, rel=1e-5)
