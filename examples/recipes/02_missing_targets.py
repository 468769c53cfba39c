"""Several predictions a step, and targets that are missing here and there.

NaN stands for a missing target. Such a step adds nothing to the loss, nor to its divisor, and the
gradient of its predictions is exactly 0.
"""

import keras
import numpy as np

import lossmith as lm


def make_loss() -> lm.Loss:
    """Compare each target that is there with every prediction of its step."""
    return lm.Loss("mse", "b t, b t k", mask=lm.masks.Finite())


def make_data(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return two inputs a step, and their sum, of which a third is missing."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(16, 6, 2)).astype("float32")
    missing = rng.random((16, 6)) < 1 / 3
    return x, np.where(missing, np.nan, x.sum(axis=-1)).astype("float32")


def make_model() -> keras.Model:
    """Return a small network with three outputs a step."""
    x = keras.Input((6, 2))
    hidden = keras.layers.Dense(8, activation="tanh")(x)
    return keras.Model(x, keras.layers.Dense(3)(hidden))


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
