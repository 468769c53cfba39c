"""An error of your own, with the mask that Keras' layers make.

`@lm.loss` takes a function that returns one error for each element. Mask, weights and reduction are
not its business: `Masking` finds the padding, and `KerasMask` insists that its mask arrives.
"""

import keras
import numpy as np
from keras import ops

import lossmith as lm


@lm.loss("b t f, b t f", mask=lm.masks.KerasMask())
def absolute_difference(y_true, y_pred):  # noqa: ANN001, ANN201
    """Return how far each prediction is off."""
    return ops.abs(y_pred - y_true)


def make_loss() -> lm.Loss:
    """Average the function over the steps that Keras' mask keeps."""
    return absolute_difference


def make_data(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return sequences padded with zeros, and half the running sum of each feature."""
    rng = np.random.default_rng(seed)
    real = (np.arange(6) < rng.integers(2, 7, size=(16, 1)))[:, :, None]
    x = (rng.normal(size=(16, 6, 2)) * real).astype("float32")
    return x, np.cumsum(x, axis=1) / 2 * real.astype("float32")


def make_model() -> keras.Model:
    """Return a recurrent network behind a `Masking` layer."""
    x = keras.Input((6, 2))
    hidden = keras.layers.LSTM(8, return_sequences=True)(keras.layers.Masking()(x))
    return keras.Model(x, keras.layers.Dense(2)(hidden))


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
