"""Errors that users bring: Keras losses, and functions of their own."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, ClassVar

import keras
from keras import ops

from lossmith.core.axes import Tensor
from lossmith.core.functions import function_name, resolve, saveable
from lossmith.core.kinds import ANY, Error
from lossmith.core.part import PARTS, Example, part, snake_case
from lossmith.messages import ArgumentError, SavingError, closest, listed


@part
class KerasLoss(Error):
    """Take the un-reduced values of a Keras loss, which consumes its last axis.

    Its mask, weights and reduction are those of `lm.Loss`; give them there.

    Args:
        loss: An instance of `keras.losses.Loss`, registered with Keras if it is your own.

    Shapes:
        target: as the loss wants it, prediction: (..., features), returns (...).

    Raises:
        ArgumentError: If the loss comes with a reduction of its own, or is Keras' CTC.
        SavingError: If the loss would not load again.

    Example:
        >>> import keras, lossmith as lm
        >>> loss = lm.Loss(keras.losses.MeanSquaredError(), "b [f], b [f]")
        >>> float(loss([[0.0, 0.0]], [[1.0, 3.0]]))
        5.0
    """

    loss: Any
    fill: ClassVar = (1.0, 0.75)
    consumes: ClassVar = range(1, ANY)
    integer_targets: ClassVar = True
    EXAMPLES = (
        Example(
            [[0.0, 0.0]],
            [[1.0, 3.0]],
            [5.0],
            config={"loss": keras.losses.MeanSquaredError()},
            axes="b [f], b [f]",
        ),
    )

    def __post_init__(self) -> None:
        if getattr(self.loss, "fn", None) is keras.losses.ctc:
            raise ArgumentError(
                "Keras' CTC takes every frame for a real one: it has no input lengths",
                got=repr(self.loss.name),
                expected="an error of single positions, which a mask can leave out",
                fix='write lm.CTC(lengths={"s": lm.masks.NotEqual(0)}) for labels padded with 0',
            )
        if self.loss.reduction not in ("sum_over_batch_size", "mean"):
            raise ArgumentError(
                "the Keras loss has a reduction of its own",
                got=f"reduction={self.loss.reduction!r}",
                expected="the reduction given to lm.Loss",
                fix='leave it out there, and write lm.Loss(..., reduce="sum")',
            )
        _check_loads(self.loss)

    @property
    def label(self) -> str:
        return self.loss.name

    def __call__(self, *inputs: Tensor) -> Tensor:
        return self.loss.call(*inputs)


@part
class Function(Error):
    """Take the errors that a function returns, one for each element.

    Args:
        function: From a target and a prediction to their un-reduced errors; registered with
            Keras, or the name of a function in `keras.ops`.
        fill: Numbers for target and prediction at which the function and its gradient are
            finite; they stand where a position does not count.

    Shapes:
        target, prediction: (..., consumed axes), returns (...).

    Raises:
        SavingError: If the function is a lambda or is not registered.

    Example:
        >>> import lossmith as lm
        >>> float(lm.Loss(lm.errors.Function("subtract"), "b, b")([3.0], [1.0]))
        2.0
    """

    function: str | Callable[..., Any]
    fill: tuple[float, float] = (0.25, 0.75)
    consumes: ClassVar = range(ANY)
    integer_targets: ClassVar = True
    arity: ClassVar = None
    EXAMPLES = (
        Example([0.0], [0.0], [0.6931472], config={"function": "logaddexp"}),
        Example([1.0, 2.0], [3.0, 2.0], [-2.0, 0.0], config={"function": "subtract"}),
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "function", saveable(self.function))
        object.__setattr__(self, "fill", tuple(self.fill))

    @property
    def label(self) -> str:
        return self.function if isinstance(self.function, str) else function_name(self.function)

    def __call__(self, *inputs: Tensor) -> Tensor:
        return ops.convert_to_tensor(resolve(self.function)(*inputs))


def resolve_error(given: Any) -> Error:
    """Return the error that a user means.

    Args:
        given: A name, an error, a Keras loss or its class, or a function.

    Raises:
        ArgumentError: If there is no such error.
        SavingError: If it would not load again.
    """
    if isinstance(given, str):
        return _by_name(given)
    if inspect.isclass(given) and issubclass(given, (Error, keras.losses.Loss)):
        given = given()
    if isinstance(given, Error):
        return given
    if isinstance(given, keras.losses.Loss):
        return KerasLoss(given)
    return Function(given)


def _by_name(name: str) -> Error:
    errors = [cls for cls in PARTS.values() if issubclass(cls, Error) and cls.arity]
    known = {alias: cls for cls in errors for alias in (*cls.names, snake_case(cls.__name__))}
    if name in known:
        return known[name]()
    loss = _keras_losses().get(name)
    if loss is not None:
        return KerasLoss(loss())
    raise ArgumentError(
        f"there is no error {name!r}",
        got=repr(name),
        expected="the name of an error, as in Keras",
        fix=f"write one of {listed(closest(name, known)[:3])}, or give a function",
    )


def _keras_losses() -> dict[str, type[keras.losses.Loss]]:
    """Return Keras' loss classes by their own name and by that of their function."""
    classes = {
        name: cls
        for name, cls in vars(keras.losses).items()
        if inspect.isclass(cls) and cls is not keras.losses.Loss
    }
    functions = {fn: name for name, fn in vars(keras.losses).items() if inspect.isfunction(fn)}
    by_function = {
        functions[fn]: cls
        for cls in classes.values()
        if (fn := getattr(cls(), "fn", None)) in functions
    }
    return {**by_function, **classes}


def _check_loads(loss: keras.losses.Loss) -> None:
    try:
        config = keras.saving.serialize_keras_object(loss)
        again = keras.saving.deserialize_keras_object(config)
    except (TypeError, ValueError, NotImplementedError):
        again = None
    if type(again) is not type(loss):
        raise SavingError(
            f"{type(loss).__name__} would save and not load again",
            got=f"a loss class of {type(loss).__module__} that Keras does not know",
            expected="a registered class whose get_config has all its arguments",
            fix="put @keras.saving.register_keras_serializable() above the class",
        )
