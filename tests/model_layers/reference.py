"""A recurrent net with a softmax and its loss, in NumPy and float64."""

import numpy as np

BATCH, STEPS, FEATURES, UNITS, CLASSES = 3, 6, 2, 4, 5
LENGTHS = np.array([6, 2, 4])
MASK = np.arange(STEPS) < LENGTHS[:, None]

_rng = np.random.default_rng(7)
X = _rng.normal(size=(BATCH, STEPS, FEATURES)).astype("float32")
Y = _rng.integers(0, CLASSES, (BATCH, STEPS)).astype("int32")
WEIGHT = _rng.uniform(0.5, 2.0, (BATCH, STEPS)).astype("float32")
SHAPES = ((FEATURES, UNITS), (UNITS, UNITS), (UNITS,), (UNITS, CLASSES), (CLASSES,))
WEIGHTS = [_rng.normal(size=shape).astype("float32") * 0.7 for shape in SHAPES]


def predict(x, weights, *, there=None, reverse=False, feed=None):
    """Logits of every step, in the order of the input, and the last state.

    `there` are the steps that are run. `feed` maps the logits of a step to the next input.
    """
    kernel, recurrent, bias, head, head_bias = (np.asarray(w, "float64") for w in weights)
    batch, steps = x.shape[:2]
    there = np.ones((batch, steps), bool) if there is None else there
    h = np.zeros((batch, UNITS))
    logits = np.zeros((batch, steps, head.shape[1]))
    fed = None
    for t in reversed(range(steps)) if reverse else range(steps):
        now = np.where(there[:, t, None], x[:, t], 0.0)
        if fed is not None:
            now = fed
        new = np.tanh(now @ kernel + h @ recurrent + bias)
        h = np.where(there[:, t, None], new, h)
        logits[:, t] = new @ head + head_bias
        fed = feed(logits[:, t]) if feed else None
    return logits, h


def errors(logits, labels):
    """Cross-entropy of every step."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    log = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return -np.take_along_axis(log, labels[..., None], axis=-1)[..., 0]


def reduced(values, *, counted=None, weight=None, reduce="mean"):
    """The loss of errors, masks, weights and the three reductions that add up over steps."""
    counted = np.ones(values.shape, bool) if counted is None else counted
    weight = np.ones(values.shape) if weight is None else np.broadcast_to(weight, values.shape)
    total = (values * weight)[counted].sum()
    divisor = {"mean": counted.sum(), "weighted_mean": weight[counted].sum(), "sum": 1.0}
    return total / divisor[reduce]


def gradients(function, arrays, step=1e-6):
    """Central differences of a function of float64 arrays."""
    arrays = [np.array(array, "float64") for array in arrays]
    found = []
    for array in arrays:
        gradient = np.zeros_like(array)
        for place in np.ndindex(array.shape):
            kept = array[place]
            array[place] = kept + step
            above = function(*arrays)
            array[place] = kept - step
            gradient[place] = (above - function(*arrays)) / (2 * step)
            array[place] = kept
        found.append(gradient)
    return found
