"""CTC in NumPy, float64, one sample at a time: by enumeration, and by the textbook recursion."""

import itertools

import numpy as np


def log_softmax(scores):
    scores = np.asarray(scores, "float64")
    top = scores.max(axis=-1, keepdims=True)
    return scores - top - np.log(np.exp(scores - top).sum(axis=-1, keepdims=True))


def collapsed(path, blank):
    """What an alignment says: repeats once, blanks not at all."""
    return tuple(k for k, _ in itertools.groupby(path) if k != blank)


def by_enumeration(labels, logits, blank):
    """The loss and its gradient, from every alignment there is."""
    frames, classes = logits.shape
    scores, posterior = log_softmax(logits), np.zeros(logits.shape)
    for path in itertools.product(range(classes), repeat=frames):
        if collapsed(path, blank) == tuple(labels):
            probability = np.exp(sum(scores[t, k] for t, k in enumerate(path)))
            posterior[range(frames), path] += probability
    total = posterior[0].sum() if frames else float(not len(labels))
    if total == 0:
        return np.inf, np.zeros(logits.shape)
    return -np.log(total), np.exp(scores) - posterior / total


def by_recursion(labels, logits, blank):
    """The same by the forward and backward variables of Graves et al. (2006), equations 6 to 15."""
    scores = log_softmax(logits)
    frames, said = len(scores), [blank]
    for label in labels:
        said += [label, blank]
    said = np.array(said)
    states = len(said)
    skips = np.array([s > 1 and said[s] not in (blank, said[s - 2]) for s in range(states)])

    forward = np.full((frames, states), -np.inf)
    forward[0, :2] = scores[0, said[:2]]
    for t in range(1, frames):
        before = forward[t - 1]
        one = np.concatenate([[-np.inf], before[:-1]])
        two = np.where(skips, np.concatenate([[-np.inf] * 2, before])[:states], -np.inf)
        forward[t] = np.logaddexp(np.logaddexp(before, one), two) + scores[t, said]

    backward = np.full((frames, states), -np.inf)
    backward[-1, -2:] = 0.0
    for t in reversed(range(frames - 1)):
        after = backward[t + 1] + scores[t + 1, said]
        one = np.concatenate([after[1:], [-np.inf]])
        two = np.where(skips, after, -np.inf)
        two = np.concatenate([two, [-np.inf] * 2])[2:]
        backward[t] = np.logaddexp(np.logaddexp(after, one), two)

    total = np.logaddexp.reduce(forward[-1, -2:])
    posterior = np.zeros(scores.shape)
    for state, label in enumerate(said):
        posterior[:, label] += np.exp(forward[:, state] + backward[:, state] - total)
    return -total, np.exp(scores) - posterior
