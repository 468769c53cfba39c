"""Tensors that know the names of their axes, and how they meet: by name, never by position."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from keras import ops

from lossmith import backend
from lossmith.core.notation import ELLIPSIS, ONE, TensorAxes
from lossmith.messages import ShapeError

Tensor: TypeAlias = Any
Sizes: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True)
class Named:
    """A tensor and the names of its axes, in order."""

    value: Tensor
    axes: tuple[str, ...]

    def __post_init__(self) -> None:
        """Hold the two together: a name for each axis."""
        if len(self.value.shape) != len(self.axes):
            raise ShapeError(
                "a tensor does not have the axes it is said to have",
                got=f"shape {shape_text(self.value)}",
                expected=f"{len(self.axes)} axes: {axes_text(self.axes)}",
                fix="return a tensor with one axis for each name",
            )

    def map(self, function: Callable[[Tensor], Tensor]) -> Named:
        """Apply a function that keeps the shape."""
        return Named(function(self.value), self.axes)

    def position(self, axis: str) -> int:
        """Return where a named axis stands."""
        return self.axes.index(axis)


def shape_text(x: Tensor) -> str:
    """Write a shape as Keras does: a Python tuple."""
    return str(tuple(x.shape))


def axes_text(axes: Sequence[str]) -> str:
    """Write axes for a message; the ones behind `...` get their place as a number."""
    return " ".join(name.replace(ELLIPSIS, "axis") for name in axes) or "no axes"


def is_integer(x: Tensor) -> bool:
    """Tell integers and booleans from floating point numbers."""
    return "int" in str(x.dtype) or "bool" in str(x.dtype)


def merged(*tensors_axes: Sequence[str]) -> tuple[str, ...]:
    """Return all names: in the order of the first tensor that has them all, else as they come."""
    names = tuple(dict.fromkeys(name for axes in tensors_axes for name in axes))
    whole = (tuple(axes) for axes in tensors_axes if set(axes) == set(names))
    return next(whole, names)


def align(x: Named, axes: Sequence[str]) -> Tensor:
    """Order the axes of `x` as in `axes`, with length one where `x` lacks a name.

    The result broadcasts against any tensor aligned to the same axes. Nothing is copied.
    """
    order = [x.position(name) for name in axes if name in x.axes]
    value = x.value if order == sorted(order) else ops.transpose(x.value, order)
    missing = [place for place, name in enumerate(axes) if name not in x.axes]
    return ops.expand_dims(value, missing) if missing else value


def repeat(x: Named, axes: Sequence[str], sizes: Sizes) -> Tensor:
    """Align `x` and repeat it along the axes it lacks: a broadcast view."""
    value = align(x, axes)
    if set(axes) == set(x.axes):
        return value
    return ops.broadcast_to(value, [sizes[name] for name in axes])


def combine(function: Callable[[Tensor, Tensor], Tensor], a: Named, b: Named) -> Named:
    """Apply an elementwise function to two tensors that meet by name."""
    axes = merged(a.axes, b.axes)
    return Named(function(align(a, axes), align(b, axes)), axes)


def named(x: Tensor, axes: TensorAxes, source: str) -> Named:
    """Put the written axes on a tensor: `1` is dropped, `...` becomes one name an axis."""
    x = backend.with_rank(x, len(axes.items))
    rank, written = len(x.shape), len(axes.items)
    spare = rank - (written - 1) if axes.items[0] == ELLIPSIS else None
    if (spare is None and rank != written) or (spare is not None and spare < 0):
        raise ShapeError(
            f"{source!r} does not have the axes it is said to have",
            got=f"shape {shape_text(x)}",
            expected=f"{written} axes: {axes}" if spare is None else f"at least {written - 1} axes",
            fix=f"write the axes that {source!r} has; 1 stands for an axis of length one",
        )
    names = list(axes.items)
    if spare is not None:
        names[:1] = [f"{ELLIPSIS}{place}" for place in range(spare)]
    ones = [place for place, name in enumerate(names) if name == ONE]
    for place in ones:
        if x.shape[place] not in (1, None):
            raise ShapeError(
                f"{source!r} has an axis of another length where the axes say 1",
                got=f"shape {shape_text(x)} for {axes}",
                expected="length 1",
                fix="give that axis a name",
            )
    value = _without(x, ones, source)
    return Named(value, tuple(name for name in names if name != ONE))


def _without(x: Tensor, ones: list[int], source: str) -> Tensor:
    """Drop axes of length one, held to that at run time where it is unknown while tracing."""
    if any(x.shape[place] is None for place in ones):
        sizes = [1 if place in ones else size for place, size in enumerate(ops.shape(x))]
        error = ShapeError(
            f"{source!r} has an axis of another length where the axes say 1",
            got=f"shape {shape_text(x)} at run time",
            expected="length 1",
            fix="give that axis a name",
        )
        x = backend.hold_shape(x, sizes, str(error))
    if any(x.shape[place] is None for place in ones):  # a KerasTensor
        for place in reversed(ones):
            x = ops.take(x, 0, axis=place)
        return x
    return ops.squeeze(x, ones) if ones else x


@dataclass(frozen=True)
class Binding:
    """The size of each name: a number, or a scalar tensor where it is unknown while tracing.

    Attributes:
        sizes: The sizes.
        owners: The source of the tensor that each size was read from.
    """

    sizes: dict[str, Any]
    owners: dict[str, str]

    def hold(self, tensor: Named, source: str) -> Named:
        """Put a run-time check on the sizes of a tensor that are unknown while tracing."""
        unknown = [
            name
            for name, size in zip(tensor.axes, tensor.value.shape, strict=True)
            if size is None and self.owners[name] != source
        ]
        if not unknown:
            return tensor
        error = ShapeError(
            f"{axes_text(unknown)} has two lengths",
            got=f"{source!r} of shape {shape_text(tensor.value)} at run time",
            expected=f"one length for each name of {axes_text(tensor.axes)}",
            fix="give axes of different lengths different names",
        )
        expected = [self.sizes[name] for name in tensor.axes]
        return tensor.map(lambda value: backend.hold_shape(value, expected, str(error)))


def bind(tensors: Mapping[str, Named]) -> Binding:
    """Find the size of each name.

    Args:
        tensors: The tensors by their source.

    Raises:
        ShapeError: Where one name has two lengths.
    """
    sizes: dict[str, Any] = {}
    owners: dict[str, str] = {}
    for source, tensor in tensors.items():
        for name, size in zip(tensor.axes, tensor.value.shape, strict=True):
            known = sizes.get(name)
            if name not in sizes or (known is None and size is not None):
                sizes[name], owners[name] = size, source
            elif size not in (None, known) and known is not None:
                raise _unequal(tensors, name, owners[name], source)
    for name, size in sizes.items():
        if size is None:
            owner = tensors[owners[name]]
            sizes[name] = ops.shape(owner.value)[owner.position(name)]
    return Binding(sizes, owners)


def line_up(
    tensors: Mapping[str, Tensor], axes: Sequence[TensorAxes]
) -> tuple[dict[str, Named], dict[str, Any]]:
    """Put written axes on tensors, hold them to each other, and return them with all sizes.

    Raises:
        ShapeError: Where a tensor has other axes, or one name has two lengths.
    """
    given = {
        source: named(tensor, written, source)
        for (source, tensor), written in zip(tensors.items(), axes, strict=True)
    }
    binding = bind(given)
    held = {source: binding.hold(tensor, source) for source, tensor in given.items()}
    return held, binding.sizes


def _unequal(tensors: Mapping[str, Named], name: str, first: str, second: str) -> ShapeError:
    shapes = ", ".join(
        f"{source!r} {shape_text(tensors[source].value)} as {axes_text(tensors[source].axes)}"
        for source in (first, second)
    )
    return ShapeError(
        f"{axes_text([name])} has two lengths",
        got=shapes,
        expected=f"one length for {axes_text([name])} wherever it stands",
        fix=f"give one of the two axes a name of its own, or make {first!r} and {second!r} "
        "equally long",
    )
