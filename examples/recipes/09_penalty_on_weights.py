"""Data loss and L2 of an LSTM's weights.

The penalty is the layer's own, by Keras' regulariser. `lm.Model` adds it to the total and logs the
data loss apart from it, so that both can be seen.
"""

import keras
import numpy as np

import lossmith as lm

STRENGTH = 0.01


def make_loss() -> lm.Loss:
    """Return the data loss; sample weights are about this one alone."""
    return lm.Loss("mse", "b f, b f")


def make_data(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return sequences of two features, and the mean of each feature."""
    x = np.random.default_rng(seed).normal(size=(16, 5, 2)).astype("float32")
    return x, x.mean(axis=1)


def make_model() -> lm.Model:
    """Return a recurrent network with a penalty on the weights of its inputs."""
    x = keras.Input((5, 2))
    lstm = keras.layers.LSTM(8, kernel_regularizer=keras.regularizers.L2(STRENGTH))
    return lm.Model(x, keras.layers.Dense(2)(lstm(x)))


def main(epochs: int = 30) -> list[float]:
    """Train, and return the loss of each epoch, with the penalty."""
    x, y = make_data()
    model = make_model()
    model.compile(keras.optimizers.Adam(0.02), loss=make_loss())
    logs = model.fit(x, y, batch_size=16, epochs=epochs, verbose=0).history
    losses, data = logs["loss"], logs["mse"]
    print(f"loss after {epochs} epochs: {losses[-1]:.4f}, of which the data: {data[-1]:.4f}")
    return losses


if __name__ == "__main__":
    main()
