"""Factors of terms that move: by step or epoch, set from outside, or learned."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import keras
from keras import ops

from lossmith.core.axes import Tensor
from lossmith.core.kinds import Factor, Progress
from lossmith.core.part import Example, number, numbers, part
from lossmith.messages import ArgumentError

__all__ = ["Cyclic", "KerasSchedule", "Learned", "Linear", "Piecewise", "Settable"]


@part
class Linear(Factor):
    """Go from one factor to another in a straight line, and stay there: a warm-up.

    Args:
        start: The factor at first.
        stop: The factor at the end.
        over: How many steps or epochs it takes. Positive.
        by: What is counted: `"step"` or `"epoch"`.

    Shapes:
        returns: a scalar.

    Raises:
        ArgumentError: If a number is not finite, or `over` not positive.

    Example:
        >>> import lossmith as lm
        >>> lm.schedules.Linear(0.0, 1.0, over=1000) * lm.Loss("kl_divergence", "b [c], b [c]")
        Linear(start=0.0, stop=1.0, over=1000, by='step') * Loss(KL(), 'b [c], b [c]', ...)
    """

    start: float
    stop: float
    over: float
    by: str = "step"
    EXAMPLES = (
        Example(None, [0.0, 2.0, 9.0], [1.0, 0.75, 0.5], {"start": 1.0, "stop": 0.5, "over": 4.0}),
    )

    def __post_init__(self) -> None:
        number(self.start, "start")
        number(self.stop, "stop")
        number(self.over, "over", above=0.0)
        _check_by(self.by)

    def __call__(self, progress: Progress) -> Tensor:
        done = ops.minimum(progress.counted(self.by) / self.over, 1.0)
        return self.start + (self.stop - self.start) * done


@part
class Piecewise(Factor):
    """Change the factor at given steps or epochs.

    Args:
        boundaries: From which step or epoch on each further value holds; rising.
        values: The factors: one more than boundaries.
        by: What is counted: `"step"` or `"epoch"`.

    Shapes:
        returns: a scalar.

    Raises:
        ArgumentError: If the numbers are not finite, or not one value more than boundaries.

    Example:
        >>> import lossmith as lm
        >>> factor = lm.schedules.Piecewise([5], [0.0, 1.0], by="epoch")
        >>> (factor * lm.Loss("mae")).factors
        (Piecewise(boundaries=(5.0,), values=(0.0, 1.0), by='epoch'),)
    """

    boundaries: Any
    values: Any
    by: str = "step"
    EXAMPLES = (
        Example(
            None,
            [0.0, 1.0, 2.0, 7.0],
            [3.0, 3.0, 5.0, 5.0],
            config={"boundaries": [2], "values": [3.0, 5.0]},
        ),
    )

    def __post_init__(self) -> None:
        for name in ("boundaries", "values"):
            object.__setattr__(self, name, numbers(getattr(self, name), name))
        if len(self.values) != len(self.boundaries) + 1:
            raise ArgumentError(
                "Piecewise needs one value more than boundaries",
                got=f"{len(self.boundaries)} boundaries and {len(self.values)} values",
                expected="a value before the first boundary, and one from each on",
                fix="write lm.schedules.Piecewise([100], [0.0, 1.0])",
            )
        _check_by(self.by)

    def __call__(self, progress: Progress) -> Tensor:
        at = progress.counted(self.by)
        factor = ops.ones_like(at) * self.values[0]
        for boundary, value in zip(self.boundaries, self.values[1:], strict=True):
            factor = ops.where(at >= boundary, value, factor)
        return factor


@part
class Cyclic(Factor):
    """Rise in each period from one factor to another, and stay there for its second half.

    Args:
        low: The factor at the beginning of a period.
        high: The factor from the middle of a period on.
        period: The length of a period in steps or epochs. Positive.
        by: What is counted: `"step"` or `"epoch"`.

    Shapes:
        returns: a scalar.

    Raises:
        ArgumentError: If a number is not finite, or `period` not positive.

    Example:
        >>> import lossmith as lm
        >>> (lm.schedules.Cyclic(0.0, 1.0, period=100) * lm.Loss("mae", name="kl")).names
        ('kl',)

    References:
        Fu et al., "Cyclical Annealing Schedule", 2019.
    """

    low: float
    high: float
    period: float
    by: str = "step"
    EXAMPLES = (
        Example(
            None,
            [0.0, 1.0, 2.0, 3.0, 4.0],
            [0.0, 0.5, 1.0, 1.0, 0.0],
            config={"low": 0.0, "high": 1.0, "period": 4.0},
        ),
    )

    def __post_init__(self) -> None:
        number(self.low, "low")
        number(self.high, "high")
        number(self.period, "period", above=0.0)
        _check_by(self.by)

    def __call__(self, progress: Progress) -> Tensor:
        within = ops.mod(progress.counted(self.by), self.period) / self.period
        return self.low + (self.high - self.low) * ops.minimum(2.0 * within, 1.0)


@part
class KerasSchedule(Factor):
    """Follow a learning-rate schedule of Keras.

    A schedule may also be multiplied to a loss as it is.

    Args:
        schedule: The schedule.
        by: What it counts: `"step"` or `"epoch"`.

    Shapes:
        returns: a scalar.

    Example:
        >>> import keras, lossmith as lm
        >>> decay = keras.optimizers.schedules.ExponentialDecay(1.0, 10, 0.5)
        >>> type((decay * lm.Loss("mae")).factors[0]).__name__
        'KerasSchedule'
    """

    schedule: Any
    by: str = "step"
    EXAMPLES = (
        Example(
            None,
            [0.0, 10.0],
            [1.0, 0.5],
            config={"schedule": keras.optimizers.schedules.ExponentialDecay(1.0, 10, 0.5)},
        ),
    )

    def __post_init__(self) -> None:
        _check_by(self.by)

    def __repr__(self) -> str:
        arguments = ", ".join(f"{k}={v!r}" for k, v in self.schedule.get_config().items())
        return f"KerasSchedule({type(self.schedule).__name__}({arguments}), by={self.by!r})"

    def __call__(self, progress: Progress) -> Tensor:
        return ops.convert_to_tensor(self.schedule(progress.counted(self.by)))


@part
class Learned(Factor):
    """Learn the factor of a term from how uncertain it is: `exp(-s) * loss + s`.

    `s` is a trainable weight of the model, the logarithm of the term's variance. A term that
    cannot be predicted well gets a small factor, and `s` keeps it from reaching 0.

    Args:
        initial: The factor at first. Positive.

    Shapes:
        returns: a scalar.

    Raises:
        ArgumentError: If `initial` is not positive.

    Example:
        >>> import lossmith as lm
        >>> learned = lm.schedules.Learned() * lm.Loss("mae", name="depth")
        >>> learned.factors
        (Learned(initial=1.0),)

    References:
        Kendall et al., "Multi-Task Learning Using Uncertainty to Weigh Losses", 2018.
    """

    initial: float = 1.0
    holds: ClassVar = "log_variance"
    learns: ClassVar = True
    EXAMPLES = (
        Example(None, [0.0, 0.6931472], [1.0, 0.5]),
        Example(None, [0.0], [1.0], config={"initial": 2.0}),
    )

    def __post_init__(self) -> None:
        number(self.initial, "initial", above=0.0)

    @property
    def variable_start(self) -> float:
        return -math.log(self.initial)

    def __call__(self, progress: Progress) -> Tensor:
        return ops.exp(ops.negative(progress.variable))

    def penalty(self, progress: Progress) -> Tensor:
        return progress.variable


@part
class Settable(Factor):
    """A factor that is set from outside while the model trains, by a callback for example.

    It is a weight of the model that is not trained, and takes effect in a compiled step.
    `lm.Model.set_factor` sets it, and `lm.callbacks.SoftAdapt` balances all that there are.

    Args:
        initial: The factor at first.

    Shapes:
        returns: a scalar.

    Example:
        >>> import lossmith as lm
        >>> total = lm.schedules.Settable() * lm.Loss("mae", name="depth") + lm.Loss("mse")
        >>> total.factors
        (Settable(initial=1.0), 1.0)
    """

    initial: float = 1.0
    holds: ClassVar = "factor"
    EXAMPLES = (Example(None, [0.0, 2.5], [0.0, 2.5]),)

    def __post_init__(self) -> None:
        number(self.initial, "initial")

    @property
    def variable_start(self) -> float:
        return self.initial

    def __call__(self, progress: Progress) -> Tensor:
        return progress.variable


def _check_by(by: str) -> None:
    if by not in ("step", "epoch"):
        raise ArgumentError(
            "a schedule counts steps or epochs",
            got=f"by={by!r}",
            expected="'step' or 'epoch'",
            fix="write by='epoch'",
        )
