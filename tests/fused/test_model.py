"""`lm.LinearCrossEntropy` in `fit` and `evaluate`, against the same loss on the layer's output."""

from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

import lossmith as lm

BACKEND = keras.config.backend()
VOCABULARY, WIDTH, STEPS = 23, 6, 7
MIB = 2**20

RNG = np.random.default_rng(0)
LENGTHS = RNG.integers(2, STEPS + 1, 10)
COUNTED = np.arange(STEPS) < LENGTHS[:, None]
TOKENS = np.where(COUNTED, RNG.integers(1, VOCABULARY, (10, STEPS)), 0)
LABELS = np.where(COUNTED, RNG.integers(0, VOCABULARY, (10, STEPS)), -100)
WEIGHTS = RNG.uniform(0.5, 2.0, 10).astype("float32")
BY_CLASS = lm.weights.ByClass(np.linspace(0.5, 2.0, VOCABULARY).tolist())


# What each of these holds besides the tests before is Python that all backends share.
on_torch = pytest.mark.skipif(BACKEND != "torch", reason="compiled anew on the others")
REDUCTIONS = ["mean", "mean t, mean b"] if BACKEND == "torch" else ["mean"]


def language_model(loss, *, activation=None, metrics=None, mask_zero=False, made=lm.Model):
    """Return the same model each time."""
    keras.utils.set_random_seed(0)
    x = keras.Input((None,), dtype="int32")
    hidden = keras.layers.Embedding(VOCABULARY, WIDTH, mask_zero=mask_zero)(x)
    logits = keras.layers.Dense(VOCABULARY, name="lm_head", bias_initializer="normal")(hidden)
    model = made(x, keras.layers.Activation(activation)(logits) if activation else logits)
    model.compile(keras.optimizers.SGD(0.5), loss=loss, metrics=metrics)
    return model


def on_logits(error=None, **config):
    """Return the loss that takes what the layer returns."""
    error = error or lm.errors.CrossEntropy(from_logits=True)
    return lm.Loss(error, "b t, b t [c]", name="linear_cross_entropy", **config)


def fitted(model, **given):
    history = model.fit(
        TOKENS, LABELS, batch_size=4, epochs=2, shuffle=False, verbose=0, **given
    ).history
    return history, model.get_weights()


def alike(ours, plain, **given):
    """Train both, and compare what they log and what they learn."""
    (found, weights), (expected, others) = fitted(ours, **given), fitted(plain, **given)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=2e-6, err_msg=name)
    for weight, other in zip(weights, others, strict=True):
        np.testing.assert_allclose(weight, other, rtol=1e-5, atol=1e-6)
    return found


@pytest.mark.parametrize("reduce", REDUCTIONS)
def test_training_is_that_of_the_loss_on_the_logits(reduce):
    config = {
        "mask": lm.masks.NotEqual(-100),
        "weights": BY_CLASS,
        "reduce": reduce,
    }
    error = lm.errors.CrossEntropy(from_logits=True, label_smoothing=0.1)
    ours = lm.LinearCrossEntropy(
        "lm_head", "b t, b t [c]", label_smoothing=0.1, chunk_size=8, **config
    )
    alike(language_model(ours), language_model(on_logits(error, **config)), sample_weight=WEIGHTS)


def test_keras_mask_and_metrics_are_exact_over_batches_of_unequal_counts():
    loss = lm.LinearCrossEntropy("lm_head", metrics=["accuracy", "perplexity"])
    model = language_model(loss, mask_zero=True)
    logs = model.evaluate(TOKENS, LABELS, batch_size=4, verbose=0, return_dict=True)
    logits = model.predict(TOKENS, verbose=0)[COUNTED].astype("float64")
    labels = LABELS[COUNTED]
    surprise = np.log(np.exp(logits).sum(1)) - logits[np.arange(len(labels)), labels]
    np.testing.assert_allclose(logs["linear_cross_entropy"], surprise.mean(), rtol=1e-6)
    np.testing.assert_allclose(logs["loss"], surprise.mean(), rtol=1e-6)
    np.testing.assert_allclose(logs["perplexity"], np.exp(surprise.mean()), rtol=1e-6)
    np.testing.assert_allclose(logs["accuracy"], (logits.argmax(1) == labels).mean(), rtol=1e-6)


@on_torch
def test_the_layer_may_be_the_transpose_of_the_embedding():
    def tied(loss):
        keras.utils.set_random_seed(0)
        x = keras.Input((None,), dtype="int32")
        embedding = keras.layers.ReversibleEmbedding(
            VOCABULARY, WIDTH, logit_soft_cap=2.0, name="tokens", embeddings_initializer="normal"
        )
        hidden = keras.layers.Dense(WIDTH, activation="tanh")(embedding(x))
        model = lm.Model(x, embedding(hidden, reverse=True))
        model.compile(keras.optimizers.SGD(0.5), loss=loss)
        return model

    masked = {"mask": lm.masks.NotEqual(-100)}
    alike(tied(lm.LinearCrossEntropy("tokens", **masked)), tied(on_logits(**masked)))


@on_torch
def test_a_saved_model_goes_on_as_it_was(tmp_path: Path):
    loss = lm.LinearCrossEntropy(
        "lm_head",
        "b t, b t [c]",
        mask=lm.masks.NotEqual(-100),
        weights=BY_CLASS,
        reduce="mean t, mean b",
        label_smoothing=0.1,
        z_loss=1e-4,
        soft_cap=30.0,
        metrics=["accuracy"],
        chunk_size=8,
        name="next_token",
    )
    model = language_model(loss)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.loss == loss
    assert repr(loaded.loss) == repr(loss)
    given = {"batch_size": 4, "verbose": 0, "return_dict": True}
    logs = loaded.evaluate(TOKENS, LABELS, **given)
    assert set(logs) == {"loss", "next_token", "accuracy"}
    assert logs == model.evaluate(TOKENS, LABELS, **given)


