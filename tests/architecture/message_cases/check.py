"""The places that raise in checks."""

import keras

import lossmith as lm
from lossmith.checks.unit import Case, check


def squared(y_true, y_pred):
    return keras.ops.mean(keras.ops.square(y_true - y_pred), axis=-1)


def foreign():
    """Write a loss in a framework that does not run."""
    here = keras.config.backend()
    other = "tensorflow" if here != "tensorflow" else "torch"
    known = {"framework": type(keras)(other)}
    exec("def foreign(y_true, y_pred): return framework.abs(y_true - y_pred)", known)  # noqa: S102
    return known["foreign"]


def bare(probe):
    """It has no evidence."""


CASES = {
    "check/not-a-loss": lambda: lm.check(3.5),
    "check/unknown-name": lambda: lm.check("means_squared"),
    "check/not-compiled": lambda: lm.check(
        keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)], name="net"),
        [[0.0, 0.0]],
        [[0.0]],
    ),
    "check/other-framework": lambda: lm.check(foreign()),
    "check/unknown-domain": lambda: lm.check(squared, y_pred="logit"),
    "check/unknown-check": lambda: lm.check(squared, only="gradients"),
    "check/unknown-promise": lambda: lm.check(squared, promises={"couple": "ranking"}),
    "check/promise-without-a-reason": lambda: lm.check(squared, promises={"jit": False}),
    "check/promise-value": lambda: lm.check(squared, promises={"normalises": "token"}),
    "check/unreadable-mask": lambda: lm.check(squared, promises={"mask": "y_true > 0"}),
    "check/no-evidence": lambda: check(
        "bare", "shapes", accepts=Case(squared), rejects=(), mend="add a case"
    )(bare),
}

ONE_BACKEND = {
    "check/other-framework": ("jax", "it names the backend that runs"),
}

NOT_RAISED = {
    "checks/subject.py::_refuse_other_framework": "raised on JAX: it names the backend that runs",
}
