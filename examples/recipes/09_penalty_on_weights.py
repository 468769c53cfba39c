"""Data loss and L2 of an LSTM's weights.

The penalty is a term of the sum, about a weight that it names. `lm.Model` logs both terms, and
sample weights are about the data alone.
"""

import keras
import numpy as np

import lossmith as lm


def make_loss() -> lm.Objective:
    """Squared error of the data, and a hundredth of the squared weights."""
    penalty = lm.Loss("l2", of="weights:lstm/kernel", reduce="sum")
    return lm.Loss("mse", "b f, b f") + 0.01 * penalty


def make_data(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return sequences of two features, and the mean of each feature."""
    x = np.random.default_rng(seed).normal(size=(16, 5, 2)).astype("float32")
    return x, x.mean(axis=1)


def make_model() -> lm.Model:
    """Return a recurrent network."""
    x = keras.Input((5, 2))
    hidden = keras.layers.LSTM(8, name="lstm")(x)
    return lm.Model(x, keras.layers.Dense(2)(hidden))


def main(epochs: int = 30) -> list[float]:
    """Train, and return the loss of each epoch."""
    x, y = make_data()
    model = make_model()
    model.compile(keras.optimizers.Adam(0.02), loss=make_loss())
    logs = model.fit(x, y, batch_size=16, epochs=epochs, verbose=0).history
    losses, data = logs["loss"], logs["mse"]
    print(f"loss after {epochs} epochs: {losses[-1]:.4f}, of which the data: {data[-1]:.4f}")
    return losses


if __name__ == "__main__":
    main()
