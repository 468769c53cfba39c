"""Error weighted by where the prediction lies.

Below 0.2 and above 0.8 an error counts five times. The bounds and the factor are saved with the
model, and no gradient flows through the weight.
"""

import keras
import numpy as np

import lossmith as lm


def make_loss() -> lm.Loss:
    """Multiply the squared error by five where the prediction leaves the range."""
    return lm.Loss("mse", "b f, b f", weights=lm.weights.Outside(0.2, 0.8, factor=5.0))


def make_data(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return three inputs, and one target between 0 and 1."""
    x = np.random.default_rng(seed).normal(size=(16, 3)).astype("float32")
    return x, 1 / (1 + np.exp(-x.sum(axis=1, keepdims=True)))


def make_model() -> keras.Model:
    """Return a small network with one output."""
    x = keras.Input((3,))
    hidden = keras.layers.Dense(8, activation="tanh")(x)
    return keras.Model(x, keras.layers.Dense(1)(hidden))


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
