"""Weights that are given: by class, by step, by element, as a field."""

from __future__ import annotations

from typing import Any

from keras import ops

from lossmith.core.axes import Named
from lossmith.core.context import Context
from lossmith.core.kinds import Weight
from lossmith.core.notation import parse_tensor
from lossmith.core.ops import class_weight_for
from lossmith.core.part import Example, number, numbers, part
from lossmith.core.sources import check_source
from lossmith.messages import ArgumentError, ShapeError

_ENDS = 2


@part
class ByClass(Weight):
    """Weigh each position by the class of its target.

    The class axis is the one that the error consumes, wherever it stands. A dense target gives
    the mean of the weights under it. Labels are integers, or 0 and 1 for two classes.

    Args:
        values: One weight a class.
        inside: Multiply target and prediction before the error instead.

    Shapes:
        target: (...) integers or (..., classes), weight: (...).

    Raises:
        ArgumentError: If `values` is not a list of finite numbers.

    Example:
        >>> import lossmith as lm
        >>> loss = lm.Loss("mae", "b, b", weights=lm.weights.ByClass([1.0, 3.0]))
        >>> float(loss([0.0, 1.0], [1.0, 0.0]))
        2.0
    """

    values: Any
    EXAMPLES = (
        Example([0.0, 1.0], [1.0, 0.0], [1.0, 3.0], config={"values": [1.0, 3.0]}),
        Example(
            [[0.0, 1.0], [0.5, 0.5]],
            [[0.5, 0.5], [0.5, 0.5]],
            [2.0794415, 1.3862944],
            config={"values": [1.0, 3.0]},
            axes="b [c], b [c]",
            error="categorical_crossentropy",
        ),
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", numbers(self.values, "values"))

    def __call__(self, context: Context) -> Named:
        target = context.target
        values = ops.convert_to_tensor(self.values, dtype=context.dtype)
        consumed = [name for name in target.axes if name in context.consumed]
        if not consumed:
            return target.map(lambda x: class_weight_for(ops.cast(x, "int32"), values))
        place = target.position(consumed[0])
        if target.value.shape[place] != len(self.values):
            raise ShapeError(
                "there is not one weight for each class",
                got=f"{len(self.values)} weights for {target.value.shape[place]} classes",
                expected=f"as many weights as {consumed[0]!r} is long",
                fix="give ByClass one number a class",
            )
        dense = ops.cast(ops.moveaxis(target.value, place, -1), context.dtype)
        left = tuple(name for name in target.axes if name != consumed[0])
        return Named(class_weight_for(dense, values), left)


@part
class ByStep(Weight):
    """Weigh each position by its place along an axis.

    Give one of `values`, `linear` and `exponential`.

    Args:
        values: One weight a step.
        linear: The weights of the first and the last step, with a straight line between.
        exponential: The factor from each step to the next, from 1 at the first step.
        axis: The axis of steps; None: the second axis of the prediction.
        inside: Multiply target and prediction before the error instead.

    Shapes:
        weight: (steps,).

    Raises:
        ArgumentError: If not exactly one of the three is given, or it is not of finite numbers.
        ShapeError: While tracing, if `values` is not as long as the axis.

    Example:
        >>> import lossmith as lm
        >>> loss = lm.Loss("mae", "b t, b t", weights=lm.weights.ByStep(exponential=0.5))
        >>> float(loss([[1.0, 1.0]], [[0.0, 0.0]]))
        0.75
    """

    values: Any = None
    linear: Any = None
    exponential: float | None = None
    axis: str | None = None
    EXAMPLES = (
        Example([[1.0, 1.0]], [[0.0, 0.0]], [[3.0, 5.0]], {"values": [3.0, 5.0]}, "b t, b t"),
        Example([[1.0] * 3], [[0.0] * 3], [[1.0, 0.75, 0.5]], {"linear": (1.0, 0.5)}, "b t, b t"),
        Example([[1.0] * 3], [[0.0] * 3], [[1.0, 0.5, 0.25]], {"exponential": 0.5}, "b t, b t"),
    )

    def __post_init__(self) -> None:
        given = [x for x in (self.values, self.linear, self.exponential) if x is not None]
        if len(given) != 1:
            raise ArgumentError(
                "ByStep needs one way to weigh steps",
                got=f"{len(given)} of values, linear and exponential",
                expected="one of them",
                fix="write lm.weights.ByStep(exponential=0.9)",
            )
        for name in ("values", "linear"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, numbers(getattr(self, name), name))
        if self.linear is not None and len(self.linear) != _ENDS:
            raise ArgumentError(
                "linear takes the weights of the first and the last step",
                got=f"linear={self.linear}",
                expected="two numbers",
                fix="write linear=(1.0, 0.2)",
            )
        if self.exponential is not None:
            number(self.exponential, "exponential", low=0.0)

    def __call__(self, context: Context) -> Named:
        axis = context.axis(self.axis)
        steps = context.sizes[axis]
        at = context.positions(axis)
        if self.values is not None:
            if isinstance(steps, int) and steps != len(self.values):
                raise ShapeError(
                    "there is not one weight for each step",
                    got=f"{len(self.values)} weights for {steps} steps along {axis!r}",
                    expected="as many weights as there are steps",
                    fix="give ByStep one number a step, or linear= or exponential=",
                )
            values = ops.convert_to_tensor(self.values, dtype=context.dtype)
            return at.map(lambda place: class_weight_for(place, values))
        place = at.map(lambda x: ops.cast(x, context.dtype))
        if self.exponential is not None:
            base = ops.convert_to_tensor(self.exponential, dtype=context.dtype)
            return place.map(lambda x: ops.power(base, x))
        first, last = self.linear
        span = ops.maximum(ops.cast(context.length(axis), context.dtype) - 1.0, 1.0)
        return place.map(lambda x: first + (last - first) * x / span)


@part
class ByElement(Weight):
    """Weigh positions by a given array with named axes.

    Args:
        values: The weights.
        axes: Their axes, among those of the loss, as in `"t k"`.
        inside: Multiply target and prediction before the error instead.

    Shapes:
        weight: over `axes`.

    Raises:
        ArgumentError: If `values` is not an array of finite numbers over `axes`.
        NotationError: While tracing, if the loss does not have the axes.
        ShapeError: While tracing, if the array is not as long as the axes.

    Example:
        >>> import lossmith as lm
        >>> weights = lm.weights.ByElement([1.0, 3.0], "k")
        >>> float(lm.Loss("mae", "b k, b k", weights=weights)([[1.0, 1.0]], [[0.0, 0.0]]))
        2.0
    """

    values: Any
    axes: str
    EXAMPLES = (
        Example(
            [[1.0, 1.0]],
            [[0.0, 0.0]],
            [[1.0, 3.0]],
            {"values": [1.0, 3.0], "axes": "k"},
            "b k, b k",
        ),
        Example(
            [[3.0, 3.0]],
            [[1.0, 0.0]],
            [[16.0, 9.0]],
            {"values": [2.0, 1.0], "axes": "k", "inside": True},
            "b k, b k",
            error="mse",
        ),
    )

    def __post_init__(self) -> None:
        ndim = len(parse_tensor(self.axes, self.axes).items)
        object.__setattr__(self, "values", numbers(self.values, "values", ndim=ndim))

    def __call__(self, context: Context) -> Named:
        values = ops.convert_to_tensor(self.values, dtype=context.dtype)
        return context.constant(values, self.axes, "ByElement")


@part
class Field(Weight):
    """Weigh positions by a tensor of the step.

    Args:
        source: The tensor.
        axes: Its axes; None: the prediction's leading ones.
        inside: Multiply target and prediction before the error instead.

    Shapes:
        tensor: over some or all of the axes of the elements, weight: the same.

    Example:
        >>> import lossmith as lm
        >>> loss = lm.Loss("mae", "b, b", weights=lm.weights.Field("y:weight"))
        >>> float(loss({"y": [1.0, 1.0], "weight": [1.0, 3.0]}, [0.0, 0.0]))
        2.0
    """

    source: str
    axes: str | None = None
    EXAMPLES = (
        Example(
            {"y": [1.0, 1.0], "weight": [1.0, 3.0]},
            [0.0, 0.0],
            [1.0, 3.0],
            config={"source": "y:weight"},
        ),
    )

    def __post_init__(self) -> None:
        check_source(self.source)

    def __call__(self, context: Context) -> Named:
        return context.field(self.source, self.axes)
