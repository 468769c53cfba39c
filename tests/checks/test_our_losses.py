"""Losses of ours keep every promise: each error, with masks and reductions.

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
# Those made from functions or losses of a user, penalties, which have no target, and those whose
# consumed axis has a length of its own.
OTHERS = ("Function", "KerasLoss", "L1", "L2", "KL", "Quantile", "GaussianNLL")
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
BY_NATURE = {}


def _cases():
    every = list(itertools.product(ERRORS, MASKS, REDUCTIONS))
    places = np.random.default_rng(3).permutation(len(every))
    return [every[place] for place in sorted(places[:SAMPLE])]


@pytest.mark.parametrize(
    ("error", "mask", "reduce"), _cases(), ids=lambda x: getattr(x, "__name__", x)
)
def test_every_promise_is_kept(error, mask, reduce):
    axes = "b t [c], b t [c]" if 0 not in error.consumes else "b t, b t"
    y_true, y_pred = DOMAINS.get(error.__name__, ("real", "real"))
    part, promises = MASKS[mask]
    loss = lm.Loss(error(), axes, mask=part, reduce=reduce)
    report = lm.check(loss, y_true=y_true, y_pred=y_pred, promises=promises)
    broken = {result.check for result in report.broken}
    assert broken == set(BY_NATURE.get(error.__name__, ())), str(report)
