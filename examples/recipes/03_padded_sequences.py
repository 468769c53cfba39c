"""Several predictions a step of padded sequences whose lengths are known, after an LSTM.

The lengths travel with the targets, as a field of `y`; `lm.Model` hands them to the loss. Zeros are
real targets here (no rain), and only the lengths tell them from padding.
"""

import keras
import numpy as np

import lossmith as lm


def make_loss() -> lm.Loss:
    """Compare the target of each real step with every prediction of it."""
    return lm.Loss("mse", "b t, b t k", mask=lm.masks.Lengths("y:lengths"))


def make_data(seed: int = 0) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return sequences of 2 to 8 steps, padded to 8; the target is what rises above zero."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(2, 9, size=16)
    real = np.arange(8) < lengths[:, None]
    x = (rng.normal(size=(16, 8, 2)) * real[:, :, None]).astype("float32")
    return x, {"y": np.maximum(x.sum(axis=-1), 0.0), "lengths": lengths}


def make_model() -> lm.Model:
    """Return a recurrent network with three outputs a step."""
    x = keras.Input((None, 2))
    hidden = keras.layers.LSTM(8, return_sequences=True)(x)
    return lm.Model(x, keras.layers.Dense(3)(hidden))


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
