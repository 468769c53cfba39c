"""Cross-entropy of sequences, weighted by class.

A rare class counts four times. The weight goes by the class of each step's target, which stands on
the axis in brackets; that there are as many steps as classes does not confuse it.
"""

import keras
import numpy as np

import lossmith as lm


def make_loss() -> lm.Loss:
    """Multiply the cross-entropy of each step by the weight of its class."""
    rare = lm.weights.ByClass([0.5, 1.0, 4.0])
    return lm.Loss("categorical_crossentropy", "b t [c], b t [c]", weights=rare)


def make_data(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return three inputs for each of three steps, and one of three classes, the last rare."""
    x = np.random.default_rng(seed).normal(size=(16, 3, 3)).astype("float32")
    labels = np.digitize(x.sum(axis=-1), [0.0, 2.5])
    return x, np.eye(3, dtype="float32")[labels]


def make_model() -> keras.Model:
    """Return a small classifier of steps."""
    x = keras.Input((3, 3))
    hidden = keras.layers.Dense(8, activation="tanh")(x)
    return keras.Model(x, keras.layers.Dense(3, activation="softmax")(hidden))


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
