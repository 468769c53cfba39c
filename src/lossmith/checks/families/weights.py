"""Checks of sample weights: what they mean, and on which axis they lie."""

# pyright: reportMissingParameterType=false

from __future__ import annotations

import numpy as np
from keras import ops

from lossmith.checks.probe import Probe
from lossmith.checks.unit import Case, check


def _per_sample(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


def _one_number(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred))


@check(
    "weight-equivalence",
    "weights",
    accepts=(Case(_per_sample), Case(_per_sample, "b t [c], b t [c]")),
    rejects=Case(_one_number),
    mend="return one number a sample: reduce over axis=-1, not over the batch",
    promise="weights",
    rules=("LSM102", "LSM405", "LSM407"),
    needs=("weights",),
)
def weight_equivalence(probe: Probe) -> None:
    """A sample of weight 0 counts as if it were not there, one of weight 2 as if it came twice.

    Weights of 2 for the first sample and 0 for the last are held against a batch whose last
    sample is a copy of the first: as many samples, the same sum of weights, so that it does not
    matter what the loss is divided by. Weights of one change nothing.
    """
    batch = probe.batch()
    ones = np.ones(batch.size)
    even = probe.weighted(batch, ones)
    probe.close(probe.value(even), probe.value(batch), what="weights of one", batch=even)
    if batch.size == 1:
        probe.skip("weights need two samples")
    weights = ones.copy()
    weights[0], weights[-1] = 2.0, 0.0
    weighted = probe.weighted(batch, weights)
    copied = batch.take([*range(batch.size - 1), 0])
    probe.close(
        probe.value(weighted),
        probe.value(copied),
        what="weight 2 for the first sample and 0 for the last, against the first in its place",
        batch=weighted,
    )
