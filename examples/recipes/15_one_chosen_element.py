"""A loss on one chosen element of the prediction.

The model has three outputs in one tensor, and only the second has a target. The brackets say that
the selection takes the axis away: what is left lines up with a target of shape `(batch,)`.
"""

import keras
import numpy as np

import lossmith as lm


def make_loss() -> lm.Loss:
    """Compare the target with element 1 of the prediction."""
    return lm.Loss("mse", "b, b [k]", select=lm.select.Index(1))


def make_data(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return three inputs, and one target: their largest."""
    x = np.random.default_rng(seed).normal(size=(16, 3)).astype("float32")
    return x, x.max(axis=1)


def make_model() -> keras.Model:
    """Return a small network with three outputs."""
    x = keras.Input((3,))
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
