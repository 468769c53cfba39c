"""Forecasts of the CO2 on Mauna Loa, trained by the squared error and by `lm.DILATE`.

Weekly means come with `statsmodels`; missing weeks are filled along a line. A year is read, the
next half year is forecast, as differences from the last week read. The same network is trained with
the squared error and with DILATE. On the last ten years, which it did not see, each is measured by
the squared error, and along the best alignment: what that costs (DTW), and how far it is from the
diagonal (TDI, the time distortion index).

    KERAS_BACKEND=jax python examples/forecast_shape_and_time.py
"""

import keras
import numpy as np
from statsmodels.datasets import co2

import lossmith as lm

READ, AHEAD, HELD_OUT = 52, 26, 520


def windows() -> tuple[np.ndarray, np.ndarray]:
    """Return the weeks read (B, 52) and the weeks to forecast (B, 26), from the last one read."""
    weeks = co2.load_pandas().data["co2"].interpolate().to_numpy()
    starts = np.arange(len(weeks) - READ - AHEAD + 1)[:, None]
    whole = weeks[starts + np.arange(READ + AHEAD)]
    whole = (whole - whole[:, READ - 1 : READ]).astype("float32")
    return whole[:, :READ], whole[:, READ:]


def trained(loss: keras.losses.Loss, x: np.ndarray, y: np.ndarray, epochs: int) -> keras.Model:
    """Train a small network."""
    keras.utils.set_random_seed(0)
    layers = [keras.Input((READ,)), keras.layers.Dense(32, "relu"), keras.layers.Dense(AHEAD)]
    model = keras.Sequential(layers)
    model.compile(keras.optimizers.Adam(0.003), loss=loss)
    model.fit(x, y, batch_size=64, epochs=epochs, verbose=0)
    return model


def measured(y: np.ndarray, prediction: np.ndarray) -> dict[str, float]:
    """Return the squared error, and the mean cost and distortion of the best alignments."""
    costs = np.square(y[:, :, None] - prediction[:, None])
    paths = [lm.ops.dtw_path(cost) for cost in costs]
    along = [cost[tuple(path.T)].sum() for cost, path in zip(costs, paths, strict=True)]
    late = [np.square(np.diff(path) / AHEAD).sum() for path in paths]
    squared = np.square(y - prediction).mean()
    return {"MSE": float(squared), "DTW": float(np.mean(along)), "TDI": float(np.mean(late))}


def main(epochs: int = 20, most: int | None = None) -> dict[str, dict[str, float]]:
    """Train with each loss on at most so many windows, and return how the forecasts measure."""
    losses = {
        "squared error": lm.Loss("mse", "b t, b t"),
        "DILATE": lm.DILATE("b t, b t", alpha=0.5, gamma=0.01),
    }
    x, y = windows()
    seen, held = slice(0, most or -HELD_OUT), slice(-HELD_OUT, None)
    found = {}
    for name, loss in losses.items():
        prediction = trained(loss, x[seen], y[seen], epochs).predict(x[held], verbose=0)
        found[name] = measured(y[held], prediction)
        worth = ", ".join(f"{measure} {value:.3f}" for measure, value in found[name].items())
        print(f"trained with {name}: {worth}")
    return found


if __name__ == "__main__":
    main()
