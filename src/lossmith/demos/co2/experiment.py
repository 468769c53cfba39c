"""The run: the same model, once for each way to treat missing weeks."""

from __future__ import annotations

import random
import time

import keras
import numpy as np
from keras import layers
from rich.progress import Progress

from lossmith.demos.co2 import report
from lossmith.demos.co2.data import FUTURE, PAST, Windows, read_series, rmse, split, windows
from lossmith.demos.co2.outcome import Outcome, Result, Settings
from lossmith.demos.co2.ways import WAYS, Way
from lossmith.demos.output import Output
from lossmith.demos.training import Batches, new_progress, train


def run(settings: Settings, output: Output) -> None:
    """Train each way, print what came out, and write it if there is somewhere to write to."""
    result = experiment(settings)
    report.show(result)
    if output:
        output.write(report.as_dict(result), report.curves(result))


def experiment(settings: Settings) -> Result:
    """Train the same model in each way and measure it on the weeks that were measured."""
    start = time.perf_counter()
    series = read_series()
    training, test = split(windows(series, series))
    report.introduce(settings)
    with new_progress() as progress:
        outcomes = {way.name: _outcome(way, series, test, settings, progress) for way in WAYS}
    missing = {
        "weeks": int(np.isnan(series).sum()),
        "of_weeks": len(series),
        "training_targets": int(np.isnan(training.future).sum()),
        "of_training_targets": training.future.size,
    }
    return Result(settings, missing, test, outcomes, time.perf_counter() - start)


def build(units: int, seed: int) -> keras.Model:
    """Return a small network from the past weeks to the coming ones."""
    random.seed(seed)  # where layers without a seed of their own draw one
    return keras.Sequential(
        [
            keras.Input((PAST, 2)),
            layers.Flatten(),
            layers.Dense(units, activation="relu"),
            layers.Dense(FUTURE),
        ]
    )


def _outcome(
    way: Way, series: np.ndarray, test: Windows, settings: Settings, progress: Progress
) -> Outcome:
    training, _ = split(windows(series, way.fill(series)))
    batches = Batches((training.past, training.future), settings.batch, settings.seed)
    model = build(settings.units, settings.seed)
    steps = settings.epochs * len(batches)
    rate = keras.optimizers.schedules.CosineDecay(settings.learning_rate, steps)
    model.compile(optimizer=keras.optimizers.Adam(rate), loss=way.loss())
    trained = train(model, batches, settings.epochs, way.name, progress)
    forecast = np.asarray(model.predict_on_batch(test.past))
    return Outcome(trained, forecast, rmse(forecast, test.future))
