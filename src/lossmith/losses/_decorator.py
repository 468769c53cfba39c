"""`@lm.loss`: a function of your own as a loss that masks, weighs and saves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from lossmith.core.functions import function_name
from lossmith.losses._loss import Loss
from lossmith.messages import SavingError
from lossmith.parts.errors import Function

_PACKAGE = "lossmith.loss"


def loss(
    axes: str | None = None, *, fill: tuple[float, float] = (0.25, 0.75), **arguments: Any
) -> Callable[[Callable[..., Any]], Loss]:
    """Make a loss of a function that returns un-reduced errors.

    The function is registered with Keras under its own name, so that a saved model loads
    where the function has been imported. It gets tensors whose axes are in one order, repeated
    where they lack one, and never sees what stands at masked places.

    Args:
        axes: The axes of target and prediction, and of the result where its order differs, as
            in `"b t [f], b t [f] -> b t"`.
        fill: Numbers for target and prediction at which the function and its gradient are
            finite; they stand where a position does not count.
        **arguments: Further arguments of `lm.Loss`.

    Returns:
        A decorator from the function to an `lm.Loss`.

    Raises:
        SavingError: If another function of that name is registered.

    Example:
        >>> import keras, lossmith as lm
        >>> @lm.loss("b t [f], b t [f] -> b t")
        ... def endpoint_error(y_true, y_pred):
        ...     return keras.ops.sqrt(keras.ops.sum((y_pred - y_true) ** 2, axis=-1) + 1e-12)
        >>> float(endpoint_error([[[0.0, 0.0]]], [[[3.0, 4.0]]]))
        5.0
    """

    def decorate(function: Callable[..., Any]) -> Loss:
        name = arguments.get("name") or function_name(function)
        _register(function, name)
        named: dict[str, Any] = {**arguments, "name": name}
        return Loss(Function(function, fill=fill), axes, **named)

    return decorate


def _register(function: Callable[..., Any], name: str) -> None:
    known = keras.saving.get_registered_object(f"{_PACKAGE}>{name}")
    if known is not None and _place(known) != _place(function):
        raise SavingError(
            f"there is another loss function {name!r}",
            got=f"{name!r} of {function.__module__} and of {known.__module__}",
            expected="one function for each name: saved models find it by that",
            fix=f'write @lm.loss(..., name="{name}_2")',
        )
    keras.saving.register_keras_serializable(_PACKAGE, name)(function)


def _place(function: Any) -> tuple[str, str]:
    code = function.__code__
    return code.co_filename.partition("<")[0], function.__qualname__