def test_a_step_does_not_hold_the_logits():
    """A step of plain Keras raises the peak by the logits at least, and so shows the measure."""
    tokens = np.zeros((1, 512), "int32")

    def peak(made, loss, classes=2**17):
        x = keras.Input((None,), dtype="int32")
        hidden = keras.layers.Embedding(4, 8)(x)
        model = made(x, keras.layers.Dense(classes, name="lm_head")(hidden))
        model.compile(keras.optimizers.SGD(0.1), loss=loss)
        return _peak(lambda: model.fit(tokens, tokens, verbose=0))

    logits = tokens.size * 2**17 * 4
    loss = lm.LinearCrossEntropy("lm_head", chunk_size=32)
    peak(lm.Model, loss, classes=8)  # what the framework itself loads at the first step
    ours = peak(lm.Model, loss)
    plain = peak(keras.Model, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    assert ours < logits / 2, f"{ours / MIB:.0f} MiB"
    assert plain > logits, f"{plain / MIB:.0f} MiB"


def _peak(step):
    """By how many bytes the resident memory of this process rises at most."""
    Path("/proc/self/clear_refs").write_text("5")
    before = _memory("VmRSS")
    step()
    return _memory("VmHWM") - before


def _memory(name):
    rows = dict(row.split(":") for row in Path("/proc/self/status").read_text().splitlines())
    return 1024 * int(rows[name].split()[0])


@on_torch
def test_the_layer_is_not_computed_in_a_step(monkeypatch):
    model = language_model(lm.LinearCrossEntropy("lm_head", mask=lm.masks.NotEqual(-100)))
    calls = []
    call = keras.layers.Dense.call
    monkeypatch.setattr(
        keras.layers.Dense, "call", lambda self, *a, **k: calls.append(self) or call(self, *a, **k)
    )
    model.fit(TOKENS, LABELS, verbose=0, validation_data=(TOKENS, LABELS))
    assert not calls
    model.predict(TOKENS, verbose=0)
    assert calls


@on_torch
def test_what_else_asks_for_the_logits_gets_them():
    masked = {"mask": lm.masks.NotEqual(-100)}

    def accuracy(y_true, y_pred):
        return ops.mean(ops.cast(ops.equal(ops.argmax(y_pred, -1), y_true), "float32"))

    ours = lm.LinearCrossEntropy("lm_head", **masked)
    given = {"metrics": [accuracy], "activation": "softmax"}
    error = lm.errors.CrossEntropy()
    found = alike(
        language_model(ours, **given), language_model(on_logits(error, **masked), **given)
    )
    assert 0 < found["accuracy"][-1] < 1


@on_torch
def test_another_term_on_the_logits_gets_their_gradient():
    masked = {"mask": lm.masks.NotEqual(-100)}
    other = 0.1 * lm.Loss("l2", "b t c", of="output", name="size")
    alike(
        language_model(lm.LinearCrossEntropy("lm_head", **masked) + other),
        language_model(on_logits(**masked) + other),
    )


@on_torch
def test_a_class_of_ones_own_names_the_layer_by_its_attribute():
    class Own(lm.ModelMixin, keras.Model):
        def __init__(self):
            super().__init__()
            self.embedding = keras.layers.Embedding(VOCABULARY, WIDTH)
            self.head = keras.layers.Dense(VOCABULARY, bias_initializer="normal")

        def call(self, inputs):
            return self.head(self.embedding(inputs))

    def own(loss):
        keras.utils.set_random_seed(0)
        model = Own()
        model.compile(keras.optimizers.SGD(0.5), loss=loss)
        return model

    masked = {"mask": lm.masks.NotEqual(-100)}
    alike(own(lm.LinearCrossEntropy("head", **masked)), own(on_logits(**masked)))


@on_torch
def test_terms_of_two_heads_have_metrics_under_their_names():
    keras.utils.set_random_seed(0)
    x = keras.Input((None,), dtype="int32")
    hidden = keras.layers.Embedding(VOCABULARY, WIDTH)(x)
    heads = [keras.layers.Dense(VOCABULARY, name=name)(hidden) for name in ("next", "after")]
    model = lm.Model(x, heads)
    terms = [
        lm.LinearCrossEntropy(name, mask=lm.masks.NotEqual(-100), metrics=["accuracy"], name=name)
        for name in ("next", "after")
    ]
    model.compile(loss=terms[0] + 0.5 * terms[1])
    logs = model.evaluate(TOKENS, {"y": LABELS}, verbose=0, return_dict=True)
    assert set(logs) == {"loss", "next", "after", "next_accuracy", "after_accuracy"}


@on_torch
def test_low_precision_keeps_keras_mask_and_sums_in_float32():
    masked = lm.LinearCrossEntropy("lm_head")
    exact = language_model(masked, mask_zero=True)
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        rough = language_model(masked, mask_zero=True)
    finally:
        keras.config.set_dtype_policy("float32")
    found, expected = (m.evaluate(TOKENS, LABELS, verbose=0) for m in (rough, exact))
    np.testing.assert_allclose(found, expected, rtol=2e-3)
    rough.fit(TOKENS, LABELS, verbose=0)
    assert all(np.isfinite(weight).all() for weight in rough.get_weights())
