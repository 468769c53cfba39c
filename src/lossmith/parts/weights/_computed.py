"""Weights that are computed from the target or the prediction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from keras import ops

from lossmith.core.axes import Named, Tensor
from lossmith.core.context import Context
from lossmith.core.functions import resolve, saveable
from lossmith.core.kinds import Weight
from lossmith.core.part import Example, number, part


@part
class Outside(Weight):
    """Weigh positions more where the prediction leaves a range.

    `factor` where the prediction is below `low` or above `high`, else 1. No gradient flows
    through the weight.

    Args:
        low: The lower end of the range.
        high: The upper end.
        factor: The weight outside.
        inside: Multiply target and prediction before the error instead.

    Shapes:
        prediction: (...), weight: (...).

    Raises:
        ArgumentError: If a number is not finite, or `low` is above `high`.

    Example:
        >>> import lossmith as lm
        >>> loss = lm.Loss("mae", "b, b", weights=lm.weights.Outside(0.2, 0.8, factor=3.0))
        >>> float(loss([0.0, 0.0], [0.5, 1.0]))  # (0.5 + 3 * 1) / 2
        1.75
    """

    low: float
    high: float
    factor: float
    EXAMPLES = (
        Example([0.0, 0.0], [0.5, 1.0], [0.5, 3.0], {"low": 0.2, "high": 0.8, "factor": 3.0}),
    )

    def __post_init__(self) -> None:
        number(self.low, "low")
        number(self.high, "high", low=self.low)
        number(self.factor, "factor")

    def __call__(self, context: Context) -> Named:
        return context.prediction.map(self._weigh)

    def _weigh(self, prediction: Tensor) -> Tensor:
        within = ops.logical_and(prediction >= self.low, prediction <= self.high)
        one = ops.ones_like(prediction)
        return ops.where(within, one, self.factor * one)


@dataclass(frozen=True, eq=False)
class _OfFunction(Weight):
    """A weight that a function computes from a tensor."""

    function: str | Callable[..., Any]

    def __post_init__(self) -> None:
        object.__setattr__(self, "function", saveable(self.function))

    def computed(self, x: Named) -> Named:
        """Return the weight: over the axes of the tensor, or its leading ones."""
        weight = ops.convert_to_tensor(resolve(self.function)(x.value))
        return Named(weight, x.axes[: len(weight.shape)])


@part
class FromTarget(_OfFunction):
    """Weigh positions by a function of the target.

    The function sees legal stand-ins where positions do not count.

    Args:
        function: The name of a function in `keras.ops`, or a registered function.
        inside: Multiply target and prediction before the error instead.

    Shapes:
        target: (...), weight: the target's axes, or its leading ones.

    Raises:
        SavingError: If the function is a lambda or is not registered.

    Example:
        >>> import lossmith as lm
        >>> loss = lm.Loss("mae", "b, b", weights=lm.weights.FromTarget("square"))
        >>> float(loss([1.0, 3.0], [0.0, 2.0]))  # (1 * 1 + 9 * 1) / 2
        5.0
    """

    EXAMPLES = (Example([1.0, 3.0], [0.0, 2.0], [1.0, 9.0], config={"function": "square"}),)

    def __call__(self, context: Context) -> Named:
        return self.computed(context.target)


@part
class FromPrediction(_OfFunction):
    """Weigh positions by a function of the prediction. No gradient flows through the weight.

    The function sees legal stand-ins where positions do not count.

    Args:
        function: The name of a function in `keras.ops`, or a registered function.
        inside: Multiply target and prediction before the error instead.

    Shapes:
        prediction: (...), weight: the prediction's axes, or its leading ones.

    Raises:
        SavingError: If the function is a lambda or is not registered.

    Example:
        >>> import lossmith as lm
        >>> loss = lm.Loss("mae", "b, b", weights=lm.weights.FromPrediction("square"))
        >>> float(loss([0.0, 0.0], [1.0, 2.0]))  # (1 * 1 + 4 * 2) / 2
        4.5
    """

    EXAMPLES = (Example([0.0, 0.0], [1.0, 2.0], [1.0, 8.0], config={"function": "square"}),)

    def __call__(self, context: Context) -> Named:
        return self.computed(context.prediction)
