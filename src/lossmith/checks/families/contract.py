"""Checks of the contract with Keras: what a loss returns, and what it leaves alone."""

# pyright: reportMissingParameterType=false

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from lossmith.checks.inputs import Batch
from lossmith.checks.probe import LossRaised, Probe
from lossmith.checks.traces import changed, generators_moved, printed, state_of
from lossmith.checks.unit import Case, check

_MOST = 200  # characters of what is printed
_SEEN: list[int] = []
_NOISE = keras.random.SeedGenerator(0)


def _per_sample(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


def _wrong_axis(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred), axis=0)


def _hits(y_true, y_pred):
    return ops.cast(ops.sum(ops.square(y_true - y_pred), axis=-1) > 1.0, "int32")


def _noisy(y_true, y_pred):
    noise = keras.random.normal((1,), seed=_NOISE)
    return ops.mean(ops.square(y_true - y_pred + noise), axis=-1)


def _remembers(y_true, y_pred):
    _SEEN.append(1)
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


def _prints(y_true, y_pred):
    print("a batch of", y_pred.shape)  # noqa: T201
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


class _MakesAVariable(keras.losses.Loss):
    def call(self, y_true, y_pred):
        scale = keras.Variable(2.0, trainable=False)
        return scale * ops.mean(ops.square(y_true - y_pred), axis=-1)


@check(
    "output-contract",
    "contract",
    accepts=Case(_per_sample),
    rejects=(Case(_wrong_axis), Case(_hits)),
    mend="return the errors over the axes that are left: reduce over axis=-1 alone",
    promise="weights",
    rules=("LSM102", "LSM502"),
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


@check(
    "pure",
    "contract",
    accepts=Case(_per_sample),
    rejects=(Case(_noisy), Case(_remembers), Case(_prints), Case(_MakesAVariable())),
    mend="compute from the arguments alone; what changes during training belongs to the model or "
    "to a callback",
    promise="random",
    rules=("LSM406", "LSM505", "LSM506"),
)
def pure(probe: Probe) -> None:
    """A call changes nothing, and the same inputs give the same loss.

    The loss is run eagerly, twice on the same batch. Compared are the values, the inputs before
    and after, the attributes of the loss, what its code closes over, the global generators and
    the variables of Keras. Nothing may be printed.
    """
    batch = probe.batch()
    with generators_moved(), printed() as text:
        before = state_of(probe.subject.given)
        first, second = probe.again(batch), probe.again(batch)
        states = changed(before, state_of(probe.subject.given))
    probe.close(second, first, what="the same batch a second time", batch=batch, rtol=0)
    _nothing(probe, batch, "what a call changes", ", ".join(states))
    _nothing(probe, batch, "what a call prints", text().strip()[:_MOST])
    _nothing(probe, batch, "which inputs a call changes", ", ".join(_written_to(probe, batch)))
    if probe.subject.kind != "compiled model":  # which keeps its metrics
        _nothing(probe, batch, "what a call does to variables", _on_variables(probe, batch))


def _nothing(probe: Probe, batch: Batch, what: str, got: str) -> None:
    probe.holds(fact=not got, what=what, got=got, expected="nothing", batch=batch)


def _written_to(probe: Probe, batch: Batch) -> list[str]:
    """Return the names of the inputs that are others after a call."""
    after = probe.inputs_after(batch)
    same = {name: _equal(after[name], getattr(batch, name)) for name in after}
    return [name for name, untouched in same.items() if not untouched]


def _equal(after: Any, before: Any) -> bool:
    return np.array_equal(after, before, equal_nan=before.dtype.kind == "f")


def _on_variables(probe: Probe, batch: Batch) -> str:
    """Say what a call does to variables: as in a compiled step, where it may do nothing."""
    with keras.StatelessScope() as scope:
        try:
            probe.again(batch)
        except LossRaised as raised:
            return f"raised {raised}"
    return f"assigns to {len(scope.state_mapping)}" if scope.state_mapping else ""
