"""A term on the activations of a hidden layer.

The term names the layer, whose output comes from the same forward pass. Each term has its own
divisor, so that their balance does not depend on the batch size.
"""

import keras
import numpy as np

import lossmith as lm


def make_loss() -> lm.Objective:
    """Squared error of the prediction, and a tenth of the mean size of the activations."""
    data = lm.Loss("mse", "b t f, b t f")
    return data + 0.1 * lm.Loss("l1", "b t h", of="layer:hidden")


def make_data(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return two features a step, and a curve through each."""
    x = np.random.default_rng(seed).normal(size=(16, 4, 2)).astype("float32")
    return x, np.sin(2 * x)


def make_model() -> lm.Model:
    """Return a small network whose hidden layer has a name."""
    x = keras.Input((4, 2))
    hidden = keras.layers.Dense(8, activation="relu", name="hidden")(x)
    return lm.Model(x, keras.layers.Dense(2)(hidden))


def main(epochs: int = 30) -> list[float]:
    """Train, and return the loss of each epoch."""
    x, y = make_data()
    model = make_model()
    model.compile(keras.optimizers.Adam(0.02), loss=make_loss())
    logs = model.fit(x, y, batch_size=16, epochs=epochs, verbose=0).history
    losses, size = logs["loss"], logs["l1"]
    print(f"loss after {epochs} epochs: {losses[-1]:.4f}, mean activation: {size[-1]:.4f}")
    return losses


if __name__ == "__main__":
    main()
