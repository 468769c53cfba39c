"""Error weighted by a given array whose axes have names.

A table says how much each feature matters at each step: one row a feature, one column a step. The
tensors have their steps first, and the names put the table the right way round.
"""

import keras
import numpy as np

import lossmith as lm

# How much each of three features matters one, two and three steps ahead.
TABLE = [[3.0, 2.0, 1.0], [1.0, 0.5, 0.25], [0.0, 0.0, 4.0]]


def make_loss() -> lm.Loss:
    """Multiply each squared error by its entry of the table."""
    return lm.Loss("mse", "b t f, b t f", weights=lm.weights.ByElement(TABLE, "f t"))


def make_data(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return three features at three steps, and the same, smoothed along the steps."""
    x = np.random.default_rng(seed).normal(size=(16, 3, 3)).astype("float32")
    return x, np.cumsum(x, axis=1) / 2


def make_model() -> keras.Model:
    """Return a small network from three steps to three steps."""
    x = keras.Input((3, 3))
    hidden = keras.layers.Dense(9)(keras.layers.Flatten()(x))
    return keras.Model(x, keras.layers.Reshape((3, 3))(hidden))


def main(epochs: int = 30) -> list[float]:
    """Train, and return the loss of each epoch."""
    x, y = make_data()
    model = make_model()
    model.compile(keras.optimizers.Adam(0.02), loss=make_loss())
    losses = model.fit(x, y, batch_size=16, epochs=epochs, verbose=0).history["loss"]
    print(f"loss after {epochs} epochs: {losses[-1]:.4f}")
    return losses


if __name__ == "__main__":
    main()
