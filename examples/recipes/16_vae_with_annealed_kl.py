"""A variational autoencoder whose KL term grows during training.

The KL is a term of two layers at once, the mean and the log variance of the code. Its factor rises
from 0 to 1 over the first steps, in a compiled `fit` as well.
"""

from typing import Any

import keras
import numpy as np
from keras import ops

import lossmith as lm


@keras.saving.register_keras_serializable("recipes")
class Sampling(keras.layers.Layer):
    """Draw a code around its mean in training; the mean itself otherwise."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seed = keras.random.SeedGenerator()

    def call(self, mean: Any, log_variance: Any, training: Any = None) -> Any:
        """Return one code a sample."""
        if not training:
            return mean
        noise = keras.random.normal(ops.shape(mean), seed=self.seed)
        return mean + ops.exp(log_variance / 2) * noise


@lm.loss("b z, b z", of=("layer:mean", "layer:log_variance"), reduce="sum z, mean b")
def kl(mean, log_variance):  # noqa: ANN001, ANN201
    """Return how far each number of the code is from a standard normal distribution."""
    return (ops.square(mean) + ops.exp(log_variance) - log_variance - 1) / 2


def make_loss() -> lm.Objective:
    """Add up pixels and code numbers, so that both terms are nats a sample."""
    pixels = lm.Loss("binary_crossentropy", "b h w, b h w", reduce="sum h w, mean b")
    return pixels + lm.schedules.Linear(0.0, 1.0, over=20) * kl


def make_data(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return images of one bright square each, as input and as target."""
    corner = np.random.default_rng(seed).integers(0, 6, size=(2, 16, 1, 1))
    row, column = np.ogrid[:8, :8]
    inside = (abs(row - corner[0] - 1) < 2) & (abs(column - corner[1] - 1) < 2)
    image = inside.astype("float32")
    return image, image


def make_model() -> lm.Model:
    """Return a small autoencoder with four numbers in its code."""
    x = keras.Input((8, 8))
    hidden = keras.layers.Dense(16, activation="tanh")(keras.layers.Flatten()(x))
    mean = keras.layers.Dense(4, name="mean")(hidden)
    log_variance = keras.layers.Dense(4, name="log_variance")(hidden)
    code = Sampling()(mean, log_variance)
    pixels = keras.layers.Dense(64, activation="sigmoid")(code)
    return lm.Model(x, keras.layers.Reshape((8, 8))(pixels))


def main(epochs: int = 30) -> list[float]:
    """Train, and return the loss of each epoch."""
    x, y = make_data()
    model = make_model()
    model.compile(keras.optimizers.Adam(0.02), loss=make_loss())
    logs = model.fit(x, y, batch_size=16, epochs=epochs, verbose=0).history
    losses = logs["loss"]
    print(f"loss after {epochs} epochs: {losses[-1]:.4f}", end=", ")
    print(f"of which {logs['kl_factor'][-1]:.2f} times a KL of {logs['kl'][-1]:.4f}")
    return losses


if __name__ == "__main__":
    main()
