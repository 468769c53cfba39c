"""What people do with missing targets, and what we do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import lossmith as lm
from lossmith.demos.co2.data import carried


@dataclass(frozen=True)
class Way:
    """One way to train on a series with gaps.

    Args:
        name: How it is called in the tables.
        fill: Makes the targets of the series.
        loss: Makes what is given to `compile`.
    """

    name: str
    fill: Callable[[np.ndarray], np.ndarray]
    loss: Callable[[], Any]


def _as_it_is(series: np.ndarray) -> np.ndarray:
    return series


def _zero(series: np.ndarray) -> np.ndarray:
    return np.nan_to_num(series, nan=0.0)


def _mean(series: np.ndarray) -> np.ndarray:
    return np.nan_to_num(series, nan=float(np.nanmean(series)))


def _plain() -> str:
    return "mse"


def _masked() -> lm.Loss:
    return lm.Loss("mse", "b t, b t", mask=lm.masks.Finite())


WAYS = (
    Way("NaN left in", _as_it_is, _plain),
    Way("filled with 0", _zero, _plain),
    Way("filled with mean", _mean, _plain),
    Way("last value kept", carried, _plain),
    Way("lossmith, masked", _as_it_is, _masked),
)
