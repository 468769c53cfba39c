"""From aligned inputs to errors, with positions that do not count made inert."""

from __future__ import annotations

from functools import reduce as fold

from keras import ops

from lossmith import backend
from lossmith.core.axes import Named, Tensor, align, axes_text, is_integer, repeat, shape_text
from lossmith.core.context import Context
from lossmith.core.kinds import Difference, Error
from lossmith.messages import ShapeError


def guard(context: Context, mask: Named, error: Error, axes: tuple[str, ...]) -> dict[str, Named]:
    """Replace the inputs, where they do not count, by values that are legal for the error."""
    inner = set(mask.axes) - set(axes)
    if inner and not error.flattens:
        raise ShapeError(
            f"the mask has {axes_text(sorted(inner))!r}, which the error consumes",
            got=f"a mask over {axes_text(mask.axes)}",
            expected=f"a mask over {axes_text(axes)}",
            fix="leave the consumed axis out of the mask",
        )
    sources = list(context.inputs)
    return {
        source: _filled(context.inputs[source], mask, fill)
        for source, fill in zip(sources, _padded(error.fill, len(sources)), strict=True)
    }


def evaluate(
    error: Error,
    context: Context,
    axes: tuple[str, ...],
    mask: Named | None,
    scales: tuple[Named, ...],
) -> Named:
    """Return the error of each element, exactly 0 where it does not count."""
    if isinstance(error, Difference):
        return _difference(error, context, axes, mask, scales)
    inputs = context.inputs if mask is None else guard(context, mask, error, axes)
    tensors = [_prepared(error, x, axes, scales, context) for x in inputs.values()]
    values = error(*tensors)
    _check_result(error, values, axes, context)
    if mask is not None:
        counted = align(outer(mask, axes), axes)
        values = ops.where(counted, values, 0.0)
    return Named(values, axes)


def outer(mask: Named, axes: tuple[str, ...]) -> Named:
    """Return the mask of the elements: an element counts if any position inside it does."""
    places = [mask.position(name) for name in mask.axes if name not in axes]
    kept = tuple(name for name in mask.axes if name in axes)
    return Named(ops.any(mask.value, axis=places), kept) if places else mask


def _difference(
    error: Difference,
    context: Context,
    axes: tuple[str, ...],
    mask: Named | None,
    scales: tuple[Named, ...],
) -> Named:
    target, prediction = (align(x, axes) for x in context.inputs.values())
    difference = fold(ops.multiply, (align(scale, axes) for scale in scales), prediction - target)
    if mask is not None:
        difference = ops.where(align(mask, axes), difference, 0.0)
    return Named(error.penalty(difference), axes)


def _prepared(
    error: Error, x: Named, axes: tuple[str, ...], scales: tuple[Named, ...], context: Context
) -> Tensor:
    consumed = tuple(name for name in context.consumed if name in x.axes)
    order = (*axes, *consumed)
    value = repeat(x, order, context.sizes)
    for scale in scales:
        value = value * align(scale, order)
    if error.flattens:
        return ops.reshape(value, (*ops.shape(value)[: len(axes)], -1))
    return value


def _filled(x: Named, mask: Named, fill: float) -> Named:
    axes = (*x.axes, *(name for name in mask.axes if name not in x.axes))
    value = align(x, axes)
    other = ops.full_like(value, int(fill)) if is_integer(value) else fill
    return Named(ops.where(align(mask, axes), value, other), axes)


def _padded(fills: tuple[float, ...], count: int) -> tuple[float, ...]:
    return (*(fills[:1] * (count - 1)), fills[-1]) if count != len(fills) else fills


def _check_result(error: Error, values: Tensor, axes: tuple[str, ...], context: Context) -> None:
    expected = tuple(context.sizes[name] for name in axes)
    known = len(values.shape) == len(axes) and all(
        size is None or not isinstance(wanted, int) or size == wanted
        for size, wanted in zip(values.shape, expected, strict=True)
    )
    if not known:
        raise ShapeError(
            f"{error.label} does not return one error for each element",
            got=f"shape {shape_text(values)}",
            expected=f"the axes {axes_text(axes)}",
            fix="return un-reduced errors, or put [ ] around the axes that it reduces",
        )
    if backend.keras_mask(values) is not None:
        raise ShapeError(
            f"{error.label} masks its result by itself",
            got="a Keras mask on the errors",
            expected="errors at all positions, and the mask given to the loss",
            fix="leave ignore_class out, and write mask=lm.masks.NotEqual(-1)",
        )
