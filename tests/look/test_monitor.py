"""`LossMonitor`: what it adds to the logs, what its sinks get, and gradients of terms."""

import json

import keras
import numpy as np
import pytest

import lossmith as lm
from lossmith.core.statistics import EDGES
from tests.model.data import (
    COUNTED,
    FIELDS,
    KERNEL,
    LENGTHS,
    OUTPUT,
    TARGET,
    TOTAL,
    WEIGHTS,
    X,
)

BATCH = 8
EPOCHS = 2
VALIDATION = (X[:BATCH], {name: field[:BATCH] for name, field in FIELDS.items()})
COUNTS = {"mse": COUNTED.sum(), "by_sample": (LENGTHS > 0).sum(), "small": OUTPUT.size}


class Kept(lm.sinks.Sink):
    """Keeps what it is given."""

    def __init__(self):
        self.epochs, self.histograms, self.closed = [], [], 0

    def epoch(self, epoch, logs):
        self.epochs.append((epoch, dict(logs)))

    def histogram(self, epoch, name, counts, edges):
        self.histograms.append((epoch, name, sum(counts), len(edges)))

    def close(self):
        self.closed += 1


def model_of_terms(loss=TOTAL, **arguments):
    """A linear model with a tap between its layer and its output."""
    x = keras.Input((None, 2))
    start = keras.initializers.Constant(KERNEL)
    out = keras.layers.Dense(1, use_bias=False, kernel_initializer=start, name="out")(x)
    model = lm.Model(x, lm.tap("output", out))
    model.compile(keras.optimizers.SGD(0.0), loss, **arguments)
    return model


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    """A training that changes nothing: the model, its history, a sink and a run directory."""
    path, sink = tmp_path_factory.mktemp("run"), Kept()
    monitor = lm.callbacks.LossMonitor([sink, lm.sinks.JsonLines(path)], (X, FIELDS, WEIGHTS))
    model = model_of_terms(taps={"output": "histogram"})
    history = model.fit(
        X,
        FIELDS,
        batch_size=BATCH,
        epochs=EPOCHS,
        verbose=0,
        validation_data=VALIDATION,
        callbacks=[monitor],
    ).history
    return model, history, sink, path


def slopes(factors, weights=None):
    """The gradient of each term of `TOTAL` by the output, in NumPy; its norm."""
    w = np.ones(len(X)) if weights is None else weights.astype("float64")
    difference = np.where(COUNTED[..., None], OUTPUT - TARGET, 0.0)
    per_step = np.maximum(LENGTHS, 1)[:, None, None]
    w = w[:, None, None]
    found = {
        "mse": 2 * w * difference / COUNTS["mse"],
        "by_sample": w * np.sign(difference) / per_step / COUNTS["by_sample"],
        "small": 2 * w * OUTPUT / COUNTS["small"],
    }
    return {name: factors[name] * np.linalg.norm(slope) for name, slope in found.items()}


def test_the_logs_have_what_each_term_counted_in_training_and_validation(watched):
    _, history, _, _ = watched
    for name, count in COUNTS.items():
        assert history[f"count/{name}"] == [count] * EPOCHS
    assert history["val_count/mse"] == [COUNTED[:BATCH].sum()] * EPOCHS


def test_the_logs_have_the_gradient_of_each_term_by_the_output(watched):
    model, history, _, _ = watched
    expected = slopes(model.term_factors, WEIGHTS)
    assert set(expected) == set(model.term_factors)
    for name, norm in expected.items():
        assert history[f"gradient/{name}"] == pytest.approx([norm] * EPOCHS, rel=1e-4)


def test_a_sink_gets_the_logs_the_factors_and_the_histograms_of_each_epoch(watched):
    _, history, sink, _ = watched
    assert [epoch for epoch, _ in sink.epochs] == list(range(EPOCHS))
    _, last = sink.epochs[-1]
    factors = {"factor/mse": 1.0, "factor/by_sample": 0.5, "factor/small": pytest.approx(0.1)}
    assert last == {**{name: values[-1] for name, values in history.items()}, **factors}
    assert sink.histograms == [
        (epoch, name, size, len(EDGES))
        for epoch in range(EPOCHS)
        for name, size in (("tap/output", OUTPUT.size), ("val_tap/output", OUTPUT[:BATCH].size))
    ]
    assert sink.closed == 1


