"""Errors of a number against a number."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal

from keras import config, ops

from lossmith.core.axes import Tensor
from lossmith.core.kinds import Difference, Error
from lossmith.core.part import Example, number, numbers, part


@part
class Squared(Difference):
    """Square the difference: `(prediction - target)^2`.

    Shapes:
        target, prediction: (...), returns (...).

    Example:
        >>> import lossmith as lm
        >>> float(lm.Loss(lm.errors.Squared(), "b, b")([1.0, 2.0], [1.0, 4.0]))
        2.0
    """

    names: ClassVar = ("mse", "mean_squared_error", "MSE", "MeanSquaredError")
    EXAMPLES = (
        Example([1.0, 2.0], [1.0, 4.0], [0.0, 4.0]),
        Example([[0.0, 1.0]], [[-3.0, 1.5]], [[9.0, 0.25]]),
    )

    def penalty(self, difference: Tensor) -> Tensor:
        return ops.square(difference)


@part
class Absolute(Difference):
    """Take the size of the difference: `|prediction - target|`.

    The gradient where they are equal is 0.

    Shapes:
        target, prediction: (...), returns (...).

    Example:
        >>> import lossmith as lm
        >>> float(lm.Loss(lm.errors.Absolute(), "b, b")([1.0, 2.0], [1.0, 5.0]))
        1.5
    """

    names: ClassVar = ("mae", "mean_absolute_error", "MAE", "MeanAbsoluteError")
    EXAMPLES = (
        Example([1.0, 2.0], [1.0, 5.0], [0.0, 3.0]),
        Example([0.5], [-0.5], [1.0]),
    )

    def penalty(self, difference: Tensor) -> Tensor:
        return ops.abs(difference)


@part
class Huber(Difference):
    """Quadratic near zero, linear past `delta`.

    With `r = |prediction - target|`: `r^2 / 2` up to `delta`, `delta * (r - delta / 2)` beyond.

    Args:
        delta: The difference past which the slope stays at `delta`. Positive.

    Shapes:
        target, prediction: (...), returns (...).

    Raises:
        ArgumentError: If `delta` is not a positive number.

    Example:
        >>> import lossmith as lm
        >>> float(lm.Loss(lm.errors.Huber(delta=1.0), "b, b")([0.0, 0.0], [0.5, 3.0]))
        1.3125

    References:
        Huber, "Robust Estimation of a Location Parameter", 1964.
    """

    delta: float = 1.0
    names: ClassVar = ("huber", "Huber", "huber_loss")
    EXAMPLES = (
        Example([0.0, 0.0], [0.5, 3.0], [0.125, 2.5]),
        Example([1.0], [5.0], [6.0], config={"delta": 2.0}),
    )

    def __post_init__(self) -> None:
        number(self.delta, "delta", above=0.0)

    def penalty(self, difference: Tensor) -> Tensor:
        size = ops.abs(difference)
        inner = ops.minimum(size, self.delta)
        return inner * (size - 0.5 * inner)


@part
class LogCosh(Difference):
    """Take `log(cosh(prediction - target))`: squared near zero, absolute far away.

    Shapes:
        target, prediction: (...), returns (...).

    Example:
        >>> import lossmith as lm
        >>> round(float(lm.Loss(lm.errors.LogCosh(), "b, b")([0.0, 0.0], [0.0, 1.0])), 4)
        0.2169

    References:
        Formula as in Keras' `LogCosh`.
    """

    names: ClassVar = ("log_cosh", "logcosh", "LogCosh")
    EXAMPLES = (
        Example([0.0, 0.0], [0.0, 1.0], [0.0, 0.4337808]),
        Example([0.0], [-20.0], [20.0 - 0.6931472]),
    )

    def penalty(self, difference: Tensor) -> Tensor:
        return ops.logaddexp(difference, -difference) - math.log(2.0)


@part
class Quantile(Error):
    """Pinball loss of one quantile, or of several predicted side by side.

    With `d = target - prediction` and the level `q`: `q * d` where `d` is positive,
    `(q - 1) * d` where it is negative. With several levels: their mean.

    Args:
        levels: A level between 0 and 1, or several. With several, the prediction has an axis
            with one value a level, in the order of the levels, which is consumed.

    Shapes:
        target: (...), prediction: (...) or (..., levels), returns (...).

    Raises:
        ArgumentError: If a level is not between 0 and 1.

    Example:
        >>> import lossmith as lm
        >>> loss = lm.Loss(lm.errors.Quantile((0.1, 0.9)), "b, b [q]")
        >>> round(float(loss([1.0], [[0.0, 3.0]])), 4)  # (0.1 * 1 + 0.1 * 2) / 2
        0.15

    References:
        Koenker and Bassett, "Regression Quantiles", 1978.
    """

    levels: Any = 0.5
    target_consumes: ClassVar[Literal["none"]] = "none"
    EXAMPLES = (
        Example([1.0, 1.0], [0.0, 3.0], [0.9, 0.2], config={"levels": 0.9}),
        Example([1.0], [[0.0, 3.0]], [0.15], config={"levels": (0.1, 0.9)}, axes="b, b [q]"),
    )

    def __post_init__(self) -> None:
        levels = numbers(self.levels, "levels", ndim=None)
        for level in levels if isinstance(levels, tuple) else (levels,):
            number(level, "levels", low=0.0, high=1.0)
        object.__setattr__(self, "levels", levels)

    @property
    def consumes(self) -> range:
        return range(1, 2) if isinstance(self.levels, tuple) else range(1)

    def __call__(self, *inputs: Tensor) -> Tensor:
        target, prediction = inputs
        if not isinstance(self.levels, tuple):
            return _pinball(prediction - target, self.levels)
        levels = ops.convert_to_tensor(self.levels, dtype=prediction.dtype)
        difference = prediction - ops.expand_dims(target, -1)
        return ops.mean(_pinball(difference, levels), axis=-1)


@part
class AbsolutePercentage(Error):
    """Take the error in percent of the target: `100 |target - prediction| / |target|`.

    The divisor is at least Keras' epsilon.

    Shapes:
        target, prediction: (...), returns (...).

    Example:
        >>> import lossmith as lm
        >>> float(lm.Loss(lm.errors.AbsolutePercentage(), "b, b")([2.0, 4.0], [1.0, 4.0]))
        25.0

    References:
        Formula as in Keras' `MeanAbsolutePercentageError`.
    """

    fill: ClassVar = (1.0, 1.0)
    names: ClassVar = (
        "mape",
        "mean_absolute_percentage_error",
        "MAPE",
        "MeanAbsolutePercentageError",
    )
    EXAMPLES = (Example([2.0, 4.0], [1.0, 4.0], [50.0, 0.0]),)

    def __call__(self, *inputs: Tensor) -> Tensor:
        target, prediction = inputs
        size = ops.maximum(ops.abs(target), config.epsilon())
        return 100.0 * ops.abs((target - prediction) / size)


@part
class SquaredLog(Error):
    """Square the difference of logarithms: `(log(1 + prediction) - log(1 + target))^2`.

    Numbers below Keras' epsilon are raised to it first.

    Shapes:
        target, prediction: (...), returns (...).

    Example:
        >>> import lossmith as lm
        >>> round(float(lm.Loss(lm.errors.SquaredLog(), "b, b")([0.0], [1.0])), 4)  # log(2)^2
        0.4805

    References:
        Formula as in Keras' `MeanSquaredLogarithmicError`.
    """

    names: ClassVar = (
        "msle",
        "mean_squared_logarithmic_error",
        "MSLE",
        "MeanSquaredLogarithmicError",
    )
    EXAMPLES = (Example([0.0, 3.0], [1.0, 3.0], [0.4804530, 0.0]),)

    def __call__(self, *inputs: Tensor) -> Tensor:
        target, prediction = (ops.log1p(ops.maximum(x, config.epsilon())) for x in inputs)
        return ops.square(prediction - target)


@part
class L1(Error):
    """Take the size of one tensor, against no target: `|x|`.

    Shapes:
        x: (...), returns (...).

    Example:
        >>> import lossmith as lm
        >>> float(lm.Loss("l1", "b f", of="output")(None, [[1.0, -3.0]]))
        2.0
    """

    arity: ClassVar = 1
    names: ClassVar = ("l1", "L1")
    EXAMPLES = (Example(None, [[1.0, -3.0]], [[1.0, 3.0]], axes="b f"),)

    def __call__(self, *inputs: Tensor) -> Tensor:
        return ops.abs(inputs[0])


@part
class L2(Error):
    """Square one tensor, against no target: `x^2`.

    Shapes:
        x: (...), returns (...).

    Example:
        >>> import lossmith as lm
        >>> float(lm.Loss("l2", "b f", of="output")(None, [[1.0, -3.0]]))
        5.0
    """

    arity: ClassVar = 1
    names: ClassVar = ("l2", "L2")
    EXAMPLES = (Example(None, [[1.0, -3.0]], [[1.0, 9.0]], axes="b f"),)

    def __call__(self, *inputs: Tensor) -> Tensor:
        return ops.square(inputs[0])


def _pinball(over: Tensor, level: Any) -> Tensor:
    return ops.where(over >= 0, (1.0 - level) * over, -level * over)
