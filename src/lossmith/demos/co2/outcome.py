"""What a run depends on, and what it leaves behind."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lossmith.demos.co2.data import Windows
from lossmith.demos.training import Trained


@dataclass(frozen=True)
class Settings:
    """What a run depends on, beside the machine."""

    epochs: int
    seed: int
    batch: int = 32
    units: int = 64
    learning_rate: float = 2e-3


@dataclass(frozen=True)
class Outcome:
    """One model, trained in one way.

    Attributes:
        trained: What the training logged.
        forecast: What it says about the test windows, scaled.
        rmse: Its error on their measured weeks, in ppm; NaN for a training that failed.
    """

    trained: Trained
    forecast: np.ndarray
    rmse: float


@dataclass(frozen=True)
class Result:
    """Everything that is reported.

    Attributes:
        settings: What was asked for.
        missing: Missing weeks in the series, and in the targets of the training.
        test: The test windows, with their gaps.
        outcomes: What each way led to.
        seconds: How long everything took.
    """

    settings: Settings
    missing: dict[str, int]
    test: Windows
    outcomes: dict[str, Outcome]
    seconds: float
