"""A forecast of several steps, whose near steps matter more, with values that are missing.

The weight falls by a fifth with each step ahead. NaN stands for a missing value; the divisor is the
weight of what is there, so that the loss stays a mean error whatever is missing.
"""

import keras
import numpy as np

import lossmith as lm


def make_loss() -> lm.Loss:
    """Weigh the squared error by the step ahead, where there is a value."""
    near, known = lm.weights.ByStep(exponential=0.8), lm.masks.Finite()
    return lm.Loss("mse", "b t f, b t f", weights=near, mask=known, reduce="weighted_mean")


def make_data(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return eight steps of two noisy waves, and the next four, of which a quarter is missing."""
    rng = np.random.default_rng(seed)
    phase = rng.uniform(0, 6, size=(16, 1, 2))
    wave = 3 + np.sin(phase + np.arange(12)[:, None]) + rng.normal(size=(16, 12, 2)) / 10
    past, future = wave[:, :8], wave[:, 8:]
    missing = rng.random(future.shape) < 1 / 4
    return past.astype("float32"), np.where(missing, np.nan, future).astype("float32")


def make_model() -> keras.Model:
    """Return a linear forecast of all steps at once."""
    x = keras.Input((8, 2))
    future = keras.layers.Dense(8)(keras.layers.Flatten()(x))
    return keras.Model(x, keras.layers.Reshape((4, 2))(future))


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
