"""Whatever is to be checked, behind one pair of entries: with weights, and un-reduced."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from lossmith import backend
from lossmith.checks.inputs import Batch
from lossmith.core.functions import as_keras_wraps, function_name
from lossmith.messages import ArgumentError

Tensor = Any
FRAMEWORKS = ("tensorflow", "jax", "torch")


@dataclass(frozen=True)
class Subject:
    """A loss under test.

    Attributes:
        given: What the user gave.
        name: How to speak of it.
        kind: What it is: `"function"`, `"Keras loss"`, `"built into Keras"`, `"compiled model"`.
        loss: The Keras loss that `fit` would make of it: takes weights and a mask.
        file: Where it is written, if it is in a file.
        line: The line.
    """

    given: Any
    name: str
    kind: str
    loss: Any
    file: Path | None = None
    line: int = 0

    def scalar(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor = None) -> Tensor:
        """Call it as `fit` does."""
        return self.loss(y_true, y_pred, sample_weight)

    def elements(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return the errors before reduction, masked ones included.

        A loss of ours has them by `elements`, a loss of Keras by `call`.
        """
        if hasattr(self.loss, "elements"):
            return self.loss.elements(y_true, y_pred).values.value
        if isinstance(self.loss, keras.losses.Loss):
            dtype = self.loss.dtype
            return self.loss.call(
                keras.ops.convert_to_tensor(y_true, dtype),
                keras.ops.convert_to_tensor(y_pred, dtype),
            )
        return self.loss(y_true, y_pred, None)

    @property
    def saved(self) -> Any:
        """What is saved with a model: a function as it is, not as Keras wraps it."""
        named = isinstance(self.given, (str, type))
        return _found(self.given) if named else self.given

    @property
    def has_elements(self) -> bool:
        """Whether errors before reduction can be had."""
        if hasattr(self.loss, "elements"):
            return True
        own = getattr(type(self.loss), "call", None)
        return own is not None and own is not keras.losses.Loss.call

    @property
    def place(self) -> str:
        """Name it for the command line: `losses.py:name`, or its name alone."""
        return f"{self.file.name}:{self.name}" if self.file else self.name


def as_subject(given: Any) -> Subject:
    """Take a function, a Keras loss or its name, a loss class without arguments, or a model.

    Raises:
        ArgumentError: For anything else, and for a function of another framework.
    """
    if isinstance(given, keras.Model):
        return _model(given)
    found = _found(given)
    if isinstance(found, keras.losses.Loss):
        name, code = found.name, type(found)
        if not code.__module__.startswith(("keras.", "lossmith.")):
            name = code.__name__
        loss: Callable[..., Tensor] = found
    elif callable(found):
        _refuse_other_framework(found)
        name, code = function_name(found), found
        loss = as_keras_wraps(found, name)
    else:
        raise ArgumentError(
            "this is not a loss",
            got=repr(given)[:200],
            expected="a function, a keras.losses.Loss, a name known to Keras, or a compiled model",
            fix='lm.check(my_loss, "b [c], b [c]")',
        )
    file, line = _written(code)
    module = getattr(code, "__module__", "") or ""
    kind = "built into Keras" if module.startswith("keras.") else _kind(found)
    name = given if isinstance(given, str) else name
    theirs = not module.startswith(("keras.", "lossmith."))
    return Subject(given, name, kind, loss, file if theirs else None, line)


def call_with_mask(subject: Subject, batch: Batch, *, scalar: bool = True) -> Callable[..., Tensor]:
    """Return the entry as a function of `y_true, y_pred` and, where given, mask and weights."""
    by_keras, weighted = batch.by_keras, batch.sample_weight is not None

    def call(y_true: Tensor, y_pred: Tensor, *further: Tensor) -> Tensor:
        rest = list(further)
        if by_keras:
            y_pred = backend.with_keras_mask(y_pred, rest.pop(0))
        if scalar:
            with keras.name_scope("loss"):  # TensorFlow takes no name like _mine for a first scope
                return keras.ops.sum(subject.scalar(y_true, y_pred, rest[0] if weighted else None))
        return subject.elements(y_true, y_pred)

    return call


def _found(given: Any) -> Any:
    """Return the loss under a name, or a loss of a class without arguments."""
    if isinstance(given, type) and issubclass(given, keras.losses.Loss):
        return given()
    return _by_name(given) if isinstance(given, str) else given


def _by_name(name: str) -> Any:
    try:
        return keras.losses.get(name)
    except ValueError:
        raise ArgumentError(
            f"Keras knows no loss {name!r}",
            got=repr(name),
            expected="a name that compile(loss=...) takes",
            fix='lm.check("mse")',
        ) from None


def _refuse_other_framework(function: Any) -> None:
    """Stop before a function in raw tf, jnp or torch meets tensors of another backend."""
    here = keras.backend.backend()
    foreign = sorted(frameworks(function))
    if foreign and here not in foreign:
        raise ArgumentError(
            f"{function.__name__} is written in {foreign[0]}, and Keras runs on {here}",
            got=f"a function that uses {', '.join(foreign)}",
            expected=f"a function in keras.ops, or KERAS_BACKEND={foreign[0]}",
            fix=f"start with KERAS_BACKEND={foreign[0]}",
        )


def frameworks(given: Any) -> set[str]:
    """Return the frameworks that the code of a function, or of a loss's class, names."""
    used = set[str]()
    for function in _functions(given):
        known = {**getattr(function, "__globals__", {}), **_closure(function)}
        modules = (getattr(known.get(name), "__name__", "") for name in _named(function))
        used |= {module.partition(".")[0] for module in modules}
    return used & set(FRAMEWORKS)


def names(given: Any) -> set[str]:
    """Return the names that the code of a function, or of a loss's class, contains."""
    return {name for function in _functions(given) for name in _named(function)}


def _functions(given: Any) -> list[Any]:
    if isinstance(given, keras.losses.Loss):
        return [value for value in vars(type(given)).values() if inspect.isfunction(value)]
    return [given]


def _named(function: Any) -> tuple[str, ...]:
    return getattr(getattr(function, "__code__", None), "co_names", ())


def _closure(function: Any) -> dict[str, Any]:
    try:
        return dict(inspect.getclosurevars(function).nonlocals)
    except (TypeError, ValueError):
        return {}


def _model(model: keras.Model) -> Subject:
    if not getattr(model, "compiled", False):
        raise ArgumentError(
            "the model has no loss yet",
            got=f"{model.name!r}, not compiled",
            expected="a compiled model",
            fix='model.compile(loss="mse") first',
        )

    # A check is no step of training; a `compute_loss` of one's own may not know the difference.
    told = "training" in inspect.signature(model.compute_loss).parameters
    mode = {"training": False} if told else {}

    def loss(y_true: Tensor, y_pred: Tensor, sample_weight: Tensor = None) -> Tensor:
        return model.compute_loss(y=y_true, y_pred=y_pred, sample_weight=sample_weight, **mode)

    return Subject(model, model.name, "compiled model", loss)


def _kind(found: Any) -> str:
    if isinstance(found, keras.losses.Loss):
        return "Keras loss"
    return "closure" if getattr(found, "__closure__", None) else "function"


def _written(code: Any) -> tuple[Path | None, int]:
    target = inspect.unwrap(code) if callable(code) else code
    try:
        file = inspect.getsourcefile(target)
        line = inspect.getsourcelines(target)[1]
    except (TypeError, OSError):
        return None, 0
    return (Path(file) if file else None), line
