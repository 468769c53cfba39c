"""What users write in plain Keras: small losses and layers, and nothing of lossmith."""

import keras
import numpy as np
from keras import ops


class Elementwise(keras.losses.Loss):
    """Errors in the shape of the prediction."""

    def call(self, y_true, y_pred):
        return ops.square(y_pred - y_true)


class PerStep(keras.losses.Loss):
    """Errors averaged over the last axis, as Keras' own losses are."""

    def call(self, y_true, y_pred):
        return ops.mean(ops.square(y_pred - y_true), axis=-1)


class PerSample(keras.losses.Loss):
    """Errors averaged over all axes but the first."""

    def call(self, y_true, y_pred):
        axes = list(range(1, len(y_pred.shape)))
        return ops.mean(ops.square(y_pred - y_true), axis=axes)


class Scalar(keras.losses.Loss):
    """One number."""

    def call(self, y_true, y_pred):
        return ops.mean(ops.square(y_pred - y_true))


class Attach(keras.layers.Layer):
    """Hands its input on with a given Keras mask, as `Masking` and `Embedding` do with theirs."""

    def __init__(self, mask):
        super().__init__()
        self.supports_masking = True
        self.mask = np.asarray(mask, "bool")

    def call(self, inputs):
        return inputs

    def compute_mask(self, inputs, mask=None):  # noqa: ARG002
        return ops.convert_to_tensor(self.mask)


def masked(x, mask):
    """Return `x` as a tensor that carries a Keras mask; without a mask, `x`."""
    return ops.convert_to_tensor(x) if mask is None else Attach(mask)(x)


def floats(*rows):
    """Return one array of float32 from the rows of a test."""
    return np.array(rows, "float32")
