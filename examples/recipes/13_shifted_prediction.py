"""A constant shift of the prediction before the error.

A safety margin of a tenth: the loss is smallest where the prediction is 0.1 below the target. It
is a loss of elements as any other, so that sample weights mean what they say.
"""

import keras
import numpy as np

import lossmith as lm


def make_loss() -> lm.Loss:
    """Compare the target with the prediction plus a tenth."""
    return lm.Loss("mse", "b f, b f", adjust=lm.adjust.Shift(0.1))


def make_data(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return three inputs, and one target: their mean."""
    x = np.random.default_rng(seed).normal(size=(16, 3)).astype("float32")
    return x, x.mean(axis=1, keepdims=True)


def make_model() -> keras.Model:
    """Return one linear layer."""
    x = keras.Input((3,))
    return keras.Model(x, keras.layers.Dense(1)(x))


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
