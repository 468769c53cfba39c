"""The places that raise in checks."""

from pathlib import Path
from unittest import mock

import keras

import lossmith as lm
from lossmith.checks.unit import Case, check
from lossmith.cli import check as command
from lossmith.cli.check_process import Ended
from lossmith.cli.check_reading import Reading
from lossmith.cli.check_session import Bar, Listener, Session
from lossmith.lint import files
from lossmith.lint.source import Unreadable


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


def listener():
    """What hears the process that runs losses.py."""
    file, nothing = Path("losses.py"), Reading([], {})
    session = Session(file, "", nothing, {}, Path(), Bar())
    return Listener(session, "torch")


def no_loss():
    with mock.patch.object(Session, "run"):
        command.check.main(["scripts/griffe_parts.py"], standalone_mode=False)


def no_python():
    with mock.patch.object(files, "read", side_effect=Unreadable("it holds NUL bytes")):
        Reading.of(Path("losses.py"))


def no_backend():
    with mock.patch.object(command, "find_spec", return_value=None):
        command.check.main(
            ["scripts/griffe_parts.py", "--backend", "pytorch"], standalone_mode=False
        )


def ended_on_import():
    """Import a file that ends Python."""
    worker = mock.Mock(printed="so long", stopped_at=lambda _: "losses.py:3: os._exit(1)")
    listener().ended(Ended("ended the process with exit code 1", ""), worker)


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
    "check/no-loss": no_loss,
    "check/no-backend": no_backend,
    "check/not-imported": lambda: listener().hear(
        {"event": "unable", "error": "losses.py:1: ModuleNotFoundError: No module named 'tools'"}
    ),
    "check/not-python": no_python,
    "check/ended-on-import": ended_on_import,
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
