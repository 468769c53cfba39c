"""Two tasks of different scales, with weights that are learned.

A distance is off by metres, an angle by a hundredth. Each term is weighted by how uncertain it is,
`exp(-s) * error + s`, and `s` is a weight of the model: it trains, and it is saved.
"""

import keras
import numpy as np

import lossmith as lm


def make_loss() -> lm.Objective:
    """Give each task a factor that is learned."""
    distance = lm.Loss("mse", "b, b 1", of=("y:distance", "output:distance"), name="distance")
    angle = lm.Loss("mse", "b, b 1", of=("y:angle", "output:angle"), name="angle")
    return lm.schedules.Learned() * distance + lm.schedules.Learned() * angle


def make_data(seed: int = 0) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return three inputs, and two targets: one large and noisy, one small and nearly exact."""
    rng = np.random.default_rng(seed)
    x, noise = rng.normal(size=(16, 3)), rng.normal(size=(2, 16))
    distance = 3 * x.sum(axis=-1) + 2 * noise[0]
    angle = 0.1 * x[:, 0] + 0.01 * noise[1]
    y = {"distance": distance.astype("float32"), "angle": angle.astype("float32")}
    return x.astype("float32"), y


def make_model() -> lm.Model:
    """Return a linear layer for each task."""
    x = keras.Input((3,))
    tasks = ("distance", "angle")
    return lm.Model(x, {task: keras.layers.Dense(1, name=task)(x) for task in tasks})


def main(epochs: int = 30) -> list[float]:
    """Train, and return the loss of each epoch."""
    x, y = make_data()
    model = make_model()
    model.compile(keras.optimizers.Adam(0.1), loss=make_loss())
    logs = model.fit(x, y, batch_size=16, epochs=epochs, verbose=0).history
    losses = logs["loss"]
    print(f"loss after {epochs} epochs: {losses[-1]:.4f}", end=", ")
    print(f"distance times {logs['distance_factor'][-1]:.4f}", end=", ")
    print(f"angle times {logs['angle_factor'][-1]:.4f}")
    return losses


if __name__ == "__main__":
    main()
