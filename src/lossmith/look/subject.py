"""Any loss as `fit` calls it, and the file it is written in."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from lossmith.core.functions import as_keras_wraps, function_name
from lossmith.core.trace import of_users
from lossmith.messages import ArgumentError


@dataclass(frozen=True)
class Subject:
    """A loss.

    Attributes:
        name: How to speak of it.
        loss: The Keras loss that `fit` makes of it.
        file: The file it is written in; empty where there is none.
    """

    name: str
    loss: Any
    file: str

    @property
    def title(self) -> str:
        """Its name, with that of its file."""
        return f"{Path(self.file).name}:{self.name}" if self.file else self.name

    def own(self, file: str) -> bool:
        """Whether to show the functions of a file: its own, and those of users."""
        return file == self.file or of_users(file)

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Call it as `fit` does."""
        with keras.name_scope("loss"):  # TensorFlow takes no name like _mine for a first scope
            return self.loss(y_true, y_pred, sample_weight)


def as_subject(given: Any) -> Subject:
    """Take a function, a Keras loss, its name, or a loss class without arguments.

    Raises:
        ArgumentError: For anything else.
    """
    found = _found(given)
    if isinstance(found, keras.losses.Loss):
        code = getattr(found, "fn", type(found))
        return Subject(function_name(code), found, _file(code))
    if callable(found):
        name = function_name(found)
        return Subject(name, as_keras_wraps(found, name), _file(found))
    raise ArgumentError(
        "there is no such loss" if isinstance(given, str) else "this is not a loss",
        got=repr(given)[:200],
        expected="a function of y_true and y_pred, a keras.losses.Loss or its name, or an lm.Loss",
        fix="lm.explain(my_loss, y_true, y_pred)",
    )


def _found(given: Any) -> Any:
    if isinstance(given, type) and issubclass(given, keras.losses.Loss):
        return given()
    if not isinstance(given, str):
        return given
    try:
        return keras.losses.get(given)
    except ValueError:
        return None


def _file(code: Any) -> str:
    try:
        return inspect.getsourcefile(inspect.unwrap(code)) or ""
    except TypeError:  # it is written in C, or an object with __call__
        return ""
