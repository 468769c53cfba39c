"""Two heads with labels here and there, and a term that makes them agree everywhere.

A label of -1 is missing. Each head learns from the labels that there are; the consistency of the
two needs none, and takes in every sample.
"""

import keras
import numpy as np

import lossmith as lm


def make_loss() -> lm.Objective:
    """Cross-entropy of each head where there is a label, and half their squared difference."""
    known, error = lm.masks.NotEqual(-1), "sparse_categorical_crossentropy"
    first = lm.Loss(error, "b, b [c]", of=("y", "output:first"), mask=known, name="first")
    second = lm.Loss(error, "b, b [c]", of=("y", "output:second"), mask=known, name="second")
    consistency = lm.Loss("mse", "b c, b c", of=("output:first", "output:second"))
    return first + second + 0.5 * consistency


def make_data(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return three inputs a sample, and which is the largest, known for half of them."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(24, 3)).astype("float32")
    return x, np.where(rng.random(24) < 1 / 2, x.argmax(axis=-1), -1)


def make_model() -> lm.Model:
    """Return two heads over one small network."""
    x = keras.Input((3,))
    hidden = keras.layers.Dense(8, activation="tanh")(x)
    heads = {
        name: keras.layers.Dense(3, activation="softmax", name=name)(hidden)
        for name in ("first", "second")
    }
    return lm.Model(x, heads)


def main(epochs: int = 30) -> list[float]:
    """Train, and return the loss of each epoch."""
    x, y = make_data()
    model = make_model()
    model.compile(keras.optimizers.Adam(0.02), loss=make_loss())
    logs = model.fit(x, y, batch_size=24, epochs=epochs, verbose=0).history
    losses, difference = logs["loss"], logs["mse"]
    print(f"loss after {epochs} epochs: {losses[-1]:.4f}", end=", ")
    print(f"squared difference of the heads: {difference[-1]:.4f}")
    return losses


if __name__ == "__main__":
    main()