def test_a_run_directory_is_written(watched):
    _, history, _, path = watched
    lines = [json.loads(line) for line in (path / "epochs.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == list(range(EPOCHS))
    assert lines[-1]["logs"]["gradient/mse"] == history["gradient/mse"][-1]
    assert lines[-1]["logs"]["tap/output/mean"] == pytest.approx(OUTPUT.mean(), rel=1e-4)


def test_a_gradient_is_taken_with_the_factor_of_the_moment():
    loss = lm.schedules.Settable(3.0) * TOTAL.terms[0] + TOTAL.terms[1]
    model = model_of_terms(loss)
    expected = slopes({"mse": 3.0, "by_sample": 1.0, "small": 0.0})
    del expected["small"]
    assert model.term_gradients(X, FIELDS) == pytest.approx(expected, rel=1e-4)
    model.set_factor("mse", 6.0)
    assert model.term_gradients(X, FIELDS)["mse"] == pytest.approx(2 * expected["mse"], rel=1e-4)
    assert model.term_factors == {"mse": 6.0, "by_sample": 1.0}


def test_gradients_are_of_all_outputs_and_nothing_pulls_from_a_layer():
    x = keras.Input((2,))
    hidden = keras.layers.Dense(2, name="hidden")(x)
    model = lm.Model(x, {n: keras.layers.Dense(1, name=n)(hidden) for n in ("a", "b")})
    both = lm.Loss("mse", "b 1, b 1", of=("output:a", "output:b"), name="both")
    model.compile(loss=both + lm.Loss("l2", of="layer:hidden"))
    data = np.ones((4, 2), "float32"), {"a": np.ones((4, 1)), "b": np.ones((4, 1))}
    found = {n: keras.ops.convert_to_numpy(v) for n, v in model(data[0]).items()}
    slope = 2 * (found["a"] - found["b"]) / 4
    norms = model.term_gradients(*data)
    assert norms == pytest.approx({"both": np.sqrt(2) * np.linalg.norm(slope), "l2": 0}, rel=1e-5)


def test_a_gradient_honours_the_automatic_mask():
    x = keras.Input((4,), dtype="int32")
    embedded = keras.layers.Embedding(3, 2, mask_zero=True)(x)
    model = lm.Model(x, embedded)
    model.compile(loss=lm.Loss("l1", "b t f", of="output"))
    data = np.array([[1, 2, 1, 0]]), None
    assert model.term_gradients(*data)["l1"] == pytest.approx(np.sqrt(6) / 6, rel=1e-5)


def test_any_keras_model_can_be_watched():
    x = keras.Input((2,))
    model = keras.Model(x, keras.layers.Dense(1)(x))
    model.compile("sgd", "mse")
    sink = Kept()
    data = np.ones((2, 2)), np.ones((2, 1))
    model.fit(*data, verbose=0, callbacks=[lm.callbacks.LossMonitor([sink])])
    ((_, logs),) = sink.epochs
    assert set(logs) == {"loss"}


@pytest.mark.parametrize("bad", [{"sinks": ["run"]}, {"gradients": X}, {"gradients": (X,)}])
def test_what_is_no_sink_or_no_batch_is_refused(bad):
    with pytest.raises(lm.LossmithError):
        lm.callbacks.LossMonitor(**bad)


def test_gradients_of_a_loss_without_terms_are_refused_before_any_step():
    model = model_of_terms("mse")
    monitor = lm.callbacks.LossMonitor(gradients=(X, TARGET))
    with pytest.raises(lm.LossmithError, match=r"only an lm\.Model with a loss of lossmith"):
        model.fit(X, TARGET, verbose=0, callbacks=[monitor])
    with pytest.raises(lm.LossmithError, match="none is compiled"):
        model.term_gradients(X, TARGET)
