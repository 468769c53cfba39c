"""Mean squared error with a mask over steps and features.

Sensors report -1 where they have no value: whole steps as padding, single features as gaps. The
divisor is the number of values that are there, not of steps.
"""

import keras
import numpy as np

import lossmith as lm


def make_loss() -> lm.Loss:
    """Average over every feature of every step that has a value."""
    return lm.Loss("mse", "b t f, b t f", mask=lm.masks.NotEqual(-1))


def make_data(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return three inputs a step, and their positive mixtures with gaps and padding."""
    rng = np.random.default_rng(seed)
    x = rng.random((16, 6, 3)).astype("float32")
    y = x @ rng.random((3, 3)).astype("float32")
    padding = np.arange(6) >= rng.integers(2, 7, size=(16, 1))
    gaps = rng.random(y.shape) < 1 / 8
    return x, np.where(gaps | padding[:, :, None], -1, y).astype("float32")


def make_model() -> keras.Model:
    """Return a small network with three outputs a step."""
    x = keras.Input((6, 3))
    return keras.Model(x, keras.layers.Dense(3)(x))


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
