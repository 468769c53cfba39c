"""The kinds of parts: what an error, a mask, a weight, an adjustment and a selection are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import keras
from keras import ops

from lossmith.core.axes import Named, Tensor, combine
from lossmith.core.context import Context
from lossmith.core.part import Part, snake_case

ANY = 64


class Error(Part):
    """An un-reduced error: a tensor of errors from a target and a prediction.

    It knows nothing of masks, weights or reductions. The tensors come aligned: the axes of
    the elements first, in one order, and behind them each tensor's own consumed axes.

    Attributes:
        fill: Legal values for target and prediction, put where a position does not count.
        consumes: How many axes it may consume.
        target_consumes: Whether the target has the consumed axes too.
        integer_targets: Whether integers come as they are, instead of as floats.
        flattens: Whether it sums over positions, which then come as one axis; with `fill` a
            position adds nothing.
        arity: How many tensors it takes; None: any number.
        names: The names under which `lm.Loss` knows it, Keras' own where Keras has it.
    """

    kind: ClassVar[str] = "errors"
    fill: tuple[float, ...] = (0.0, 0.0)
    consumes: range = range(1)
    target_consumes: ClassVar[Literal["same", "none", "either", "any"]] = "any"
    integer_targets: ClassVar[bool] = False
    flattens: ClassVar[bool] = False
    arity: ClassVar[int | None] = 2
    names: ClassVar[tuple[str, ...]] = ()

    @property
    def label(self) -> str:
        """What a loss with this error is called, where the user gives no name."""
        return snake_case(type(self).__name__)

    def __call__(self, *inputs: Tensor) -> Tensor:
        """Return the errors, one for each element."""
        raise NotImplementedError


class Difference(Error):
    """An error of the difference of prediction and target alone, 0 where they are equal.

    Written so, one `where` on the difference makes a masked position inert.
    """

    def __call__(self, *inputs: Tensor) -> Tensor:
        """Return the errors, one for each element."""
        target, prediction = inputs
        return self.penalty(prediction - target)

    def penalty(self, difference: Tensor) -> Tensor:
        """Return the error for each difference; `penalty(0)` is 0, with a finite slope."""
        raise NotImplementedError


class Mask(Part):
    """Which positions count: a boolean over some of the axes. Joined by `&`, `|` and `~`.

    Attributes:
        automatic: Whether it stands for Keras' own mask, which is then not added once more.
    """

    kind: ClassVar[str] = "masks"
    automatic: ClassVar[bool] = False

    def __call__(self, context: Context) -> Named:
        """Return the mask."""
        raise NotImplementedError

    def __and__(self, other: Mask) -> Mask:
        """Count where both count."""
        return Both(self, other)

    def __or__(self, other: Mask) -> Mask:
        """Count where either counts."""
        return Either(self, other)

    def __invert__(self) -> Mask:
        """Count where this does not."""
        return Not(self)

    @property
    def parts(self) -> tuple[Mask, ...]:
        """The masks that this one is made of."""
        return (self,)


@keras.saving.register_keras_serializable("lossmith", "masks.Both")
@dataclass(frozen=True, eq=False)
class Both(Mask):
    """Counts where both masks do."""

    first: Mask
    second: Mask

    def __call__(self, context: Context) -> Named:
        return combine(ops.logical_and, self.first(context), self.second(context))

    @property
    def parts(self) -> tuple[Mask, ...]:
        return (*self.first.parts, *self.second.parts)


@keras.saving.register_keras_serializable("lossmith", "masks.Either")
@dataclass(frozen=True, eq=False)
class Either(Mask):
    """Counts where one of two masks does."""

    first: Mask
    second: Mask

    def __call__(self, context: Context) -> Named:
        return combine(ops.logical_or, self.first(context), self.second(context))

    @property
    def parts(self) -> tuple[Mask, ...]:
        return (*self.first.parts, *self.second.parts)


@keras.saving.register_keras_serializable("lossmith", "masks.Not")
@dataclass(frozen=True, eq=False)
class Not(Mask):
    """Counts where a mask does not."""

    mask: Mask

    def __call__(self, context: Context) -> Named:
        return self.mask(context).map(ops.logical_not)

    @property
    def parts(self) -> tuple[Mask, ...]:
        return self.mask.parts


@dataclass(frozen=True, eq=False)
class Weight(Part):
    """How much positions count: a number over some of the axes, which multiplies the error.

    Attributes:
        inside: Multiply target and prediction before the error instead, once each: with
            `Squared` the weight then stands inside the square.
    """

    kind: ClassVar[str] = "weights"
    inside: bool = field(default=False, kw_only=True)

    def __call__(self, context: Context) -> Named:
        """Return the weight. No gradient flows through it."""
        raise NotImplementedError


class Adjust(Part):
    """A change of each predicted number before the error."""

    kind: ClassVar[str] = "adjust"

    def __call__(self, prediction: Tensor) -> Tensor:
        """Return the changed prediction, of the same shape."""
        raise NotImplementedError


class Select(Part):
    """A choice of positions along one named axis, for every tensor that has it.

    Attributes:
        keeps: Whether the axis is still there afterwards.
    """

    kind: ClassVar[str] = "select"
    keeps: ClassVar[bool] = False
    axis: str | None

    def default_axis(self, names: tuple[str, ...], consumed: tuple[str, ...]) -> str:
        """Return the axis of a prediction along which it selects where none is given."""
        raise NotImplementedError

    def axis_of(self, names: tuple[str, ...], consumed: tuple[str, ...]) -> str:
        """Return the axis of a prediction along which it selects."""
        return self.axis or self.default_axis(names, consumed)

    def __call__(self, x: Named, axis: str, context: Context) -> Named:
        """Return the chosen positions of a tensor that has the axis."""
        raise NotImplementedError


@dataclass(frozen=True)
class Progress:
    """How far a training is: what factors move by.

    Attributes:
        step: How many steps have been trained, a float scalar.
        epoch: How many epochs have been ended, a float scalar.
        variable: The factor's own variable; None where it has none.
    """

    step: Tensor
    epoch: Tensor
    variable: Tensor | None = None

    def counted(self, by: str) -> Tensor:
        """Return the steps or the epochs."""
        return self.step if by == "step" else self.epoch


class Factor(Part):
    """The factor of a term in a sum, where it is not a number: it moves during training.

    Attributes:
        holds: What its own variable is called; empty where it has none.
        learns: Whether that is trained. Otherwise it is set from outside.
    """

    kind: ClassVar[str] = "schedules"
    holds: ClassVar[str] = ""
    learns: ClassVar[bool] = False

    @property
    def variable_start(self) -> float:
        """The initial value of its variable."""
        raise NotImplementedError

    def __call__(self, progress: Progress) -> Tensor:
        """Return the factor, a scalar."""
        raise NotImplementedError

    def penalty(self, progress: Progress) -> Tensor:
        """Return what its variable adds to the total."""
        raise NotImplementedError


def options(given: Any) -> tuple[Any, ...]:
    """Return one part or several as a tuple."""
    if given is None:
        return ()
    return tuple(given) if isinstance(given, (list, tuple)) else (given,)
