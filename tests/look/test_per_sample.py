"""`lm.per_sample` and `lm.callbacks.ExtremeSamples`: the loss of each sample alone."""

import json

import keras
import numpy as np
import pytest
from keras import ops

import lossmith as lm
from lossmith.look.sinks import JsonLines
from tests.conftest import BACKEND

SAMPLES, STEPS = 7, 4
RNG = np.random.default_rng(5)
X = RNG.normal(size=(SAMPLES, STEPS, 3)).astype("float32")
Y = RNG.normal(size=(SAMPLES, STEPS)).astype("float32")
LENGTHS = np.array([4, 1, 0, 3, 2, 4, 1])
COUNTED = np.arange(STEPS) < LENGTHS[:, None]
WEIGHTS = RNG.uniform(0.5, 2.0, size=SAMPLES).astype("float32")


def mean(values, counts):
    return np.divide(values, counts, out=np.zeros(SAMPLES), where=counts != 0)


# What a batch of one sample gives, in NumPy: errors weighted and summed, and what to divide by.
RULES = {
    "mean": lambda e, w: mean((w[:, None] * e).sum(1), COUNTED.sum(1)),
    "weighted_mean": lambda e, w: mean((w[:, None] * e).sum(1), (w[:, None] * COUNTED).sum(1)),
    "sum": lambda e, w: (w[:, None] * e).sum(1),
    "mean t, mean b": lambda e, w: w * mean(e.sum(1), COUNTED.sum(1)),
    "sum t, mean b": lambda e, w: w * e.sum(1),
    "mean b, mean t": lambda e, w: mean((w[:, None] * e).sum(1), COUNTED.sum(1)),
    "none": lambda e, w: mean((w[:, None] * e).sum(1), COUNTED.sum(1)),
}


@pytest.fixture(scope="module")
def steps_model():
    keras.utils.set_random_seed(0)
    x = keras.Input((STEPS, 3), name="x")
    hidden = keras.layers.Dense(2, name="encoder")(x)
    return lm.Model(x, keras.layers.Dense(1)(keras.layers.Dropout(0.5)(hidden)))


def predicted(model, x):
    return ops.convert_to_numpy(model(ops.convert_to_tensor(x), training=False)).astype("float64")


def masked(reduce="mean", **arguments):
    mask = lm.masks.Lengths("y:lengths")
    return lm.Loss("mse", "b t, b t 1", mask=mask, reduce=reduce, **arguments)


@pytest.mark.parametrize("reduce", RULES)
def test_a_term_gives_each_sample_what_numpy_does(steps_model, reduce):
    steps_model.compile(loss=masked(reduce))
    y = np.where(COUNTED, Y, np.nan).astype("float32")
    found = lm.per_sample(
        steps_model, X, {"y": y, "lengths": LENGTHS}, {"y": WEIGHTS}, batch_size=3
    )
    errors = np.where(COUNTED, (Y - predicted(steps_model, X)[..., 0]) ** 2, 0.0)
    np.testing.assert_allclose(found, RULES[reduce](errors, WEIGHTS.astype("float64")), rtol=1e-5)


@pytest.mark.parametrize("reduce", ["mean", "weighted_mean", "mean t, mean b"])
def test_a_term_gives_what_a_batch_of_that_sample_gives(steps_model, reduce):
    loss = masked(reduce)
    steps_model.compile(loss=loss)
    y = {"y": Y, "lengths": LENGTHS}
    found = lm.per_sample(steps_model, X, y, {"y": WEIGHTS})
    output = predicted(steps_model, X).astype("float32")
    for i in range(SAMPLES):
        one = slice(i, i + 1)
        alone = loss({"y": Y[one], "lengths": LENGTHS[one]}, output[one], {"y": WEIGHTS[one]})
        np.testing.assert_allclose(found[i], float(np.sum(ops.convert_to_numpy(alone))), rtol=1e-5)


def test_several_terms_come_by_name_with_their_sum_and_without_terms_of_weights(steps_model):
    activity = lm.Loss("l1", "b t h", of="layer:encoder", name="activity")
    kernel = lm.Loss("l2", of="weights:encoder/kernel", reduce="sum", name="kernel")
    steps_model.compile(loss=masked(name="data") + 0.1 * activity + 0.01 * kernel)
    found = lm.per_sample(steps_model, X, {"y": Y, "lengths": LENGTHS})
    assert list(found) == ["loss", "data", "activity"]
    np.testing.assert_allclose(found["loss"], found["data"] + 0.1 * found["activity"], rtol=1e-6)
    encoder = steps_model.get_layer("encoder")
    hidden = np.abs(ops.convert_to_numpy(encoder(ops.convert_to_tensor(X)))).mean((1, 2))
    np.testing.assert_allclose(found["activity"], hidden, rtol=1e-5)


