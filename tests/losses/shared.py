"""Losses that tests save and load: a fresh process imports this module as a user's would be."""

import keras
from keras import ops

import lossmith as lm


@keras.saving.register_keras_serializable("tests")
def cubed(y_true, y_pred):
    return ops.abs(y_pred - y_true) ** 3


@lm.loss("b t [f], b t [f] -> b t", reduce="mean t, mean b")
def step_distance(y_true, y_pred):
    return ops.sqrt(ops.sum(ops.square(y_pred - y_true), axis=-1) + 1e-12)


@keras.saving.register_keras_serializable("tests")
class Scaled(keras.losses.Loss):
    """A loss of a user's own, with an argument of its own."""

    def __init__(self, scale=2.0, **kwargs):
        super().__init__(**kwargs)
        self.scale = scale

    def call(self, y_true, y_pred):
        return self.scale * ops.mean(ops.abs(y_pred - y_true), axis=-1)

    def get_config(self):
        return {**super().get_config(), "scale": self.scale}


AXES = "b t f, b t f"
LOSSES = {
    "plain": lm.Loss("mse"),
    "masked": lm.Loss(
        "huber",
        AXES,
        mask=lm.masks.Finite() & ~lm.masks.NotEqual(0.5) | lm.masks.NotEqual(7.0, source="output"),
        weights=[lm.weights.ByStep(exponential=0.5), lm.weights.Outside(0.2, 0.8, 3.0)],
        select=lm.select.Slice(0, 2),
        adjust=[lm.adjust.Shift(0.1), lm.adjust.Clip(-1.0, 1.0)],
        reduce="mean t f, mean b",
        name="mine",
        dtype="float32",
    ),
    "by element": lm.Loss(
        lm.errors.Quantile(0.9), AXES, weights=lm.weights.ByElement([[1.0], [2.0], [0.5]], "t f")
    ),
    "from the target": lm.Loss("mae", AXES, weights=lm.weights.FromTarget("square")),
    "of Keras": lm.Loss(keras.losses.LogCosh(), "b t [f], b t [f]"),
    "sum": lm.Loss("mse", AXES) + 0.1 * lm.Loss("mae", AXES, name="size", reduce="sum"),
}
"""Losses that load where only Keras and lossmith are imported."""

OWN = {
    "own function": lm.Loss(cubed, AXES),
    "decorated": step_distance,
    "own Keras loss": lm.Loss(Scaled(3.0), "b t [f], b t [f]"),
}
"""Losses that load where this module is imported too."""
