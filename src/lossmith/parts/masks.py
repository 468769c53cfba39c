"""Mask parts: which positions count. Joined by `&`, `|` and `~`."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from keras import ops

from lossmith import backend
from lossmith.core.axes import Named, Tensor, axes_text, combine
from lossmith.core.context import Context
from lossmith.core.kinds import Mask
from lossmith.core.part import Example, number, part
from lossmith.core.sources import check_source
from lossmith.messages import ShapeError, SourceError, listed

__all__ = ["Field", "Finite", "KerasMask", "Lengths", "NotEqual", "SampleWeight"]


@part
class Lengths(Mask):
    """Count the steps before each sequence's length.

    Args:
        source: Where the lengths come from: integers, one a sequence.
        axis: The axis of steps; None: the second axis of the prediction.
        axes: The axes of the lengths; None: the prediction's leading ones.

    Shapes:
        lengths: (batch,), mask: (batch, steps).

    Raises:
        ShapeError: If the lengths have the axis of steps themselves.

    Example:
        >>> import lossmith as lm
        >>> loss = lm.Loss("mae", "b t, b t", mask=lm.masks.Lengths("y:lengths"))
        >>> y = {"y": [[1.0, 1.0, 0.0]], "lengths": [2]}
        >>> float(loss(y, [[0.0, 0.0, 9.0]]))
        1.0
    """

    source: str
    axis: str | None = None
    axes: str | None = None
    EXAMPLES = (
        Example(
            {"y": [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]], "lengths": [2, 0]},
            [[0.0, 3.0, 9.0], [9.0, 9.0, 9.0]],
            [[1.0, 2.0, 0.0], [0.0, 0.0, 0.0]],
            config={"source": "y:lengths"},
            axes="b t, b t",
        ),
    )

    def __post_init__(self) -> None:
        check_source(self.source)

    def __call__(self, context: Context) -> Named:
        lengths = context.field(self.source, self.axes).map(lambda x: ops.cast(x, "int32"))
        steps = context.positions(self.axis)
        if set(steps.axes) & set(lengths.axes):
            raise ShapeError(
                "lengths are one number a sequence, and these have the axis of steps too",
                got=f"{self.source!r} with axes {axes_text(lengths.axes)}",
                expected=f"lengths without {axes_text(steps.axes)}",
                fix=f"lm.masks.Field({self.source!r}), if it is a mask with True where a step "
                "counts",
            )
        return combine(ops.greater, lengths, steps)


@part
class NotEqual(Mask):
    """Count where a tensor differs from a value that stands for missing.

    Over consumed axes a position counts if any of its numbers differs. The comparison is made
    in the tensor's own dtype, so a value that the dtype rounds is still found.

    Args:
        value: What stands for missing. For NaN use `Finite`.
        source: The tensor.

    Shapes:
        tensor: (...), mask: (...).

    Example:
        >>> import lossmith as lm
        >>> loss = lm.Loss("mae", "b, b", mask=lm.masks.NotEqual(-1))
        >>> float(loss([3.0, -1.0], [1.0, 5.0]))
        2.0
    """

    value: float
    source: str = "y"
    EXAMPLES = (
        Example([3.0, -1.0], [1.0, 5.0], [2.0, 0.0], config={"value": -1}),
        Example(
            [[[1.0, 0.0], [0.0, 0.0]]],
            [[[0.5, 0.5], [0.5, 0.5]]],
            [[0.6931472, 0.0]],
            config={"value": 0},
            axes="b t [c], b t [c]",
            error="categorical_crossentropy",
        ),
    )

    def __post_init__(self) -> None:
        number(self.value, "value")
        check_source(self.source)

    def __call__(self, context: Context) -> Named:
        x = context.field(self.source)
        differs = x.map(lambda v: ops.not_equal(v, ops.cast(self.value, v.dtype)))
        return _of_position(differs, context, ops.any)


@part
class Finite(Mask):
    """Count where a tensor is neither NaN nor infinite.

    Over consumed axes a position counts if all its numbers are finite.

    Args:
        source: The tensor.

    Shapes:
        tensor: (...), mask: (...).

    Example:
        >>> import lossmith as lm
        >>> loss = lm.Loss("mae", "b, b", mask=lm.masks.Finite())
        >>> float(loss([3.0, float("nan")], [1.0, 5.0]))
        2.0
    """

    source: str = "y"
    EXAMPLES = (
        Example([3.0, float("nan"), float("inf")], [1.0, 5.0, 5.0], [2.0, 0.0, 0.0]),
        Example(
            [[float("nan"), 1.0]],
            [[[0.0, 0.0], [0.0, 3.0]]],
            [[[0.0, 0.0], [1.0, 2.0]]],
            axes="b t, b t k",
        ),
    )

    def __post_init__(self) -> None:
        check_source(self.source)

    def __call__(self, context: Context) -> Named:
        return _of_position(context.field(self.source).map(ops.isfinite), context, ops.all)


@part
class Field(Mask):
    """Count where a tensor of the step is true, or not zero.

    Args:
        source: The tensor.
        axes: Its axes; None: the prediction's leading ones.

    Shapes:
        tensor: over some or all of the axes of the elements, mask: the same.

    Example:
        >>> import lossmith as lm
        >>> loss = lm.Loss("mae", "b t, b t", mask=lm.masks.Field("y:mask", "b t"))
        >>> y = {"y": [[1.0, 1.0]], "mask": [[True, False]]}
        >>> float(loss(y, [[0.0, 9.0]]))
        1.0
    """

    source: str
    axes: str | None = None
    EXAMPLES = (
        Example(
            {"y": [[1.0, 1.0]], "mask": [[1, 0]]},
            [[0.0, 9.0]],
            [[1.0, 0.0]],
            config={"source": "y:mask", "axes": "b t"},
            axes="b t, b t",
        ),
    )

    def __post_init__(self) -> None:
        check_source(self.source)

    def __call__(self, context: Context) -> Named:
        return context.field(self.source, self.axes).map(_true)


@part
class KerasMask(Mask):
    """Count where Keras' automatic mask of the prediction does, and insist that there is one.

    A loss honours Keras' mask also without this part. With it, a mask that a layer has dropped
    is an error instead of padding in the loss, and the mask can be joined with others.

    Shapes:
        prediction: (batch, steps, ...), mask: (batch, steps).

    Raises:
        SourceError: While tracing, if the prediction carries no mask.

    Example:
        >>> import keras, lossmith as lm
        >>> output = keras.layers.Masking()(keras.ops.array([[[1.0], [0.0]]]))
        >>> loss = lm.Loss("mae", "b t f, b t f", mask=lm.masks.KerasMask())
        >>> float(loss([[[3.0], [9.0]]], output))
        2.0
    """

    automatic: ClassVar = True
    EXAMPLES = (
        Example([[3.0], [9.0]], [[1.0], [0.0]], [[2.0], [0.0]], axes="b f, b f", masking=True),
    )

    def __call__(self, context: Context) -> Named:
        source = list(context.given)[-1]
        mask = context.sources.keras_mask(source)
        if mask is None and backend.shapes_only():
            return Named(ops.ones((), dtype="bool"), ())
        if mask is None:
            raise SourceError(
                "the prediction carries no Keras mask",
                got=f"{source!r} without a mask",
                expected="a mask from Masking or Embedding(mask_zero=True) that reached the output",
                fix="look for a layer or operation that drops the mask, or use "
                'mask=lm.masks.Lengths("y:lengths")',
            )
        return context.leading_field(mask, "Keras' mask")


@part
class SampleWeight(Mask):
    """Count where Keras' sample weight is not zero.

    For padding that comes as weight 0: the divisor is then the number of real positions.

    Shapes:
        sample_weight: (batch,), (batch, 1), (batch, steps) or (batch, steps, 1), mask: the
            same without axes of length one.

    Raises:
        SourceError: While tracing, if there are no sample weights.

    Example:
        >>> import lossmith as lm
        >>> loss = lm.Loss("mae", "b, b", mask=lm.masks.SampleWeight())
        >>> float(loss([3.0, 3.0], [1.0, 0.0], sample_weight=[1.0, 0.0]))
        2.0
    """

    EXAMPLES = (Example([3.0, 3.0], [1.0, float("nan")], [2.0, 0.0], sample_weight=[1.0, 0.0]),)

    def __call__(self, context: Context) -> Named:
        target = next(iter(context.given))
        weight = context.sources.sample_weight_of(target)
        if weight is None:
            raise SourceError(
                f"{target!r} has no sample weights, and the mask is made of them",
                got=f"sample weights of {listed(context.sources.sample_weight)}",
                expected="an entry for this target",
                fix="give it one, or leave lm.masks.SampleWeight() out of this term",
            )
        return context.leading_field(weight, "sample_weight").map(_true)


def _true(x: Tensor) -> Tensor:
    return ops.not_equal(x, ops.zeros_like(x))


def _of_position(mask: Named, context: Context, join: Callable[..., Tensor]) -> Named:
    """Join the numbers of a position: those along the axes that the error takes as one."""
    places = [mask.position(name) for name in mask.axes if name in context.components]
    kept = tuple(name for name in mask.axes if name not in context.components)
    return Named(join(mask.value, axis=places), kept) if places else mask
