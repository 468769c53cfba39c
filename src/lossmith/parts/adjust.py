"""Adjust parts: a change of the prediction before the error."""

from __future__ import annotations

from keras import ops

from lossmith.core.axes import Tensor
from lossmith.core.kinds import Adjust
from lossmith.core.part import Example, number, part

__all__ = ["Clip", "Scale", "Shift"]


@part
class Shift(Adjust):
    """Add a constant to the prediction.

    Args:
        amount: What is added.

    Shapes:
        prediction: (...), returns (...).

    Raises:
        ArgumentError: If `amount` is not a finite number.

    Example:
        >>> import lossmith as lm
        >>> float(lm.Loss("mae", "b, b", adjust=lm.adjust.Shift(0.5))([1.0], [1.0]))
        0.5
    """

    amount: float
    EXAMPLES = (Example([1.0, 0.0], [1.0, 2.0], [0.5, 2.5], config={"amount": 0.5}),)

    def __post_init__(self) -> None:
        number(self.amount, "amount")

    def __call__(self, prediction: Tensor) -> Tensor:
        return prediction + self.amount


@part
class Scale(Adjust):
    """Multiply the prediction by a constant.

    Args:
        factor: What it is multiplied by.

    Shapes:
        prediction: (...), returns (...).

    Raises:
        ArgumentError: If `factor` is not a finite number.

    Example:
        >>> import lossmith as lm
        >>> float(lm.Loss("mae", "b, b", adjust=lm.adjust.Scale(2.0))([1.0], [1.0]))
        1.0
    """

    factor: float
    EXAMPLES = (Example([1.0, 0.0], [1.0, 2.0], [1.0, 4.0], config={"factor": 2.0}),)

    def __post_init__(self) -> None:
        number(self.factor, "factor")

    def __call__(self, prediction: Tensor) -> Tensor:
        return prediction * self.factor


@part
class Clip(Adjust):
    """Keep the prediction between two numbers. The gradient beyond them is 0.

    Args:
        low: The lower bound.
        high: The upper bound.

    Shapes:
        prediction: (...), returns (...).

    Raises:
        ArgumentError: If a bound is not finite, or `low` is above `high`.

    Example:
        >>> import lossmith as lm
        >>> float(lm.Loss("mae", "b, b", adjust=lm.adjust.Clip(0.0, 1.0))([1.0], [5.0]))
        0.0
    """

    low: float
    high: float
    EXAMPLES = (Example([1.0, 1.0], [5.0, -3.0], [0.0, 1.0], config={"low": 0.0, "high": 1.0}),)

    def __post_init__(self) -> None:
        number(self.low, "low")
        number(self.high, "high", low=self.low)

    def __call__(self, prediction: Tensor) -> Tensor:
        return ops.clip(prediction, self.low, self.high)
