"""Checks of numbers: the edges of the domains, and 16 bits."""

# pyright: reportMissingParameterType=false

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
from keras import ops

from lossmith import backend
from lossmith.checks import compare
from lossmith.checks.domains import Domain
from lossmith.checks.inputs import Batch
from lossmith.checks.probe import LossRaised, Probe, Skipped
from lossmith.checks.unit import Case, check

_HALVES = {"float16": 2.0**-10, "bfloat16": 2.0**-7}
_SMALL = 0.5  # of a value next to an epsilon: this share may be lost, not all


def _squared(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


def _root(y_true, y_pred):
    return ops.sqrt(ops.mean(ops.square(y_true - y_pred), axis=-1))


def _lifted_root(y_true, y_pred):
    return ops.sqrt(ops.mean(ops.square(y_true - y_pred), axis=-1) + 1e-6)


def _bare_log(y_true, y_pred):
    return -ops.sum(y_true * ops.log(y_pred), axis=-1)


def _log_of_summed(y_true, y_pred):
    return ops.log(ops.sum(ops.exp(y_pred), axis=-1)) - ops.sum(y_true * y_pred, axis=-1)


def _from_logits(y_true, y_pred):
    return -ops.sum(y_true * ops.log_softmax(y_pred, axis=-1), axis=-1)


@check(
    "extremes",
    "numerics",
    accepts=(Case(_lifted_root), Case(_from_logits, y_true="simplex", y_pred="logits")),
    rejects=(
        Case(_root),
        Case(_bare_log, y_true="simplex", y_pred="simplex"),
        Case(_log_of_summed, y_true="simplex", y_pred="logits"),
    ),
    mend="guard what has no value or no slope there: log(maximum(p, 1e-6)), sqrt(x + 1e-6), "
    "a / maximum(b, 1e-6); use log_softmax, log_sigmoid and logsumexp for logits",
    rules=("LSM202", "LSM301", "LSM302", "LSM304", "LSM305", "LSM306", "LSM307"),
)
def extremes(probe: Probe) -> None:
    """Value and gradient are finite up to the edges of the domain.

    Constants, certain and even probabilities, logits of 10,000, perfect predictions, equal
    samples; each prediction with drawn targets and with targets at their own edges. What no model
    can give, such as 1e20, is left out.
    """
    batch = probe.batch()
    targets = [(batch.y_true, "")]
    targets += [(y, f", {what} as target") for y, what in _edges(probe, batch, "y_true")]
    predictions = [(p, f"{what} as prediction") for p, what in _edges(probe, batch, "y_pred")]
    if batch.y_true.shape == batch.y_pred.shape and _holds(probe.spec.y_pred, batch.y_true):
        predictions.append((batch.y_true, "the target as prediction"))
    for y_true, target in targets:
        for y_pred, prediction in predictions:
            _hold_finite(probe, batch.replace(y_true=y_true, y_pred=y_pred), prediction + target)
    _hold_finite(probe, batch.take([0] * batch.size), "equal samples")


def _hold_finite(probe: Probe, batch: Batch, what: str) -> None:
    probe.finite(probe.value(batch), what=f"the loss, {what}", batch=batch)
    probe.finite(probe.gradient(batch), what=f"the gradient, {what}", batch=batch)


def _edges(probe: Probe, batch: Batch, which: str) -> Iterator[tuple[np.ndarray, str]]:
    """Go through legal tensors at the edges of a domain; never the mark of missing values."""
    domain: Domain = getattr(probe.spec, which)
    like: np.ndarray = getattr(batch, which)
    if domain.rows:
        classes = like.shape[-1]
        for sure in (0, classes - 1):
            yield _like(np.eye(classes)[sure], like), f"certain of class {sure}"
        if domain.kind == "simplex":
            yield _like(1.0 / classes, like), "all classes equal"
        return
    if domain.integer:
        domain = domain.sized(batch.y_pred.shape[-1])
    marks = {domain.pad, probe.spec.mask.sentinel if probe.spec.mask else None}
    for value in domain.extremes():
        if value not in marks:
            yield _like(value, like), f"{value:g} everywhere"
    if domain.kind == "logits" and like.shape[-1] > 1:
        for sign in (1e4, -1e4):
            apart = sign * (-1.0) ** np.arange(like.shape[-1])
            yield _like(apart, like), f"{sign:g} and {-sign:g} in turn"


def _like(values: Any, like: np.ndarray) -> np.ndarray:
    return np.broadcast_to(values, like.shape).astype(like.dtype)


def _holds(domain: Domain, values: np.ndarray) -> bool:
    """Whether values are predictions that a model of this domain can give."""
    if domain.kind in ("prob", "simplex"):
        rows = domain.kind == "prob" or np.allclose(values.sum(axis=-1), 1.0, atol=1e-4)
        return bool(rows and values.min() >= 0 and values.max() <= 1)
    return domain.kind == "real" or (domain.kind == "positive" and bool(values.min() > 0))


def _log_of_one_and_more(y_true, y_pred):
    return ops.mean(ops.log(1.0 + ops.square(y_true - y_pred)), axis=-1)


def _log1p(y_true, y_pred):
    return ops.mean(ops.log1p(ops.square(y_true - y_pred)), axis=-1)


def _tiny_epsilon(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred) / (y_true + 1e-8), axis=-1)