def test_a_path_loss_gives_its_samples():
    keras.utils.set_random_seed(0)
    x = keras.Input((STEPS, 3), name="x")
    model = lm.Model(x, keras.layers.Dense(5)(x))
    loss = lm.CTC(lengths={"s": "y:lengths"})
    model.compile(loss=loss)
    labels = RNG.integers(1, 5, size=(SAMPLES, 2))
    y = {"y": labels, "lengths": np.minimum(LENGTHS, 2)}
    found = lm.per_sample(model, X, y)
    output = predicted(model, X).astype("float32")
    for i in (0, 2, 4):
        one = slice(i, i + 1)
        alone = loss({name: part[one] for name, part in y.items()}, output[one])
        np.testing.assert_allclose(found[i], ops.convert_to_numpy(alone), rtol=1e-5)


def absolute(y_true, y_pred):
    return ops.mean(ops.abs(y_true - y_pred), axis=-1)


PLAIN = {
    "a name": "mse",
    "an instance": keras.losses.Huber(delta=0.1),
    "a sum": keras.losses.MeanAbsoluteError(reduction="sum"),
    "a weighted mean": keras.losses.MeanSquaredError(reduction="mean_with_sample_weight"),
    "a function": absolute,
    "ours": lm.Loss("mse", "b, b 1"),
    "a sum of ours": lm.Loss("mse", "b, b 1") + 0.5 * lm.Loss("mae", "b, b 1"),
}


@pytest.mark.parametrize("case", PLAIN)
def test_a_plain_model_gives_what_a_batch_of_that_sample_gives(case):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile(loss=PLAIN[case])
    x, y = X[:, 0], Y[:, 0]
    found = lm.per_sample(model, x, y, WEIGHTS, batch_size=4)
    data = (x, y, predicted(model, x).astype("float32"), WEIGHTS)
    for i in range(SAMPLES):
        alone = model.compute_loss(*(ops.convert_to_tensor(part[i : i + 1]) for part in data))
        np.testing.assert_allclose(found[i], ops.convert_to_numpy(alone), rtol=1e-5)


def test_steps_that_a_layer_masks_count_in_no_sample():
    keras.utils.set_random_seed(0)
    tokens = np.array([[1, 2, 0, 0], [3, 1, 2, 2], [1, 0, 0, 0]])
    embed = keras.layers.Embedding(4, 3, mask_zero=True)
    model = keras.Sequential([keras.Input((4,), dtype="int32"), embed, keras.layers.Dense(1)])
    model.compile(loss="mse")
    y = Y[:3, :, None]
    errors = ((y - predicted(model, tokens)) ** 2)[..., 0]
    found = lm.per_sample(model, tokens, y)
    np.testing.assert_allclose(
        found, (errors * (tokens > 0)).sum(1) / (tokens > 0).sum(1), rtol=1e-5
    )


def test_several_outputs_come_by_name_with_their_weighted_sum():
    keras.utils.set_random_seed(0)
    x = keras.Input((3,))
    heads = {name: keras.layers.Dense(1, name=name)(x) for name in ("near", "far")}
    model = keras.Model(x, heads)
    model.compile(loss={"near": "mse", "far": "mae"}, loss_weights={"near": 1.0, "far": 0.5})
    y = {"near": Y[:, :1], "far": Y[:, 1:2]}
    found = lm.per_sample(model, X[:, 0], y)
    output = model(ops.convert_to_tensor(X[:, 0]))
    far = np.abs(ops.convert_to_numpy(output["far"]) - y["far"])[:, 0]
    assert set(found) == {"loss", "near_loss", "far_loss"}
    np.testing.assert_allclose(found["far_loss"], far, rtol=1e-5)
    np.testing.assert_allclose(found["loss"], found["near_loss"] + 0.5 * far, rtol=1e-5)


def test_asking_changes_nothing(steps_model):
    steps_model.compile("sgd", loss=masked())
    before = [ops.convert_to_numpy(v) for v in steps_model.metrics_variables]
    lm.per_sample(steps_model, X, {"y": Y, "lengths": LENGTHS})
    after = [ops.convert_to_numpy(v) for v in steps_model.metrics_variables]
    np.testing.assert_array_equal(before, after)


def test_the_extremes_of_an_epoch_go_to_the_run_directory(tmp_path):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.0), loss="mse", run_eagerly=BACKEND == "torch")
    model.set_weights([np.zeros((1, 1)), np.zeros(1)])
    y = np.array([[2.0], [0.0], [np.nan], [3.0], [1.0]])
    extremes = lm.callbacks.ExtremeSamples(np.ones((5, 1)), y, k=2, sinks=[JsonLines(tmp_path)])
    model.fit(np.ones((5, 1)), np.ones((5, 1)), epochs=2, verbose=0, callbacks=[extremes])
    assert [sample.index for sample in extremes.hardest] == [2, 3]
    assert [(sample.index, sample.loss) for sample in extremes.easiest] == [(1, 0.0), (4, 1.0)]
    lines = (tmp_path / "samples.jsonl").read_text().splitlines()
    assert json.loads(lines[1]) == {
        "epoch": 1,
        "hardest": [{"index": 2, "loss": "NaN"}, {"index": 3, "loss": 9.0}],
        "easiest": [{"index": 1, "loss": 0.0}, {"index": 4, "loss": 1.0}],
    }
