"""Factories: what a loss closes over is not saved, not traced, or not of this batch."""

import keras
import numpy as np
from keras import ops
from keras.saving import register_keras_serializable

from tests.zoo import pair
from tests.zoo import reference as ref

SEEN = []


def huber_of(delta):
    def huber(y_true, y_pred):
        return keras.losses.huber(y_true, y_pred, delta=delta)

    return huber


@register_keras_serializable("zoo")
class Huber(keras.losses.Loss):
    def __init__(self, delta=1.0, **kwargs):
        super().__init__(**kwargs)
        self.delta = delta

    def call(self, y_true, y_pred):
        return keras.losses.huber(y_true, y_pred, delta=self.delta)

    def get_config(self):
        return super().get_config() | {"delta": self.delta}


pair(
    "closure-over-a-number",
    huber_of(0.5),
    Huber(0.5),
    axes="b f, b f",
    check="serialisation",
    rule="LSM402",
    why="The number stands in no config, and the function inside cannot be found by name.",
)


def tilted(slope):
    return lambda y_true, y_pred: ops.mean(
        ops.abs(y_true - y_pred) + slope * ops.relu(y_true - y_pred), axis=-1
    )


@register_keras_serializable("zoo")
class Tilted(keras.losses.Loss):
    def __init__(self, slope=1.0, **kwargs):
        super().__init__(**kwargs)
        self.slope = slope

    def call(self, y_true, y_pred):
        error = ops.reshape(y_true, ops.shape(y_pred)) - y_pred
        return ops.mean(ops.abs(error) + self.slope * ops.relu(error), axis=-1)

    def get_config(self):
        return super().get_config() | {"slope": self.slope}


pair(
    "lambda-as-loss",
    tilted(2.0),
    Tilted(2.0),
    axes="b f, b f",
    check="serialisation",
    rule="LSM402",
    why="A lambda has no name to be saved under.",
    reference=lambda y, p: np.mean(np.abs(y - p) + 2 * np.maximum(y - p, 0), axis=-1),
)


def against_a_captured_batch(batch):
    @register_keras_serializable("zoo")
    def captured(y_true, y_pred):
        return ops.mean(ops.abs(batch) * ops.square(y_true - y_pred), axis=-1)

    return captured


@register_keras_serializable("zoo")
def against_this_batch(y_true, y_pred):
    return ops.mean(ops.abs(y_true) * ops.square(y_true - y_pred), axis=-1)


pair(
    "batch-captured",
    against_a_captured_batch(np.ones((4, 4), "float32")),
    against_this_batch,
    axes="b f, b f",
    check="batch-one-and-rest",
    rule=None,
    why="The loss weighs every batch by the first one, whose size no other needs to have.",
    reference=lambda y, p: np.mean(np.abs(y) * (y - p) ** 2, axis=-1),
)


def with_the_model(model):
    @register_keras_serializable("zoo")
    def weighed_by_input(y_true, y_pred):
        return ops.mean(ops.square(y_true - y_pred) + 0.0 * ops.sum(model.input), axis=-1)

    return weighed_by_input


@register_keras_serializable("zoo")
def without_the_model(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


def small_model():
    x = keras.Input((2,))
    return keras.Model(x, keras.layers.Dense(2)(x))


pair(
    "input-of-the-model-captured",
    with_the_model(small_model()),
    without_the_model,
    axes="b f, b f",
    check="output-contract",
    rule=None,
    why="The input of a model is a placeholder without values, not the batch at hand.",
    reference=ref.squared,
)


def with_a_baseline(seen):
    @register_keras_serializable("zoo")
    def over_the_baseline(y_true, y_pred):
        error = ops.mean(ops.square(y_true - y_pred), axis=-1)
        seen.append(1.0)
        return error / len(seen)

    return over_the_baseline


@register_keras_serializable("zoo")
def without_a_baseline(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


pair(
    "list-that-grows",
    with_a_baseline(SEEN),
    without_a_baseline,
    axes="b f, b f",
    check="pure",
    rule=None,
    why="Each call leaves something behind, and the next one reads it.",
    reference=ref.squared,
)


def cut_off_at(limits):
    losses = []
    for limit in limits:

        def cut(y_true, y_pred):
            return ops.mean(ops.minimum(ops.abs(y_true - y_pred), limit), axis=-1)  # noqa: B023

        losses.append(cut)
    return losses


def cut_off_each(limits):
    return [CutOff(limit) for limit in limits]


@register_keras_serializable("zoo")
class CutOff(keras.losses.Loss):
    def __init__(self, limit=1.0, **kwargs):
        super().__init__(**kwargs)
        self.limit = limit

    def call(self, y_true, y_pred):
        error = ops.reshape(y_true, ops.shape(y_pred)) - y_pred
        return ops.mean(ops.minimum(ops.abs(error), self.limit), axis=-1)

    def get_config(self):
        return super().get_config() | {"limit": self.limit}


pair(
    "last-number-of-a-loop",
    cut_off_at([5.0, 0.25])[0],
    cut_off_each([5.0, 0.25])[0],
    axes="b f, b f",
    check="serialisation",
    rule="LSM402",
    why="All functions made in a loop see the number it ended with, and none can be saved.",
    promises={"sparse_gradient": "cut off"},
    reference=lambda y, p: np.mean(np.minimum(np.abs(y - p), 5), axis=-1),
)
