"""Cross-entropy of a linear layer in float64 NumPy, with its gradients written out."""

from dataclasses import dataclass

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class Case:
    """Arguments of the loss; the kernel is (D, V)."""

    hidden: Array
    kernel: Array
    bias: Array
    labels: Array
    mask: Array
    weights: Array


@dataclass(frozen=True)
class Judged:
    """Losses of tokens, 0 where they do not count, and gradients of their weighted sum."""

    losses: Array
    surprise: Array
    correct: Array
    hidden: Array
    kernel: Array
    bias: Array

    @property
    def weights(self) -> Array:
        """The gradient with respect to the weights."""
        return self.losses


def case(tokens=37, features=8, classes=50, counted=0.6, seed=0) -> Case:
    """Return tensors in float32; what does not count is NaN, or a label that is no class."""
    rng = np.random.default_rng(seed)
    hidden, kernel, bias = (
        rng.normal(size=shape).astype("float32")
        for shape in ((tokens, features), (features, classes), (classes,))
    )
    labels = rng.integers(0, classes, tokens).astype("int32")
    mask = rng.random(tokens) < counted
    weights = rng.uniform(0.5, 2.0, tokens).astype("float32")
    hidden[~mask], weights[~mask], labels[~mask] = np.nan, np.nan, -100
    return Case(hidden, kernel, bias, labels, mask, weights)


def judge(given: Case, *, label_smoothing=0.0, z_loss=0.0, soft_cap=None) -> Judged:
    """Return what the loss is, by the definition and in float64."""
    counted = np.flatnonzero(given.mask)
    x, w = (a[counted].astype("float64") for a in (given.hidden, given.weights))
    kernel, bias = given.kernel.astype("float64"), given.bias.astype("float64")
    one_hot = np.eye(len(bias))[given.labels[counted]]
    target = (1 - label_smoothing) * one_hot + label_smoothing / len(bias)
    raw = x @ kernel + bias
    logits = raw if soft_cap is None else soft_cap * np.tanh(raw / soft_cap)
    log = np.log(np.sum(np.exp(logits), axis=1, keepdims=True))
    losses = np.sum(target * (log - logits), axis=1) + z_loss * log[:, 0] ** 2
    slopes = np.exp(logits - log) * (1 + 2 * z_loss * log) - target
    if soft_cap is not None:
        slopes = slopes * (1 - (logits / soft_cap) ** 2)
    slopes = w[:, None] * slopes

    def spread(values: Array) -> Array:
        whole = np.zeros((len(given.mask), *values.shape[1:]))
        whole[counted] = values
        return whole

    return Judged(
        losses=spread(losses),
        surprise=spread((log - logits)[one_hot == 1]),
        correct=spread(np.argmax(logits, axis=1) == given.labels[counted]),
        hidden=spread(slopes @ kernel.T),
        kernel=x.T @ slopes,
        bias=slopes.sum(axis=0),
    )