def _far_sentinel(y_true, y_pred):
    y_true, y_pred = ops.cast(y_true, "float32"), ops.cast(y_pred, "float32")
    error = ops.where(ops.not_equal(y_true, -9999.0), ops.square(y_true - y_pred), 0.0)
    return ops.mean(error, axis=-1)


@check(
    "half-precision",
    "numerics",
    accepts=(Case(_squared), Case(_log1p)),
    rejects=(
        Case(_log_of_one_and_more),
        Case(_tiny_epsilon, y_true="binary", y_pred="prob"),
        Case(_far_sentinel, "b t, b t", promises={"mask": "y_true != -9999"}),
    ),
    mend="write numbers that 16 bits hold (1e-8 is 0 there, -9999 is -10000), use log1p, expm1 and "
    "logsumexp, or cast both inputs to float32 first",
    promise="half",
    rules=("LSM205", "LSM208", "LSM301", "LSM303", "LSM304", "LSM306"),
    needs=("elements",),
)
def half_precision(probe: Probe) -> None:
    """In float16 and bfloat16 value and gradient are those of float32, but for rounding.

    Inputs are rounded first and go in both ways, so that what differs is computed by the loss:
    16 epsilons are allowed. Where there is a mask, one sample has nothing that counts. Of numbers
    so small that the squares of errors are at most a quarter of an epsilon, half of the errors may
    be lost. Errors before reduction are compared: what Keras adds up is Keras' matter.
    """
    runs = functools.cache(lambda dtype: _program(probe, dtype))
    for dtype, epsilon in _HALVES.items():
        for batch, what, allowed in _rounded(probe, dtype, epsilon):
            exact = _run(runs("float32"), batch)
            if not all(np.all(np.isfinite(part)) for part in exact):
                continue  # other checks tell
            try:
                found = _run(runs(dtype), batch)
            except LossRaised as raised:
                raise Skipped(f"the loss refuses {dtype}: {raised}"[:200]) from raised
            names = ("errors",) if allowed == _SMALL else ("errors", "gradient")
            for name, got, expected in zip(names, found, exact, strict=False):
                what_of = f"the {name} in {dtype}, {what}"
                probe.close(got, expected, what=what_of, batch=batch, rtol=allowed)


def _rounded(probe: Probe, dtype: str, epsilon: float) -> Iterator[tuple[Batch, str, float]]:
    """Go through batches whose counted numbers the type holds, with what may be lost."""
    batch = probe.batch(masked=probe.spec.mask is not None)
    tolerance = compare.HALF_EPSILONS * epsilon
    yield _held(batch, dtype), "of drawn inputs", tolerance
    if probe.spec.mask and batch.size > 1 and not probe.promises.empty:
        mask = batch.mask_or_ones().copy()
        mask[-1] = False
        empty = _held(batch.masked(mask), dtype)
        yield empty, "where the last sample has nothing that counts", tolerance
    real = probe.spec.y_pred.kind == probe.spec.y_true.kind == "real"
    if real and batch.y_true.shape == batch.y_pred.shape:
        drawn, scale = probe.batch(), np.sqrt(epsilon) / 8  # draws are up to 2, errors up to 4
        small = drawn.replace(y_true=drawn.y_true * scale, y_pred=drawn.y_pred * scale)
        yield _held(small, dtype), "of small numbers", _SMALL


def _held(batch: Batch, dtype: str) -> Batch:
    """Round what counts to a type; marks of missing values stay as they are written."""
    rounded = backend.to_numpy(ops.cast(batch.y_pred, dtype)).astype("float32")
    batch = batch.replace(y_pred=rounded)
    if batch.spec.y_true.integer:
        return batch
    target = backend.to_numpy(ops.cast(batch.y_true, dtype)).astype("float32")
    return batch.replace(y_true=np.where(batch.counted("y_true"), target, batch.y_true))


def _program(probe: Probe, dtype: str) -> backend.Program:
    """Compile the errors before reduction, computed in a type.

    Not by `Loss.__call__`, which casts to the type of the loss.
    """
    loss = probe.subject.loss
    ours = hasattr(loss, "elements") or not isinstance(loss, keras.losses.Loss)
    entry: Callable[..., Any] = probe.subject.elements if ours else loss.call
    integer = probe.spec.y_true.integer

    def errors(y_true: Any, y_pred: Any, *mask: Any) -> Any:
        target = y_true if integer else ops.cast(y_true, dtype)
        output = ops.cast(y_pred, dtype)
        output = backend.with_keras_mask(output, mask[0]) if mask else output
        return ops.cast(entry(target, output), "float32")

    return backend.Program(errors, probe.engine.mode)


def _run(program: backend.Program, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
    try:
        mask = [batch.mask_or_ones()] if batch.by_keras else []
        value, (slopes,) = program.gradient(batch.y_true, batch.y_pred, *mask, at=(1,))
    except Exception as error:
        raise LossRaised(error, batch) from error
    return value, np.zeros(batch.y_pred.shape) if slopes is None else slopes
