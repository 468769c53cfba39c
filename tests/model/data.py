"""Ragged sequences, and the linear model on them, in Keras and in NumPy."""

from typing import Any

import keras
import numpy as np

import lossmith as lm

SAMPLES, STEPS = 16, 5
RNG = np.random.default_rng(0)
X = RNG.normal(size=(SAMPLES, STEPS, 2)).astype("float32")
# Some sequences are empty, so that batches differ in how much they count.
LENGTHS = RNG.integers(0, STEPS + 1, SAMPLES).astype("int32")
LENGTHS[:3] = 0
COUNTED = np.arange(STEPS) < LENGTHS[:, None]
TARGET = RNG.normal(size=(SAMPLES, STEPS, 1)).astype("float32")
Y = np.where(COUNTED[..., None], TARGET, np.nan).astype("float32")
FIELDS = {"y": Y, "lengths": LENGTHS}
WEIGHTS = RNG.uniform(0.0, 2.0, SAMPLES).astype("float32")
KERNEL = np.array([[0.5], [-1.0]])
OUTPUT = X.astype("float64") @ KERNEL
MASK = lm.masks.Lengths("y:lengths")
AXES = "b t f, b t f"


def linear(cls: Any = lm.Model, **dense: Any) -> Any:
    """One linear layer with a known kernel."""
    x = keras.Input((STEPS, 2), name="steps")
    start = keras.initializers.Constant(KERNEL)
    layer = keras.layers.Dense(1, use_bias=False, kernel_initializer=start, name="out", **dense)
    return cls(x, layer(x))


def errors(power: int) -> Any:
    """The errors at the positions that count, as one list."""
    return (np.abs(OUTPUT - TARGET) ** power)[COUNTED][:, 0]


def logs_of(model: Any, *args: Any, **kwargs: Any) -> dict[str, float]:
    """What `evaluate` logs, as Python numbers."""
    found = model.evaluate(*args, **kwargs, verbose=0, return_dict=True)
    return {name: float(value) for name, value in found.items()}
