"""Checks of gradients: that they are right, that they arrive, that they lead to the target."""

# pyright: reportMissingParameterType=false

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

from lossmith.checks import compare
from lossmith.checks.inputs import Batch, Spec
from lossmith.checks.probe import Probe
from lossmith.checks.unit import Case, check

_STEPS = (1e-1, 3e-2, 1e-2, 1e-3, 1e-4, 1e-5)
_DIRECTIONS = 3
_DRAWS = 3
_PREDICTIONS = 5
_SHARES = (1e-3, 1e-2, 1e-1)  # of the length of the prediction
_CERTAIN = 1e-6  # how far from 0 and 1 the logarithm of a probability is taken


def _squared(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


def _weight_from_prediction(y_true, y_pred):
    weight = ops.stop_gradient(1.0 + ops.square(y_pred))
    return ops.mean(weight * ops.square(y_true - y_pred), axis=-1)


def _rounded(y_true, y_pred):
    return ops.mean(ops.square(y_true - ops.round(y_pred)), axis=-1)


def _first_feature(y_true, y_pred):
    return ops.square(y_true[..., 0] - y_pred[..., 0])


def _positive_targets_alone(y_true, y_pred):
    return ops.mean(ops.relu(y_true) * ops.square(y_true - y_pred), axis=-1)


def _hinge(y_true, y_pred):
    return ops.mean(ops.relu(1.0 - y_true * y_pred), axis=-1)


def _uphill(y_true, y_pred):
    return _squared(y_true, 2.0 * ops.stop_gradient(y_pred) - y_pred)


def _score(y_true, y_pred):
    return -_squared(y_true, y_pred)


def _prediction_alone(y_true, y_pred):
    return ops.mean(ops.square(y_pred) + 0.0 * y_true, axis=-1)


def _crossentropy(y_true, y_pred):
    return -ops.sum(y_true * ops.log(ops.maximum(y_pred, 1e-6)), axis=-1)


def _crossentropy_swapped(y_true, y_pred):
    return _crossentropy(y_pred, y_true)


@check(
    "gradient",
    "gradients",
    accepts=Case(_squared),
    rejects=Case(_weight_from_prediction),
    mend="look for stop_gradient, round, or a value that leaves the graph between y_pred and "
    "the result",
    promise="gradient",
    rules=("LSM503", "LSM601"),
)
def gradient(probe: Probe) -> None:
    """The gradient is that of the value, as finite differences measure it.

    The slope along a random direction is compared with the best of central differences and their
    Richardson extrapolations over steps from 0.1 to 0.00001, relative to the length of the
    gradient. A loss with kinks gets three draws, and has to pass on one.
    """
    failed: tuple[float, float, Batch] | None = None
    for draw in range(_DRAWS):
        batch = probe.batch(draw=draw)
        slopes = probe.gradient(batch)
        length = float(np.linalg.norm(slopes))
        pairs = [_slopes(probe, batch, slopes, way) for way in _ways(probe, batch)]
        wrong = [pair for pair in pairs if not compare.agree(*pair, compare.SLOPE, length)]
        if not wrong:
            return
        failed = failed or (*wrong[0], batch)
    if failed:
        got, expected, batch = failed
        probe.close(
            got,
            expected,
            what="the slope along a direction of length 1, from the gradient and by differences",
            batch=batch,
            rtol=compare.SLOPE,
        )


def _ways(probe: Probe, batch: Batch) -> list[np.ndarray]:
    """Draw directions of length one."""
    rng = np.random.default_rng(7)
    ways = [rng.standard_normal(batch.y_pred.shape) for _ in range(_DIRECTIONS)]
    if probe.spec.y_pred.rows:  # stay where rows sum to one
        ways = [way - way.mean(axis=-1, keepdims=True) for way in ways]
    return [way / np.linalg.norm(way) for way in ways]


def _slopes(probe: Probe, batch: Batch, slopes: np.ndarray, way: np.ndarray) -> tuple[float, float]:
    """Return the slope from the gradient and the nearest of those by differences."""

    def value(step: float) -> float:
        moved = (batch.y_pred + step * way).astype("float32")
        return probe.value(batch.replace(y_pred=moved))

    central = {h: (value(h) - value(-h)) / (2 * h) for h in _STEPS}
    finer = [(4 * (value(h / 2) - value(-h / 2)) / h - central[h]) / 3 for h in _STEPS[:3]]
    slope = float(np.sum(slopes * way))
    estimates = [*central.values(), *finer]
    return slope, min(estimates, key=lambda estimate: abs(estimate - slope))


@check(
    "gradient-arrives",
    "gradients",
    accepts=(Case(_squared), Case(_hinge, y_true="sign")),
    rejects=(
        Case(_rounded),
        Case(_first_feature),
        Case(_positive_targets_alone, "b t [c], b t [c]", y_true="sign"),
    ),
    mend="look for round, argmax, a comparison, a cast to integers, NumPy or stop_gradient between "
    "y_pred and the result, and for an index that leaves predictions out",
    promise="sparse_gradient",
    rules=("LSM503", "LSM601"),
)
def gradient_arrives(probe: Probe) -> None:
    """A gradient arrives at each position that counts, and at each feature.

    The target is held fixed, and one of five predictions is enough, so that a hinge passes. At a
    position one feature is enough, and of a feature one position: a loss of class numbers may
    look at a few classes alone.
    """
    batch = probe.batch(masked=probe.spec.mask is not None)
    drawn = [probe.batch(draw=draw).y_pred for draw in range(_PREDICTIONS)]
    counted = batch.counted("y_pred")
    arrived = np.zeros(counted.shape, bool)
    for y_pred in drawn:
        moved = batch.replace(y_pred=np.where(counted, y_pred, batch.y_pred))
        arrived |= probe.gradient(moved) != 0
    positions, features = _axes(probe.spec)
    for kept, over, what in (
        (positions, features, "positions that count get a gradient, for one of 5 predictions"),
        (features, positions, "features get a gradient, for one of 5 predictions"),
    ):
        expected = np.sum(np.any(counted, axis=over))
        got = np.sum(np.any(arrived & counted, axis=over))
        if kept:
            probe.close(got, expected, what=f"how many {what}", batch=batch, rtol=0.0)


def _axes(spec: Spec) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return which axes of the prediction are positions, and which are features."""
    places = range(len(spec.pred_axes))
    positions = tuple(place for place in places if spec.pred_axes[place] in spec.leading)
    return positions, tuple(place for place in places if place not in positions)


@check(
    "descent",
    "gradients",
    accepts=(Case(_squared), Case(_score, promises={"direction": "max"})),
    rejects=Case(_uphill),
    mend="look for a gradient that is turned round: a custom gradient of the wrong sign, or "
    "2 * stop_gradient(x) - x",
)
def descent(probe: Probe) -> None:
    """A small step against the gradient makes the loss smaller.

    Steps of 0.001, 0.01 and 0.1 of the length of the prediction; one has to help. The promise
    `direction="max"` asks for a step along the gradient and a larger value.
    """
    up = 1.0 if probe.promises.direction == "max" else -1.0
    batch = probe.batch()
    slopes = probe.gradient(batch)
    if not np.any(slopes):
        probe.skip("no gradient arrives, which is the matter of gradient-arrives")
    value = probe.value(batch)
    moved = [probe.value(_stepped(batch, up * slopes, share)) for share in _SHARES]
    best = max(up * after for after in moved) * up
    probe.holds(
        fact=up * best > up * value,
        what=f"the best of three steps {'along' if up > 0 else 'against'} the gradient",
        got=f"from {value:.7g} to {best:.7g}",
        expected="larger" if up > 0 else "smaller",
        batch=batch,
    )


@check(
    "perfect-is-best",
    "gradients",
    accepts=(Case(_squared), Case(_crossentropy, y_true="simplex", y_pred="simplex")),
    rejects=(
        Case(_score),
        Case(_prediction_alone),
        Case(_crossentropy_swapped, y_true="simplex", y_pred="simplex"),
    ),
    mend="look for a missing minus, for arguments in the wrong order (Keras passes y_true first), "
    "for logits taken as probabilities or the other way round",
    promise="perfect",
    rules=("LSM308", "LSM404", "LSM602"),
)
def perfect_is_best(probe: Probe) -> None:
    """No prediction is better than the one that the target asks for.

    The best prediction is held against five draws, and against itself moved a little the way its
    gradient points: a loss that is lowest elsewhere goes down there.
    """
    up = 1.0 if probe.promises.direction == "max" else -1.0
    batch = probe.batch()
    wanted = _wanted(probe, batch)
    best = batch.replace(y_pred=wanted)
    value, slopes = probe.value(best), probe.gradient(best)
    others = [batch.replace(y_pred=probe.batch(draw=n).y_pred) for n in range(_PREDICTIONS)]
    others += [_inside(_stepped(best, up * slopes, share)) for share in _SHARES]
    values = [up * probe.value(other) for other in others]
    highest = int(np.argmax(values))
    scale = float(np.max(np.abs([value, *values])))
    probe.holds(
        fact=values[highest] <= up * value + compare.VALUE * scale,
        what="the loss of another prediction, against that of the best, which is "
        + np.array2string(wanted[:1], precision=3, threshold=12),
        got=f"{up * values[highest]:.7g}",
        expected=f"{'at most' if up > 0 else 'at least'} {value:.7g}",
        batch=others[highest],
    )


def _wanted(probe: Probe, batch: Batch) -> Any:
    """Return the best prediction; logits of probabilities are their logarithms."""
    true, pred = batch.spec.y_true, batch.spec.y_pred
    if pred.kind == "logits" and batch.y_true.shape == batch.y_pred.shape:
        chances = np.clip(batch.y_true, _CERTAIN, 1.0 - _CERTAIN)
        if true.kind == "simplex":  # and so are these, moved by a number for each row
            rows = batch.y_true.shape[:-1]
            moved = np.linspace(-1.0, 1.0, int(np.prod(rows))).reshape(rows)
            return np.log(chances) + moved[..., None].astype("float32")
        if true.kind == "prob":
            return np.log(chances / (1.0 - chances))
    wanted = None if true.integer and pred.kind == "real" else probe.perfect(batch)
    if wanted is None:
        probe.skip("the best prediction is not known for these domains")
    return wanted


def _stepped(batch: Batch, way: np.ndarray, share: float) -> Batch:
    """Move the prediction by a share of its length."""
    if batch.spec.y_pred.rows:  # rows keep their sum
        way = way - way.mean(axis=-1, keepdims=True)
    length = float(np.linalg.norm(way))
    step = share * float(np.linalg.norm(batch.y_pred)) / (length or 1.0)
    return batch.replace(y_pred=(batch.y_pred + step * way).astype("float32"))


def _inside(batch: Batch) -> Batch:
    """Put a moved prediction back into its domain."""
    kind, moved = batch.spec.y_pred.kind, batch.y_pred
    if kind in ("prob", "simplex", "onehot", "binary"):
        moved = np.clip(moved, 0.0, 1.0)
    if kind == "positive":
        moved = np.maximum(moved, 1e-3)
    if batch.spec.y_pred.rows:
        moved = moved / np.sum(moved, axis=-1, keepdims=True)
    return batch.replace(y_pred=moved.astype("float32"))
