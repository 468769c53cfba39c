"""Every error as a formula in NumPy, in float64, and its gradient by central differences."""

from collections.abc import Callable
from typing import Any

import numpy as np

import lossmith as lm
from tests.support.grads import Array

EPSILON = 1e-7  # Keras' own
Formula = Callable[[Any, Array, Array], Array]


def _huber(e: Any, y: Array, p: Array) -> Array:
    r = np.abs(p - y)
    return np.where(r <= e.delta, r**2 / 2, e.delta * (r - e.delta / 2))


def _log_cosh(_: Any, y: Array, p: Array) -> Array:
    return np.log(np.cosh(p - y))


def _quantile(e: Any, y: Array, p: Array) -> Array:
    levels = np.asarray(e.levels)
    d = (y[..., None] if levels.ndim else y) - p
    loss = np.maximum(levels * d, (levels - 1) * d)
    return loss.mean(axis=-1) if levels.ndim else loss


def _squared_log(_: Any, y: Array, p: Array) -> Array:
    return (np.log(1 + np.maximum(p, EPSILON)) - np.log(1 + np.maximum(y, EPSILON))) ** 2


def _softmax(x: Array) -> Array:
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def _one_hot(y: Array, p: Array) -> Array:
    return np.eye(p.shape[-1])[y.astype(int)] if y.ndim < p.ndim else y


def _log_p(e: Any, p: Array) -> Array:
    if e.from_logits:
        shifted = p - p.max(axis=-1, keepdims=True)
        return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return np.log(np.clip(p / p.sum(axis=-1, keepdims=True), EPSILON, 1 - EPSILON))


def _cross_entropy(e: Any, y: Array, p: Array) -> Array:
    s = e.label_smoothing
    target = (1 - s) * _one_hot(y, p) + s / p.shape[-1]
    return -(target * _log_p(e, p)).sum(axis=-1)


def _focal(e: Any, y: Array, p: Array) -> Array:
    log_p = _log_p(e, p)
    rest = 1 - np.exp(log_p)
    return -e.alpha * (_one_hot(y, p) * rest**e.gamma * log_p).sum(axis=-1)


def _log_sigmoids(e: Any, p: Array) -> tuple[Array, Array]:
    if e.from_logits:
        return -np.logaddexp(0, -p), -np.logaddexp(0, p)
    p = np.clip(p, EPSILON, 1 - EPSILON)
    return np.log(p), np.log(1 - p)


def _binary_cross_entropy(e: Any, y: Array, p: Array) -> Array:
    y = y * (1 - e.label_smoothing) + e.label_smoothing / 2
    yes, no = _log_sigmoids(e, p)
    return -(y * yes + (1 - y) * no)


def _binary_focal(e: Any, y: Array, p: Array) -> Array:
    yes, no = _log_sigmoids(e, p)
    doubt = y * np.exp(no) + (1 - y) * np.exp(yes)
    loss = -(doubt**e.gamma) * (y * yes + (1 - y) * no)
    return loss if e.alpha is None else loss * (y * e.alpha + (1 - y) * (1 - e.alpha))


def _hinge(_: Any, y: Array, p: Array) -> Array:
    return np.maximum(1 - np.where(y > 0, 1, -1) * p, 0)


def _categorical_hinge(_: Any, y: Array, p: Array) -> Array:
    return np.maximum(((1 - y) * p).max(axis=-1) - (y * p).sum(axis=-1) + 1, 0)


def _kl(_: Any, y: Array, p: Array) -> Array:
    y, p = np.clip(y, EPSILON, 1), np.clip(p, EPSILON, 1)
    return (y * np.log(y / p)).sum(axis=-1)


def _gaussian(_: Any, y: Array, p: Array) -> Array:
    return (p[..., 1] + (y - p[..., 0]) ** 2 / np.exp(p[..., 1])) / 2


def _cosine(_: Any, y: Array, p: Array) -> Array:
    norms = np.linalg.norm(y, axis=-1) * np.linalg.norm(p, axis=-1)
    return -(y * p).sum(axis=-1) / norms


def _tversky(alpha: float, beta: float, y: Array, p: Array) -> Array:
    """The overlap over the last axis; Dice is that with both prices a half."""
    hits = (y * p).sum(axis=-1)
    total = hits + alpha * ((1 - y) * p).sum(axis=-1) + beta * (y * (1 - p)).sum(axis=-1)
    return 1 - (hits + EPSILON) / (total + EPSILON)


FORMULAS: dict[type, Formula] = {
    lm.errors.Squared: lambda _, y, p: (p - y) ** 2,
    lm.errors.Absolute: lambda _, y, p: np.abs(p - y),
    lm.errors.Huber: _huber,
    lm.errors.LogCosh: _log_cosh,
    lm.errors.Quantile: _quantile,
    lm.errors.AbsolutePercentage: lambda _, y, p: (
        100 * np.abs(y - p) / np.maximum(np.abs(y), EPSILON)
    ),
    lm.errors.SquaredLog: _squared_log,
    lm.errors.L1: lambda _, __, p: np.abs(p),
    lm.errors.L2: lambda _, __, p: p**2,
    lm.errors.CrossEntropy: _cross_entropy,
    lm.errors.Focal: _focal,
    lm.errors.BinaryCrossEntropy: _binary_cross_entropy,
    lm.errors.BinaryFocal: _binary_focal,
    lm.errors.Hinge: _hinge,
    lm.errors.SquaredHinge: lambda e, y, p: _hinge(e, y, p) ** 2,
    lm.errors.CategoricalHinge: _categorical_hinge,
    lm.errors.KL: _kl,
    lm.errors.Poisson: lambda _, y, p: p - y * np.log(p + EPSILON),
    lm.errors.GaussianNLL: _gaussian,
    lm.errors.Cosine: _cosine,
    lm.errors.Dice: lambda _, y, p: _tversky(0.5, 0.5, y, p),
    lm.errors.Tversky: lambda e, y, p: _tversky(e.alpha, e.beta, y, p),
    lm.errors.Function: lambda e, y, p: getattr(np, e.function)(y, p),
    lm.errors.KerasLoss: lambda _, y, p: ((y - p) ** 2).mean(axis=-1),  # that of its example
}

# Where predictions come from, unless they are probabilities (classes, overlaps) or logits.
REAL = (
    *(lm.errors.Squared, lm.errors.Absolute, lm.errors.Huber, lm.errors.LogCosh),
    *(lm.errors.Quantile, lm.errors.AbsolutePercentage, lm.errors.L1, lm.errors.L2),
    *(lm.errors.Hinge, lm.errors.SquaredHinge, lm.errors.CategoricalHinge),
    *(lm.errors.GaussianNLL, lm.errors.Cosine, lm.errors.Function, lm.errors.KerasLoss),
)
REAL_TARGETS = tuple(cls for cls in REAL if cls is not lm.errors.CategoricalHinge)


def gradient(function: Callable[[Array], Array], x: Array, step: float = 1e-6) -> Array:
    """The gradient of the sum of `function(x)`, by central differences in float64."""
    x = x.astype("float64")
    result = np.zeros_like(x)
    for at in np.ndindex(x.shape):
        ahead, behind = x.copy(), x.copy()
        ahead[at] += step
        behind[at] -= step
        result[at] = (function(ahead).sum() - function(behind).sum()) / (2 * step)
    return result
