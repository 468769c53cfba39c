"""Categorical cross-entropy with a mask.

The mask is an array of its own, a field of `y`: class 0 is a class like the others, and a batch in
which nothing counts has loss 0 instead of NaN.
"""

import keras
import numpy as np

import lossmith as lm


def make_loss() -> lm.Loss:
    """Average cross-entropy over the steps that the mask keeps."""
    mask = lm.masks.Field("y:mask")
    return lm.Loss("categorical_crossentropy", "b t [c], b t [c]", mask=mask)


def make_data(seed: int = 0) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return steps of three classes; the target is the largest input, all zero in the padding."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(16, 6, 3)).astype("float32")
    mask = np.arange(6) < rng.integers(1, 7, size=(16, 1))
    one_hot = np.eye(3, dtype="float32")[x.argmax(axis=-1)]
    return x, {"y": one_hot * mask[:, :, None], "mask": mask}


def make_model() -> lm.Model:
    """Return a small classifier of steps."""
    x = keras.Input((6, 3))
    hidden = keras.layers.Dense(8, activation="tanh")(x)
    return lm.Model(x, keras.layers.Dense(3, activation="softmax")(hidden))


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
