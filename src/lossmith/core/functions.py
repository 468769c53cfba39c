"""Functions given by users: held to what can be saved, from the start."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from lossmith.messages import ArgumentError, SavingError, closest, listed


def function_name(function: Any) -> str:
    """Return a function's own name, for messages and for the name of a loss."""
    return getattr(function, "__name__", type(function).__name__)


def as_keras_wraps(function: Any, name: str) -> keras.losses.Loss:
    """Make of a function what `compile` makes of it: a loss that aligns ranks first.

    Keras' wrapper is not public by name, but it is the class under every function-backed loss.
    """
    wrapper = keras.losses.MeanSquaredError.__mro__[1]
    return wrapper(function, name=name)


def saveable(function: Any) -> Any:
    """Return `function` if Keras can load it again by its name.

    A function of `keras.ops` becomes its name.

    Raises:
        SavingError: For a lambda, a closure or a function that is not registered.
        ArgumentError: For a name that `keras.ops` does not have.
    """
    if isinstance(function, str):
        return _ops_name(function)
    name = function_name(function)
    if getattr(ops, name, None) is function:
        return name
    if not callable(function) or _loads_as(function) is not function:
        raise SavingError(
            f"{name!r} would save and not load again",
            got=f"{name} of {getattr(function, '__module__', type(function).__module__)}",
            expected="a function of keras.ops by name, or a registered function",
            fix="name the function and put @keras.saving.register_keras_serializable() above it",
        )
    return function


def resolve(function: str | Callable[..., Any]) -> Callable[..., Any]:
    """Return the function behind a saved name."""
    return getattr(ops, function) if isinstance(function, str) else function


def _ops_name(name: str) -> str:
    if not callable(getattr(ops, name, None)):
        near = closest(name, (known for known in dir(ops) if not known.startswith("_")))[:3]
        raise ArgumentError(
            f"keras.ops has no function {name!r}",
            got=repr(name),
            expected="the name of a function in keras.ops",
            fix=f"write one of {listed(near)}, or give a registered function",
        )
    return name


def _loads_as(function: Any) -> Any:
    if function_name(function) == "<lambda>":
        return None
    try:
        return keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(function))
    except (TypeError, ValueError):  # Keras' words for what it does not know
        return None
