"""Sample and class weights that say whose they are, and those that would be taken for another's."""

import keras
import numpy as np
import pytest

import lossmith as lm

RNG = np.random.default_rng(4)
X = RNG.normal(size=(6, 3)).astype("float32")
W = np.array([0.0, 1.0, 2.0, 0.5, 1.0, 3.0], "float32")
LABELS = np.array([0, 1, 2, 0, 1, 2])
CLASS_WEIGHT = {0: 1.0, 1: 2.0, 2: 0.5}


def two_terms():
    x = keras.Input((3,), name="x")
    outputs = {name: keras.layers.Rescaling(1.0, name=name)(x) for name in ("a", "b")}
    terms = [
        lm.Loss("mse", "b f, b f", of=(f"y:{name}", f"output:{name}"), name=name)
        for name in outputs
    ]
    model = lm.Model(x, outputs)
    model.compile(loss=terms[0] + terms[1])
    return model


class Batches(keras.utils.PyDataset):
    """One batch, with weights for the first target alone."""

    def __len__(self):
        return 1

    def __getitem__(self, _):
        return X, {"a": 0.0 * X, "b": 0.0 * X}, {"a": W}


def test_a_target_without_weights_of_its_own_is_not_weighted():
    logs = two_terms().evaluate(Batches(), verbose=0, return_dict=True)
    assert logs["a"] == pytest.approx(np.mean(W[:, None] * X**2), rel=1e-5)
    assert logs["b"] == pytest.approx(np.mean(X**2), rel=1e-5)


def classifier(axes, steps=(), error="sparse_categorical_crossentropy"):
    """Return a model whose probabilities are the softmax of its input, before it learns."""
    x = keras.Input((*steps, 3))
    layer = keras.layers.Dense(3, activation="softmax", kernel_initializer="identity")
    model = lm.Model(x, layer(x))
    model.compile(keras.optimizers.SGD(0.0), loss=lm.Loss(error, axes))
    return model


@pytest.mark.parametrize("shape", [(6,), (6, 1)])
def test_class_weight_is_taken_for_one_label_a_sample(shape):
    axes = "b, b [c]" if len(shape) == 1 else "b 1, b [c]"
    probabilities = np.exp(X) / np.exp(X).sum(axis=1, keepdims=True)
    errors = -np.log(probabilities[np.arange(6), LABELS])
    expected = np.mean(np.array([1.0, 2.0, 0.5])[LABELS] * errors)
    labels = LABELS.reshape(shape)
    history = classifier(axes).fit(X, labels, class_weight=CLASS_WEIGHT, verbose=0).history
    assert history["loss"] == pytest.approx([expected], rel=1e-5)


def test_class_weight_over_steps_is_refused_before_anything_is_trained():
    model = classifier("b t, b t [c]", steps=(4,))
    x, labels = RNG.normal(size=(6, 4, 3)), RNG.integers(0, 3, (6, 4))
    with pytest.raises(lm.LossmithError, match="last axis of the targets for classes") as caught:
        model.fit(x, labels, class_weight=CLASS_WEIGHT, verbose=0)
    assert "lm.weights.ByClass([1.0, 2.0, 0.5])" in caught.value.fix
    with pytest.raises(lm.LossmithError, match="last axis of the targets for classes"):
        model.train_on_batch(x, labels, class_weight=CLASS_WEIGHT)


def test_class_weight_is_taken_for_one_hot_targets():
    model = classifier("b [c], b [c]", error="categorical_crossentropy")
    hot = np.eye(3, dtype="float32")[LABELS]
    found = model.fit(X, hot, class_weight=CLASS_WEIGHT, verbose=0).history["loss"]
    expected = classifier("b, b [c]").fit(X, LABELS, class_weight=CLASS_WEIGHT, verbose=0).history
    assert found == pytest.approx(expected["loss"], rel=1e-5)
