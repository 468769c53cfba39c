"""The example of a language model, run small and held to its logits in float64."""

import keras
import numpy as np
import pytest

from tests.support.source import ROOT

pytestmark = pytest.mark.skipif(
    keras.config.backend() != "torch", reason="every backend holds the loss elsewhere"
)


@pytest.fixture
def example(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "examples")
    import language_model

    return language_model


def test_perplexity_is_that_of_the_words_that_are_no_padding(example):
    x, y = (array[:12] for array in example.make_data(words=200))
    model = example.make_model(words=200)
    model.compile(loss=example.make_loss())
    found = model.evaluate(x, y, batch_size=5, verbose=0, return_dict=True)

    logits = keras.ops.convert_to_numpy(model(x)).astype("float64")
    logs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    counted = y != example.PADDING
    assert 0.2 < counted.mean() < 0.8
    losses = -np.take_along_axis(logs, y[..., None], axis=-1)[..., 0][counted]
    assert found["loss"] == pytest.approx(losses.mean(), rel=1e-5)
    assert found["perplexity"] == pytest.approx(np.exp(losses.mean()), rel=1e-5)
    assert found["accuracy"] == pytest.approx((logits.argmax(-1) == y)[counted].mean())


def test_a_short_training_lowers_the_perplexity(example):
    history = example.main(epochs=2, words=200, paragraphs=60)
    first, last = history["perplexity"]
    assert 1 < last < first < 400
    assert history["val_perplexity"][-1] == pytest.approx(np.exp(history["val_loss"][-1]), rel=1e-5)
