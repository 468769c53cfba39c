"""Select parts: which positions along one axis the loss is about."""

from __future__ import annotations

from typing import ClassVar

from keras import ops

from lossmith.core.axes import Named, combine
from lossmith.core.context import Context
from lossmith.core.kinds import Mask, Select
from lossmith.core.part import Example, part
from lossmith.messages import ArgumentError, ShapeError

__all__ = ["Index", "LastStep", "Slice"]


@part
class Index(Select):
    """Take one position along an axis, which is then gone, in every tensor that has it.

    Args:
        index: Which position; negative counts from the end.
        axis: The axis; None: the prediction's axis in brackets, or else its last.

    Shapes:
        tensor: (..., axis, ...), returns (..., ...).

    Raises:
        ArgumentError: If `index` is not an integer.
        ShapeError: While tracing, if there is no such position.

    Example:
        >>> import lossmith as lm
        >>> loss = lm.Loss("mae", "b, b [k]", select=lm.select.Index(1))
        >>> float(loss([1.0], [[9.0, 3.0, 9.0]]))
        2.0
    """

    index: int
    axis: str | None = None
    EXAMPLES = (
        Example([1.0], [[9.0, 3.0, 9.0]], [2.0], {"index": 1}, "b, b [k]"),
        Example([[0.0, 1.0]], [[9.0, 3.0]], [2.0], {"index": -1, "axis": "k"}, "b k, b k"),
    )

    def __post_init__(self) -> None:
        _check_integer(self.index, "index")

    def default_axis(self, names: tuple[str, ...], consumed: tuple[str, ...]) -> str:
        return next((name for name in names if name in consumed), names[-1])

    def __call__(self, x: Named, axis: str, context: Context) -> Named:
        del context
        place = x.position(axis)
        size = x.value.shape[place]
        if size is not None and not -size <= self.index < size:
            raise ShapeError(
                f"there is no position {self.index} along {axis!r}",
                got=f"index={self.index}",
                expected=f"a position from {-size} to {size - 1}",
                fix="give an index within the axis",
            )
        taken = ops.take(x.value, self.index, axis=place)
        return Named(taken, (*x.axes[:place], *x.axes[place + 1 :]))


@part
class Slice(Select):
    """Take a range of positions along an axis, in every tensor that has it.

    Args:
        start: The first position; negative counts from the end; None: from the beginning.
        stop: The position behind the last; negative counts from the end; None: to the end.
        axis: The axis; None: the second axis of the prediction.

    Shapes:
        tensor: (..., axis, ...), returns (..., shorter axis, ...).

    Raises:
        ArgumentError: If a bound is not an integer.

    Example:
        >>> import lossmith as lm
        >>> loss = lm.Loss("mae", "b t, b t", select=lm.select.Slice(-2, None))
        >>> float(loss([[9.0, 1.0, 1.0]], [[0.0, 0.0, 0.0]]))
        1.0
    """

    start: int | None = None
    stop: int | None = None
    axis: str | None = None
    keeps: ClassVar = True
    EXAMPLES = (
        Example([[9.0, 1.0, 2.0]], [[0.0] * 3], [[1.0, 2.0]], {"start": -2}, "b t, b t"),
        Example([[9.0, 1.0, 2.0]], [[0.0] * 3], [[9.0]], {"stop": 1, "axis": "t"}, "b t, b t"),
    )

    def __post_init__(self) -> None:
        for name in ("start", "stop"):
            if getattr(self, name) is not None:
                _check_integer(getattr(self, name), name)

    def default_axis(self, names: tuple[str, ...], consumed: tuple[str, ...]) -> str:
        del consumed
        return names[:2][-1]

    def __call__(self, x: Named, axis: str, context: Context) -> Named:
        del context
        place = x.position(axis)
        chosen = [slice(None)] * len(x.axes)
        chosen[place] = slice(self.start, self.stop)
        return Named(x.value[tuple(chosen)], x.axes)


@part
class LastStep(Select):
    """Take the last step that counts of each sequence, in every tensor that has the axis.

    A sequence without any step that counts gives its first step; mask it if it must not count.

    Args:
        mask: Which steps count; None: Keras' automatic mask, or else all.
        axis: The axis of steps; None: the second axis of the prediction.

    Shapes:
        tensor: (batch, steps, ...), returns (batch, ...).

    Example:
        >>> import lossmith as lm
        >>> last = lm.select.LastStep(lm.masks.Lengths("y:lengths"))
        >>> loss = lm.Loss("mae", "b, b [t]", select=last)
        >>> float(loss({"y": [1.0], "lengths": [2]}, [[9.0, 3.0, 9.0]]))
        2.0
    """

    mask: Mask | None = None
    axis: str | None = None
    EXAMPLES = (Example([1.0], [[9.0, 9.0, 3.0]], [2.0], axes="b, b [t]"),)

    def default_axis(self, names: tuple[str, ...], consumed: tuple[str, ...]) -> str:
        return next((name for name in names if name in consumed), names[:2][-1])

    def __call__(self, x: Named, axis: str, context: Context) -> Named:
        at = context.positions(axis)
        chosen = combine(ops.equal, self._last(at, context), at)
        kept = combine(lambda c, v: ops.where(c, v, ops.zeros_like(v)), chosen, x)
        join = ops.any if "bool" in str(kept.value.dtype) else ops.sum
        left = tuple(name for name in kept.axes if name != axis)
        return Named(join(kept.value, axis=kept.position(axis)), left)

    def _last(self, at: Named, context: Context) -> Named:
        counted = self._counted(context)
        if counted is None:
            return Named(ops.max(at.value), ())
        place = combine(lambda m, p: ops.where(m, p, ops.min(p)), counted, at)
        left = tuple(name for name in place.axes if name not in at.axes)
        return Named(ops.max(place.value, axis=place.position(at.axes[0])), left)

    def _counted(self, context: Context) -> Named | None:
        if self.mask is not None:
            return self.mask(context)
        automatic = context.sources.keras_mask(list(context.given)[-1])
        return None if automatic is None else context.leading_field(automatic, "Keras' mask")


def _check_integer(value: object, name: str) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ArgumentError(
            f"{name} is not a position",
            got=f"{name}={value!r}",
            expected="an integer",
            fix=f"write {name}=0 for the first position",
        )
