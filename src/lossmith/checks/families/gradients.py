"""Checks of gradients: that they are right, that they arrive, that a step along them helps."""

# pyright: reportMissingParameterType=false

from __future__ import annotations

import numpy as np
from keras import ops

from lossmith.checks import compare
from lossmith.checks.inputs import Batch
from lossmith.checks.probe import Probe
from lossmith.checks.unit import Case, check

_STEPS = (1e-1, 3e-2, 1e-2, 1e-3, 1e-4, 1e-5)
_DIRECTIONS = 3
_DRAWS = 3


def _squared(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


def _weight_from_prediction(y_true, y_pred):
    weight = ops.stop_gradient(1.0 + ops.square(y_pred))
    return ops.mean(weight * ops.square(y_true - y_pred), axis=-1)


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
