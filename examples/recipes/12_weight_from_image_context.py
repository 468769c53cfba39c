"""Error of each pixel, weighted by what surrounds it in the image itself.

An autoencoder should get edges right. The weight of a pixel grows with its distance from the mean
of its neighbours, computed from the target by a registered function.
"""

import keras
import numpy as np
from keras import ops

import lossmith as lm


@keras.saving.register_keras_serializable("recipes")
def contrast(images):  # noqa: ANN001, ANN201
    """Return 1 in flat places, and more where a pixel differs from the 3 x 3 around it."""
    around = ops.average_pool(images, 3, strides=1, padding="same")
    return 1.0 + 4.0 * ops.abs(images - around)


def make_loss() -> lm.Loss:
    """Multiply the squared error of each pixel by the contrast of the target there."""
    return lm.Loss("mse", "b h w c, b h w c", weights=lm.weights.FromTarget(contrast))


def make_data(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return images of one bright rectangle each, as input and as target."""
    corner = np.random.default_rng(seed).integers(0, 5, size=(2, 16, 1, 1))
    row, column = np.ogrid[:8, :8]
    inside = (abs(row - corner[0] - 2) < 2) & (abs(column - corner[1] - 2) < 2)
    image = inside[..., None].astype("float32")
    return image, image


def make_model() -> keras.Model:
    """Return an autoencoder with a bottleneck of eight numbers."""
    x = keras.Input((8, 8, 1))
    code = keras.layers.Dense(8, activation="relu")(keras.layers.Flatten()(x))
    pixels = keras.layers.Dense(64, activation="sigmoid")(code)
    return keras.Model(x, keras.layers.Reshape((8, 8, 1))(pixels))


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
