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


TOTAL = (
    lm.Loss("mse", AXES, mask=MASK)
    + 0.5 * lm.Loss("mae", AXES, mask=MASK, reduce="mean t f, mean b", name="by_sample")
    + 0.1 * lm.Loss("l2", "b t f", of="output", name="small")
)
"""Three terms with three divisors: steps, samples, numbers."""

FACTORS = {"mse": 1.0, "by_sample": 0.5, "small": 0.1}


def epoch(  # noqa: PLR0913
    kernel: Any,
    *,
    batch: int,
    rate: float = 0.0,
    weights: Any = None,
    rest: Any = lambda _: 0.0,
    samples: slice = slice(None),
) -> tuple[dict[str, float], Any]:
    """One epoch of gradient descent on `TOTAL` in NumPy: its logs, and the kernel after it.

    Args:
        kernel: The kernel before.
        batch: The samples of a batch; the last may have fewer.
        rate: The learning rate; 0 for what `evaluate` logs.
        weights: Sample weights.
        rest: The gradient of other losses by the kernel.
        samples: The samples to take.
    """
    w = np.ones(SAMPLES) if weights is None else weights.astype("float64")
    arrays = [array[samples] for array in (X.astype("float64"), TARGET, COUNTED, LENGTHS, w)]
    sums, counts = dict.fromkeys(FACTORS, 0.0), dict.fromkeys(FACTORS, 0)
    for start in range(0, len(arrays[0]), batch):
        found, slope = _batch(kernel, [array[start : start + batch] for array in arrays])
        for name, (total, count) in found.items():
            sums[name] += total
            counts[name] += count
        kernel = kernel - rate * (slope + rest(kernel))
    terms = {name: sums[name] / max(counts[name], 1) for name in FACTORS}
    return {"loss": sum(FACTORS[name] * terms[name] for name in terms), **terms}, kernel


def _batch(kernel: Any, arrays: list[Any]) -> Any:
    """Sum and count of each term over one batch, and the gradient of the total by the kernel."""
    x, target, counted, lengths, w = arrays
    output, w = x @ kernel, w[:, None, None]
    difference = np.where(counted[..., None], output - target, 0.0)
    per_step = np.maximum(lengths, 1)[:, None, None]
    found = {
        "mse": ((w * difference**2).sum(), counted.sum()),
        "by_sample": ((w * np.abs(difference) / per_step).sum(), (lengths > 0).sum()),
        "small": ((w * output**2).sum(), output.size),
    }
    steps, real, numbers = (max(count, 1) for _, count in found.values())
    by_output = (
        2 * w * difference / steps
        + 0.5 * w * np.sign(difference) / per_step / real
        + 0.1 * 2 * w * output / numbers
    )
    return found, np.einsum("btf,bto->fo", x, by_output)
