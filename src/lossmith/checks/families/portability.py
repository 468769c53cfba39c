"""Checks of portability: compiled, for any number of samples, on any backend."""

# pyright: reportMissingParameterType=false

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from lossmith.checks import compare
from lossmith.checks.compare import Broken, Finding
from lossmith.checks.domains import Domain
from lossmith.checks.fingerprint import differences, fingerprint_of, fixed_batches
from lossmith.checks.inputs import Spec
from lossmith.checks.probe import Engine, LossRaised, Probe
from lossmith.checks.subject import frameworks
from lossmith.checks.unit import Case, check
from lossmith.core.notation import parse_axes

_TRACING = ("jax", "tensorflow")
_CALLS: list[int] = []


def _squared(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


def _branch_on_a_value(y_true, y_pred):
    if ops.min(y_pred) < 0.0:
        y_pred = ops.sigmoid(y_pred)
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


def _slower_each_call(y_true, y_pred):
    _CALLS.append(1)
    return ops.mean(ops.square(y_true - y_pred), axis=-1) / len(_CALLS)


def _length_of_the_batch(y_true, y_pred):
    return ops.mean(ops.reshape(ops.square(y_true - y_pred), (len(y_pred), -1)), axis=-1)


def _another_power_elsewhere(y_true, y_pred):
    power = {"jax": 1.5, "tensorflow": 3, "torch": 4}[keras.config.backend()]
    return ops.mean(ops.abs(y_true - y_pred) ** power, axis=-1)


def _as_numpy_has_it() -> dict[str, dict[str, np.ndarray]]:
    """Make the fingerprint of `_squared` in NumPy, in float64."""
    found: dict[str, np.ndarray] = {}
    spec = Spec(parse_axes("b [c], b [c]"), Domain("real"), Domain("real"))
    for name, batch in fixed_batches(spec).items():
        error = batch.y_pred.astype("float64") - batch.y_true
        found |= {f"{name}/{key}": array for key, array in batch.arrays().items()}
        found |= {f"{name}/value": np.mean(error**2), f"{name}/gradient": 2 * error / error.size}
    return {"NumPy": found}


@check(
    "jit",
    "portability",
    accepts=Case(_squared),
    rejects=(Case(_branch_on_a_value), Case(_slower_each_call)),
    mend="use ops.where or ops.cond in place of Python's if, and no float(), int() or NumPy on "
    "tensors",
    promise="jit",
    rules=("LSM207", "LSM503", "LSM504"),
    backends=_TRACING,
)
def jit(probe: Probe) -> None:
    """Compiled, a loss gives what it gives step by step, and it is traced once for a shape.

    `fit` compiles on JAX and TensorFlow, there with XLA too. Value and gradient are held against
    those of the loss run eagerly.
    """
    batch, other = probe.batch(), probe.batch(draw=1)
    eager = Engine(probe.subject, "eager")
    try:
        expected = eager.value(batch, scalar=True)
    except LossRaised:
        probe.skip("it does not run step by step either: see output-contract")
    for mode in ("jit", "xla") if keras.config.backend() == "tensorflow" else ("jit",):
        engine = probe.engine if probe.engine.mode == mode else Engine(probe.subject, mode)
        got, (grads,) = engine.gradient(batch, scalar=True, at=(1,))
        what = {"jit": "compiled", "xla": "compiled by XLA"}[mode]
        probe.close(got, expected, what=f"{what}, against step by step", batch=batch)
        _, (slopes,) = eager.gradient(batch, scalar=True, at=(1,))
        if slopes is not None and grads is not None:
            what_of = f"the gradient, {what}"
            probe.close(grads, slopes, what=what_of, batch=batch, rtol=compare.GRADIENT)
        program = engine.program(batch, scalar=True)
        before = program.traces
        engine.gradient(other, scalar=True, at=(1,))
        probe.holds(
            fact=program.traces == before,
            what=f"{what} once, and called with other values of the same shape",
            got=f"traced {program.traces - before} times more",
            expected="not traced again",
            batch=other,
        )


@check(
    "dynamic-batch",
    "portability",
    accepts=Case(_squared),
    rejects=(Case(_length_of_the_batch), Case(_slower_each_call)),
    mend="take the batch size from ops.shape(y_pred)[0], and reshape with -1",
    promise="static_batch",
    rules=("LSM104",),
    backends=_TRACING,
)
def dynamic_batch(probe: Probe) -> None:
    """A loss is traced for a batch of unknown size, and is right for every size then.

    TensorFlow's `fit` does so where batches differ in size; on JAX exported programs have such a
    batch. One trace is run on two sizes and held against the loss at each of them.
    """
    batch = probe.batch()
    traced = probe.any_batch(batch)
    for given in (batch, batch.take([0])):
        what = f"traced for any number of samples and given {given.size}"
        probe.close(traced(given), probe.value(given), what=what, batch=given)


@check(
    "backends-agree",
    "portability",
    accepts=Case(_squared, elsewhere=_as_numpy_has_it),
    rejects=Case(_another_power_elsewhere, elsewhere=_as_numpy_has_it),
    mend="write it in keras.ops, or promise its backends",
    rules=("LSM308", "LSM501", "LSM502"),
)
def backends_agree(probe: Probe) -> None:
    """Value and gradient are the same on every backend.

    What other backends gave for the same fixed batches comes from `lossmith check --backend all`,
    one process for each. Without it only one thing can be told: that the code names a framework
    which its promise `backends` does not.
    """
    bound = sorted(frameworks(probe.subject.given) - set(probe.promises.backends))
    probe.holds(
        fact=not bound,
        what="the frameworks that its code names",
        got=", ".join(bound),
        expected=f'keras.ops alone, or promises={{"backends": {bound}}}',
        batch=probe.batch(),
    )
    if not probe.elsewhere:
        probe.skip("one process has one backend: run lossmith check --backend all")
    here = fingerprint_of(probe)
    for name, there in probe.elsewhere.items():
        for found in differences(here, there):
            what = f"{found.what}, here and on {name}"
            raise Broken(Finding(what, found.here, found.there, found.inputs))
