"""Subclasses of `keras.losses.Loss`: what Keras does for functions, and not for them."""

import keras
import numpy as np
from keras import ops
from keras.saving import register_keras_serializable

from tests.zoo import pair
from tests.zoo import reference as ref
from tests.zoo.reference import floats
from tests.zoo.weights_reduction import half_weighed


@register_keras_serializable("zoo")
class Unaligned(keras.losses.Loss):
    def call(self, y_true, y_pred):
        return ops.mean(ops.square(y_true - y_pred), axis=-1)


@register_keras_serializable("zoo")
class Aligned(keras.losses.Loss):
    def call(self, y_true, y_pred):
        y_true = ops.reshape(y_true, (-1, 1))
        return ops.mean(ops.square(y_true - y_pred), axis=-1)


pair(
    "unaligned-subclass-call",
    Unaligned(),
    Aligned(),
    axes="b, b 1",
    check="no-silent-broadcast",
    rule="LSM101",
    why="Keras aligns ranks for functions, not for subclasses: (B,) against (B, 1) is (B, B).",
    reference=lambda y, p: np.mean((y[:, None] - p) ** 2, axis=-1),
)


@register_keras_serializable("zoo")
class OwnCall(keras.losses.Loss):
    def __call__(self, y_true, y_pred, sample_weight=None):  # noqa: ARG002
        return ops.mean(keras.losses.mean_squared_error(y_true, y_pred))

    def call(self, y_true, y_pred):
        return keras.losses.mean_squared_error(y_true, y_pred)


@register_keras_serializable("zoo")
class KerasCall(keras.losses.Loss):
    def call(self, y_true, y_pred):
        return keras.losses.mean_squared_error(y_true, y_pred)


pair(
    "overrides-dunder-call",
    OwnCall(),
    KerasCall(),
    axes="b f, b f",
    check="weight-equivalence",
    rule="LSM405",
    why="Masks, weights and the reduction are all done in the method that is overridden.",
    witness=half_weighed,
    reference=ref.squared,
)


@register_keras_serializable("zoo")
class WeighsByHand(keras.losses.Loss):
    def __call__(self, y_true, y_pred, sample_weight=None):
        error = self.call(y_true, y_pred)
        if sample_weight is not None:
            error = error * ops.convert_to_tensor(sample_weight)
        return ops.mean(error)

    def call(self, y_true, y_pred):
        return keras.losses.mean_absolute_error(y_true, y_pred)


@register_keras_serializable("zoo")
class WeighedByKeras(keras.losses.Loss):
    def call(self, y_true, y_pred):
        return keras.losses.mean_absolute_error(y_true, y_pred)


pair(
    "weights-by-hand",
    WeighsByHand(),
    WeighedByKeras(),
    axes="b f, b f",
    check="weight-shapes",
    rule="LSM405",
    why="Weights of shape (B, 1) against errors of shape (B,) are all pairs of the two.",
    witness=lambda: (floats([0, 0], [0, 0]), floats([3, 2], [1, 0]), floats([0], [1])),
    reference=ref.absolute,
)


@register_keras_serializable("zoo")
class MeanInCall(keras.losses.Loss):
    def call(self, y_true, y_pred):
        return ops.mean(keras.losses.mean_absolute_error(y_true, y_pred))


@register_keras_serializable("zoo")
class MeanInBase(keras.losses.Loss):
    def call(self, y_true, y_pred):
        return keras.losses.mean_absolute_error(y_true, y_pred)


pair(
    "averaged-in-call",
    MeanInCall(),
    MeanInBase(),
    axes="b t f, b t f",
    check="weight-equivalence",
    rule="LSM102",
    why="The base class averages after the weights; here there is nothing left to weigh.",
    witness=lambda: (
        floats([[0], [0]], [[0], [0]]),
        floats([[3], [2]], [[1], [0]]),
        floats([0], [1]),
    ),
    reference=ref.absolute,
)


@register_keras_serializable("zoo")
class WarmsUpByCalls(keras.losses.Loss):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.calls = 0

    def call(self, y_true, y_pred):
        self.calls += 1
        return min(self.calls / 100, 1.0) * keras.losses.mean_squared_error(y_true, y_pred)


@register_keras_serializable("zoo")
class Warm(keras.losses.Loss):
    def call(self, y_true, y_pred):
        return keras.losses.mean_squared_error(y_true, y_pred)


pair(
    "counts-its-calls",
    WarmsUpByCalls(),
    Warm(),
    axes="b f, b f",
    check="pure",
    rule="LSM406",
    why="The count is that of traces and of validation too; in a graph it stands still.",
    reference=ref.squared,
)


@register_keras_serializable("zoo")
class VariableInCall(keras.losses.Loss):
    def call(self, y_true, y_pred):
        scale = keras.Variable(2.0, trainable=False)
        return scale * keras.losses.mean_squared_error(y_true, y_pred)


@register_keras_serializable("zoo")
class ConstantInCall(keras.losses.Loss):
    def call(self, y_true, y_pred):
        return 2.0 * keras.losses.mean_squared_error(y_true, y_pred)


pair(
    "variable-made-in-call",
    VariableInCall(),
    ConstantInCall(),
    axes="b f, b f",
    check="pure",
    rule="LSM406",
    why="A graph may make variables when it is first built, and never in a training step.",
    reference=lambda y, p: 2 * ref.squared(y, p),
)


@register_keras_serializable("zoo")
class PredictionFirst(keras.losses.Loss):
    def call(self, y_pred, y_true):
        error = ops.reshape(y_true, ops.shape(y_pred)) - y_pred
        return ops.mean(ops.maximum(0.9 * error, -0.1 * error), axis=-1)


@register_keras_serializable("zoo")
class TargetFirst(keras.losses.Loss):
    def call(self, y_true, y_pred):
        error = ops.reshape(y_true, ops.shape(y_pred)) - y_pred
        return ops.mean(ops.maximum(0.9 * error, -0.1 * error), axis=-1)


pair(
    "call-swaps-its-arguments",
    PredictionFirst(),
    TargetFirst(),
    axes="b f, b f",
    check=None,
    rule="LSM404",
    why="The quantile of 0.9 becomes that of 0.1; no property tells which one was meant.",
    reference=lambda y, p: np.mean(np.maximum(0.9 * (y - p), -0.1 * (y - p)), axis=-1),
)


@register_keras_serializable("zoo")
class ScaledByThePast(keras.losses.Loss):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.scale = 1.0

    def call(self, y_true, y_pred):
        error = keras.losses.mean_absolute_error(y_true, y_pred)
        self.scale = 0.9 * self.scale + 0.1 * ops.mean(ops.stop_gradient(error))
        return error / self.scale


@register_keras_serializable("zoo")
class Unscaled(keras.losses.Loss):
    def call(self, y_true, y_pred):
        return keras.losses.mean_absolute_error(y_true, y_pred)


pair(
    "scale-kept-on-the-object",
    ScaledByThePast(),
    Unscaled(),
    axes="b f, b f",
    check="pure",
    rule="LSM406",
    why="A running mean on `self` is a tensor of an old trace, and validation moves it too.",
    reference=ref.absolute,
)
