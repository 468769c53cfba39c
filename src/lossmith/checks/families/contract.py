"""Checks of the contract with Keras: what a loss returns, and what it leaves alone."""

# pyright: reportMissingParameterType=false

from __future__ import annotations

import math

import numpy as np
from keras import ops

from lossmith.checks.probe import Probe
from lossmith.checks.unit import Case, check


def _per_sample(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


def _wrong_axis(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred), axis=0)


def _hits(y_true, y_pred):
    return ops.cast(ops.sum(ops.square(y_true - y_pred), axis=-1) > 1.0, "int32")


@check(
    "output-contract",
    "contract",
    accepts=Case(_per_sample),
    rejects=(Case(_wrong_axis), Case(_hits)),
    mend="return the errors over the axes that are left: reduce over axis=-1 alone",
    promise="weights",
    rules=("LSM102",),
)
def output_contract(probe: Probe) -> None:
    """A loss returns finite floating numbers, one for each position or sample.

    The errors before reduction have the leading axes of the prediction, or its first ones: the
    batch must come first, since Keras aligns weights and masks from there. The loss is one number.
    """
    batch = probe.batch()
    value = np.asarray(probe.value(batch))
    probe.finite(value, what="the loss", batch=batch)
    if not probe.subject.has_elements:
        return
    raw = probe.engine.value(batch, scalar=False)
    probe.holds(
        fact=raw.dtype.kind == "f",
        what="the dtype of the errors before reduction",
        got=str(raw.dtype),
        expected="a floating dtype: class numbers and truth values have no gradient",
        batch=batch,
    )
    sizes = probe.spec.sizes("distinct")
    leading = tuple(batch.size if a == probe.spec.leading[0] else sizes[a] for a in
                    probe.spec.leading)  # fmt: skip
    allowed = [leading[:n] for n in range(1, len(leading) + 1)] + [batch.y_pred.shape]
    probe.holds(
        fact=raw.shape in allowed,
        what="the shape of the errors before reduction",
        got=str(raw.shape),
        expected=" or ".join(str(shape) for shape in dict.fromkeys(allowed)),
        batch=batch,
    )
    probe.finite(raw, what=f"{math.prod(raw.shape)} errors before reduction", batch=batch)
