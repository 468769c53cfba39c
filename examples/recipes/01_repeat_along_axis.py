"""Several predictions a step against one target.

Four members of an ensemble forecast each of four steps. The target has no axis `k` for members,
so it is repeated along it: by name, whatever the lengths are.
"""

import keras
import numpy as np

import lossmith as lm


def make_loss() -> lm.Loss:
    """Compare the target of each step with every member."""
    return lm.Loss("mse", "b t, b t k")


def make_data(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return three inputs a step, and one target a step: a curve through their sum."""
    x = np.random.default_rng(seed).normal(size=(16, 4, 3)).astype("float32")
    return x, np.sin(x.sum(axis=-1))


def make_model() -> keras.Model:
    """Return a small network with four outputs a step."""
    x = keras.Input((4, 3))
    hidden = keras.layers.Dense(8, activation="tanh")(x)
    return keras.Model(x, keras.layers.Dense(4)(hidden))


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
