"""Losses of ours keep every promise: each error with each mask, and with each reduction.

All of them on PyTorch; on JAX and TensorFlow, where each check compiles, a sample of fixed seed.
"""

import itertools

import keras
import numpy as np
import pytest

import lossmith as lm
from lossmith.core.kinds import Error
from lossmith.core.part import PARTS

SAMPLE = {"jax": 2, "tensorflow": 4, "torch": None}[keras.config.backend()]
# A user's function, which promises what the user says; and penalties, which have no target.
OTHERS = ("Function", "L1", "L2", "KL")
RNG = np.random.default_rng(0)
TARGET = RNG.normal(size=(5, 7)).astype("float32")
# Those that are made from something, or whose consumed axis has a length of its own.
MADE = {
    "KerasLoss": (
        lambda: lm.errors.KerasLoss(keras.losses.MeanSquaredError()),
        ("b t [c], b t [c]", "real", "real"),
    ),
    "Quantile": (
        lambda: lm.errors.Quantile((0.1, 0.5, 0.9)),
        ("b t, b t [q]", TARGET, RNG.normal(size=(5, 7, 3)).astype("float32")),
    ),
    "GaussianNLL": (
        lm.errors.GaussianNLL,
        ("b t, b t [p]", TARGET, RNG.normal(size=(5, 7, 2)).astype("float32")),
    ),
}
DOMAINS = {
    "BinaryCrossEntropy": ("binary", "prob"),
    "BinaryFocal": ("binary", "prob"),
    "CategoricalHinge": ("onehot", "real"),
    "CrossEntropy": ("onehot", "simplex"),
    "Dice": ("binary", "prob"),
    "Focal": ("onehot", "simplex"),
    "Hinge": ("sign", "real"),
    "AbsolutePercentage": ("positive", "real"),
    "Poisson": ("positive", "positive"),
    "SquaredHinge": ("sign", "real"),
    "SquaredLog": ("positive", "positive"),
    "Tversky": ("binary", "prob"),
}
MASKS = {
    "none": (None, {}),
    "not equal": (lm.masks.NotEqual(-7.0), {"mask": "y_true != -7"}),
    "finite": (lm.masks.Finite(), {"mask": "isfinite(y_true)"}),
    "keras": (lm.masks.KerasMask(), {"mask": "keras"}),
}
REDUCTIONS = {
    "mean": "tokens",
    "weighted_mean": "weights",
    "sum": None,
    "mean t, mean b": "samples",
}
ERRORS = [
    part
    for _, part in sorted(PARTS.items())
    if issubclass(part, Error) and part.__name__ not in OTHERS
]
# Broken, and on purpose, or by what an error is: by the name of the error.
BY_NATURE = {"GaussianNLL": ("extremes",)}  # a log-variance of -10,000 has no finite precision


def _cases():
    """Each error with each mask under a mean, and with each reduction under one mask."""
    every = [
        (error, mask, reduce)
        for error, mask, reduce in itertools.product(ERRORS, MASKS, REDUCTIONS)
        if reduce == "mean" or mask == "not equal"
    ]
    places = np.random.default_rng(3).permutation(len(every))
    return [every[place] for place in sorted(places[:SAMPLE])]


def _meant_for(error):
    axes = "b t [c], b t [c]" if 0 not in error.consumes else "b t, b t"
    return (axes, *DOMAINS.get(error.__name__, ("real", "real")))


@pytest.mark.parametrize(
    ("error", "mask", "reduce"), _cases(), ids=lambda x: getattr(x, "__name__", x)
)
def test_every_promise_is_kept(error, mask, reduce):
    make, (axes, y_true, y_pred) = MADE.get(error.__name__) or (error, _meant_for(error))
    part, promises = MASKS[mask]
    loss = lm.Loss(make(), axes, mask=part, reduce=reduce)
    report = lm.check(loss, y_true=y_true, y_pred=y_pred, promises=promises)
    broken = {result.check for result in report.broken}
    assert broken == set(BY_NATURE.get(error.__name__, ())), str(report)
