"""Squared error of each time step, then over time, of an RNN that returns sequences.

A reduction may go axis by axis: here the sum over features is the error of a step, and a sample is
the mean of its steps.
"""

import keras
import numpy as np

import lossmith as lm


def make_loss() -> lm.Loss:
    """Sum over features, average over steps, then over samples."""
    return lm.Loss("mse", "b t f, b t f", reduce="sum f, mean t, mean b")


def make_data(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return eight random walks of eight steps, and how far each is from its start."""
    x = np.random.default_rng(seed).normal(size=(8, 8, 2)).astype("float32")
    return x, np.tanh(np.cumsum(x, axis=1) / 2)


def make_model() -> keras.Model:
    """Return a recurrent network that answers at every step."""
    x = keras.Input((8, 2))
    return keras.Model(x, keras.layers.LSTM(2, return_sequences=True)(x))


def main(epochs: int = 30) -> list[float]:
    """Train, and return the loss of each epoch."""
    x, y = make_data()
    model = make_model()
    model.compile(keras.optimizers.Adam(0.05), loss=make_loss())
    losses = model.fit(x, y, batch_size=8, epochs=epochs, verbose=0).history["loss"]
    print(f"loss after {epochs} epochs: {losses[-1]:.4f}")
    return losses


if __name__ == "__main__":
    main()
