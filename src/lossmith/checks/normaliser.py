"""What a loss divides by, told from a batch of samples with different lengths."""

from __future__ import annotations

import numpy as np

from lossmith.checks import compare, inputs
from lossmith.checks.inputs import Spec
from lossmith.checks.probe import Engine, LossRaised

_SAYS = {
    "samples": "samples: the loss of a batch is the mean of those of its samples",
    "tokens": "tokens: it is their mean by how many positions count",
    "sum": "nothing: it is their sum",
}


def normaliser(engine: Engine, spec: Spec) -> str:
    """Say what the loss of a batch is to those of its samples; empty where it cannot be told."""
    batch = inputs.numbered(spec, "distinct", 0, masked=spec.mask is not None)
    counts = batch.mask_or_ones().reshape(batch.size, -1).sum(axis=1)
    alone = [batch.take([place]) for place in range(batch.size) if counts[place]]
    try:
        whole, *each = (engine.gradient(x, scalar=True, at=(1,))[0] for x in (batch, *alone))
    except LossRaised:
        return ""
    ways = {
        "samples": np.mean(each),
        "tokens": np.average(each, weights=counts[counts > 0]),
        "sum": np.sum(each),
    }
    found = [name for name, value in ways.items() if compare.agree(whole, value, compare.VALUE)]
    return _SAYS[found[0]] if found else ""
