"""Segmentation in which pixels at the boundary count more.

The map of weights is made with the images, before training, and comes with them as an input: each
batch brings its own rows of it, in whatever order `fit` shuffles them.
"""

import keras
import numpy as np

import lossmith as lm


def make_loss() -> lm.Loss:
    """Multiply the cross-entropy of each pixel by its entry of the map."""
    boundary = lm.weights.Field("x:boundary")
    return lm.Loss("binary_crossentropy", "b h w, b h w 1", weights=boundary)


def make_data(seed: int = 0) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return noisy images of one disc each with the map of its edge, and where the disc is."""
    rng = np.random.default_rng(seed)
    centre, radius = rng.uniform(2, 6, size=(2, 32, 1, 1)), rng.uniform(1, 3, size=(32, 1, 1))
    row, column = np.ogrid[:8, :8]
    outside = np.hypot(row - centre[0], column - centre[1]) - radius
    disc = (outside < 0).astype("float32")
    image = disc + rng.normal(size=disc.shape) / 4
    boundary = 1 + 4 * np.exp(-(outside**2))
    x = {"image": image[..., None].astype("float32"), "boundary": boundary.astype("float32")}
    return x, disc


def make_model() -> lm.Model:
    """Return a small convolutional network; the map is an input that only the loss reads."""
    image, boundary = keras.Input((8, 8, 1), name="image"), keras.Input((8, 8), name="boundary")
    hidden = keras.layers.Conv2D(4, 3, padding="same", activation="tanh")(image)
    pixels = keras.layers.Conv2D(1, 1, activation="sigmoid")(hidden)
    return lm.Model({"image": image, "boundary": boundary}, pixels)


def main(epochs: int = 15) -> list[float]:
    """Train, and return the loss of each epoch."""
    x, y = make_data()
    model = make_model()
    model.compile(keras.optimizers.Adam(0.05), loss=make_loss())
    losses = model.fit(x, y, batch_size=16, epochs=epochs, verbose=0).history["loss"]
    print(f"loss after {epochs} epochs: {losses[-1]:.4f}")
    return losses


if __name__ == "__main__":
    main()
