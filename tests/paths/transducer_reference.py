"""The transducer loss twice, in float64: path by path, and by forward and backward sums."""

import itertools

import numpy as np


def enumerated(logits, labels, blank):
    """Value and gradient of one sample, from each path on its own."""
    scores = log_softmax(logits)
    frames, symbols = len(logits), len(labels)
    total, used = 0.0, np.zeros_like(scores)
    for places in itertools.combinations(range(frames - 1 + symbols), symbols):
        frame, label, arcs = 0, 0, []
        for move in range(frames - 1 + symbols):
            emits = move in places
            arcs.append((frame, label, labels[label] if emits else blank))
            frame, label = (frame, label + 1) if emits else (frame + 1, label)
        arcs.append((frame, label, blank))
        probability = np.exp(sum(scores[arc] for arc in arcs))
        total += probability
        for arc in arcs:
            used[arc] += probability
    return -np.log(total), _through_softmax(-used / total, scores)


def summed(logits, labels, blank):
    """Value and gradient of one sample, from forward and backward sums."""
    scores = log_softmax(logits)
    frames, width = len(logits), len(labels) + 1
    alpha = np.full((frames, width), -np.inf)
    beta = np.full((frames + 1, width + 1), -np.inf)
    alpha[0, 0] = beta[frames, width - 1] = 0.0
    for t, u in itertools.product(range(frames), range(width)):
        if t:
            alpha[t, u] = np.logaddexp(alpha[t, u], alpha[t - 1, u] + scores[t - 1, u, blank])
        if u:
            emitted = alpha[t, u - 1] + scores[t, u - 1, labels[u - 1]]
            alpha[t, u] = np.logaddexp(alpha[t, u], emitted)
    for t, u in itertools.product(reversed(range(frames)), reversed(range(width))):
        emitted = beta[t, u + 1] + scores[t, u, labels[u]] if u < width - 1 else -np.inf
        beta[t, u] = np.logaddexp(beta[t + 1, u] + scores[t, u, blank], emitted)
    total = beta[0, 0]
    used = np.zeros_like(scores)
    for t, u in itertools.product(range(frames), range(width)):
        used[t, u, blank] += np.exp(alpha[t, u] + scores[t, u, blank] + beta[t + 1, u] - total)
        if u < width - 1:
            label = labels[u]
            used[t, u, label] += np.exp(alpha[t, u] + scores[t, u, label] + beta[t, u + 1] - total)
    return -total, _through_softmax(-used, scores)


def batch(one, labels, logits, lengths, frames, blank=0):  # noqa: PLR0913, PLR0917
    """Values and gradients of a padded batch, with `one` of the two functions above."""
    values, gradients = [], np.zeros(logits.shape)
    for row, (length, steps) in enumerate(zip(lengths, frames, strict=True)):
        value, gradient = one(logits[row, :steps, : length + 1], labels[row, :length], blank)
        values.append(value)
        gradients[row, :steps, : length + 1] = gradient
    return np.array(values), gradients


def log_softmax(scores):
    scores = np.asarray(scores, "float64")
    return scores - np.logaddexp.reduce(scores, axis=-1, keepdims=True)


def _through_softmax(gradient, scores):
    return gradient - np.exp(scores) * gradient.sum(axis=-1, keepdims=True)
