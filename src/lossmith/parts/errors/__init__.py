"""Error parts: how wrong a prediction is, un-reduced."""

from lossmith.parts.errors._classification import (
    BinaryCrossEntropy,
    BinaryFocal,
    CategoricalHinge,
    CrossEntropy,
    Focal,
    Hinge,
    SquaredHinge,
)
from lossmith.parts.errors._distribution import KL, Cosine, GaussianNLL, Poisson
from lossmith.parts.errors._given import Function, KerasLoss
from lossmith.parts.errors._overlap import Dice, Tversky
from lossmith.parts.errors._regression import (
    L1,
    L2,
    Absolute,
    AbsolutePercentage,
    Huber,
    LogCosh,
    Quantile,
    Squared,
    SquaredLog,
)

__all__ = [
    "KL",
    "L1",
    "L2",
    "Absolute",
    "AbsolutePercentage",
    "BinaryCrossEntropy",
    "BinaryFocal",
    "CategoricalHinge",
    "Cosine",
    "CrossEntropy",
    "Dice",
    "Focal",
    "Function",
    "GaussianNLL",
    "Hinge",
    "Huber",
    "KerasLoss",
    "LogCosh",
    "Poisson",
    "Quantile",
    "Squared",
    "SquaredHinge",
    "SquaredLog",
    "Tversky",
]
