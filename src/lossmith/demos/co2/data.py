"""The weekly series as windows: what was seen, and what comes next."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

PAST = 104
"""Weeks that the model sees: two years."""

FUTURE = 26
"""Weeks that it forecasts."""

SCALE = 5.0
"""In ppm: about half a year's swing, so that the scaled numbers are near 1."""

TEST_SHARE = 0.2
"""The last windows are for the test; no week of their targets was trained on."""


@dataclass(frozen=True)
class Windows:
    """Samples of the series, each relative to its last known week and divided by SCALE.

    Attributes:
        past: Values with gaps carried over, and 1 where there was a gap, `(samples, PAST, 2)`.
        future: Targets, `(samples, FUTURE)`.
    """

    past: np.ndarray
    future: np.ndarray

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.past)

    def part(self, rows: slice) -> Windows:
        """Return some of the samples."""
        return Windows(self.past[rows], self.future[rows])


def read_series() -> np.ndarray:
    """Return the weekly means at Mauna Loa in ppm, NaN where a week is missing."""
    from statsmodels.datasets import co2

    return co2.load_pandas().data["co2"].to_numpy(dtype="float64")


def carried(series: np.ndarray) -> np.ndarray:
    """Fill each gap with the last value before it."""
    known = np.where(np.isnan(series), 0, np.arange(len(series)))
    return series[np.maximum.accumulate(known)]


def windows(series: np.ndarray, targets: np.ndarray) -> Windows:
    """Cut a series into overlapping windows.

    Args:
        series: The series that is seen; its gaps are carried over and marked.
        targets: The series that is to be forecast: the same, or with gaps filled in some way.
    """
    start = np.arange(len(series) - PAST - FUTURE + 1)[:, None]
    seen, ahead = start + np.arange(PAST), start + PAST + np.arange(FUTURE)
    values = carried(series)[seen]
    last = values[:, -1:]
    past = np.stack([(values - last) / SCALE, np.isnan(series)[seen]], axis=-1)
    future = (targets[ahead] - last) / SCALE
    return Windows(past.astype("float32"), future.astype("float32"))


def split(samples: Windows) -> tuple[Windows, Windows]:
    """Part them in time into those to train on and those to test with."""
    first_test = int(len(samples) * (1 - TEST_SHARE))
    last_train = first_test - FUTURE + 1
    return samples.part(slice(last_train)), samples.part(slice(first_test, None))


def rmse(forecast: np.ndarray, future: np.ndarray) -> float:
    """Return the root mean squared error in ppm over the weeks that were measured."""
    measured = np.isfinite(future)
    error = (forecast - future)[measured].astype("float64") * SCALE
    return float(np.sqrt(np.mean(error**2)))
