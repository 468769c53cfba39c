"""From sources to the losses of samples, where two sequences have lengths of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce as fold
from typing import Any

import numpy as np
from keras import ops

from lossmith import backend
from lossmith.core.axes import (
    Named,
    Tensor,
    align,
    combine,
    is_integer,
    line_up,
    repeat,
)
from lossmith.core.context import Context
from lossmith.core.elements import Elements, Ratio
from lossmith.core.kinds import Mask
from lossmith.core.notation import Axes
from lossmith.core.paths.order import counted_first
from lossmith.core.pipeline import at_least_float32, check_known
from lossmith.core.reduce import Reduction
from lossmith.core.sources import Sources
from lossmith.messages import ShapeError

Losses = Callable[[Sequence[Tensor], Sequence[Tensor]], tuple[Tensor, Tensor | None]]


@dataclass(frozen=True)
class Sequences:
    """The tensors of one call.

    Attributes:
        context: What masks see.
        inputs: The inputs by source. What a mask leaves out stands behind what counts.
        lengths: How many positions count, (batch,) integers, by path axis.
        counted: Which samples have any position; None: no lengths are given, and all have.
    """

    context: Context
    inputs: dict[str, Named]
    lengths: dict[str, Tensor]
    counted: Tensor | None


@dataclass(frozen=True)
class PathPipeline:
    """Everything a path loss is, apart from its name.

    Attributes:
        axes: The axes of the inputs, those of the prediction last.
        of: The sources of the inputs, the prediction last.
        lengths: How long each sequence is, by its axis: a source of lengths, or a mask.
        reduce: How the losses of samples become a number.
        dtype: What to compute in; None: the prediction's dtype, at least float32.
        losses: The loss of each sample from the inputs and the lengths of all path axes. With it
            comes which samples count; None: all.
    """

    axes: Axes
    of: tuple[str, ...]
    lengths: Mapping[str, Any]
    reduce: Reduction
    dtype: str | None
    losses: Losses

    @property
    def batch(self) -> str:
        """The axis of samples."""
        return self.axes.inputs[-1].names[0]

    @property
    def paths(self) -> tuple[str, ...]:
        """The axes that have lengths, the target's first: neither the batch nor consumed."""
        names = dict.fromkeys(name for tensor in self.axes.inputs for name in tensor.leading)
        return tuple(name for name in names if name != self.batch)

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of all tensors that it asks for."""
        given = self.lengths.values()
        of_masks = (s for mask in given if isinstance(mask, Mask) for s in mask.sources)
        return (*self.of, *(source for source in given if isinstance(source, str)), *of_masks)

    def divisor_moves(self, *, masked: bool) -> bool:
        """Tell whether the data decides what it divides by; `masked`: by a mask of Keras too."""
        words = {step.word for step in self.reduce.steps}
        return "weighted_mean" in words or (bool(self.lengths or masked) and "mean" in words)

    def ratio(self, sources: Sources) -> Ratio:
        """Return the reduced loss before its division."""
        return self.reduce(self.elements(sources))

    def elements(self, sources: Sources) -> Elements:
        """Return the losses that `reduce` takes.

        Along the path axes that it names, the loss of a sample stands at the first position, and
        the others only count. A sample without positions counts as if it had one.

        Raises:
            LossmithError: Where tensors do not line up, or one is not there.
        """
        given = self._sequences(self._open(sources))
        samples = self._samples(given)
        values, mask = samples.values, samples.mask
        for axis in (name for name in self.paths if name in self.reduce.names):
            position = given.context.positions(axis)
            values = combine(_at_first, values, position)
            length = Named(ops.maximum(given.lengths[axis], 1), (self.batch,))
            inside = combine(ops.greater, length, position)
            mask = inside if mask is None else combine(ops.logical_and, mask, inside)
        return replace(samples, values=values, mask=mask)

    def samples(self, sources: Sources) -> Elements:
        """Return the loss of each sample, with weights.

        Raises:
            LossmithError: Where tensors do not line up, or one is not there.
        """
        return self._samples(self._sequences(self._open(sources)))

    def _open(self, sources: Sources) -> Context:
        tensors = {source: sources.tensor(source) for source in self.of}
        given, sizes = line_up(tensors, self.axes.inputs)
        prediction = given[self.of[-1]]
        consumed = self.axes.consumed
        dtype = self.dtype or at_least_float32(prediction.value)
        return Context(
            sources=sources,
            given=given,
            inputs={
                source: x if is_integer(x.value) else x.map(lambda v: ops.cast(v, dtype))
                for source, x in given.items()
            },
            leading=tuple(name for name in prediction.axes if name not in consumed),
            consumed=consumed,
            components=consumed,
            sizes=sizes,
            dtype=dtype,
        )

    def _sequences(self, context: Context) -> Sequences:
        inputs = dict(context.inputs)
        lengths: dict[str, Tensor] = {}
        for axis in self.paths:
            lengths[axis] = self._length(context, axis)
            masks = self._masks(context, axis)
            if masks:
                within = combine(
                    ops.greater, Named(lengths[axis], (self.batch,)), context.positions(axis)
                )
                mask = fold(lambda a, b: combine(ops.logical_and, a, b), [within, *masks])
                inputs = {source: _closed_up(x, mask, axis) for source, x in inputs.items()}
                whole = repeat(mask, (self.batch, axis), context.sizes)
                lengths[axis] = ops.sum(ops.cast(whole, "int32"), axis=1)
        given = self.lengths or context.sources.keras_mask(self.of[-1]) is not None
        counted = fold(ops.maximum, lengths.values()) > 0 if given else None
        return Sequences(context, inputs, lengths, counted)

    def _length(self, context: Context, axis: str) -> Tensor:
        """Return the lengths that are given, or how long the axis is."""
        source = self.lengths.get(axis)
        if isinstance(source, str):
            samples = context.replace(leading=(self.batch,))
            lengths = ops.cast(samples.field(source).value, "int32")
            _check_lengths(lengths, context.sizes[axis], axis, source)
            return lengths
        x = context.prediction
        first = align(x, (self.batch, *(name for name in x.axes if name != self.batch)))
        zeros = ops.zeros_like(first[(slice(None), *(0 for _ in x.axes[1:]))], "int32")
        return zeros + ops.cast(context.length(axis), "int32")

    def _masks(self, context: Context, axis: str) -> list[Named]:
        given = self.lengths.get(axis)
        masks = [given(context)] if isinstance(given, Mask) else []
        told = isinstance(given, Mask) and any(part.automatic for part in given.parts)
        if axis == context.leading[1] and not told:
            automatic = context.sources.keras_mask(self.of[-1])
            if automatic is not None:
                masks.append(context.leading_field(automatic, "Keras' mask"))
        for mask in masks:
            check_known(mask, (self.batch, axis), f"the mask along {axis!r}")
        return masks

    def _samples(self, given: Sequences) -> Elements:
        """Compute the losses; they are NaN for lengths beyond the arrays."""
        sizes = given.context.sizes
        lengths = [ops.clip(n, 0, sizes[axis]) for axis, n in given.lengths.items()]
        inputs = [self._ordered(x) for x in given.inputs.values()]
        values, counted = self.losses(inputs, lengths)
        for clipped, asked in zip(lengths, given.lengths.values(), strict=True):
            values = ops.where(clipped == asked, values, float("nan"))
        masks = [mask for mask in (given.counted, counted) if mask is not None]
        mask = fold(ops.logical_and, masks) if masks else None
        return Elements(
            Named(values if mask is None else ops.where(mask, values, 0.0), (self.batch,)),
            None if mask is None else Named(mask, (self.batch,)),
            self._weights(given, mask),
            given.context.sizes,
        )

    def _ordered(self, x: Named) -> Tensor:
        """Put the batch first and the consumed axes last."""
        paths = tuple(name for name in x.axes if name in self.paths)
        consumed = tuple(name for name in x.axes if name in self.axes.consumed)
        return align(x, (self.batch, *paths, *consumed))

    def _weights(self, given: Sequences, counted: Tensor | None) -> tuple[Named, ...]:
        sources = given.context.sources
        if sources.sample_weight is None:
            return ()
        weight = sources.sample_weight_of(self.of[0])
        if weight is None:
            return ()
        samples = given.context.replace(leading=(self.batch,))
        named = samples.leading_field(weight, "sample_weight")
        named = named.map(lambda x: ops.stop_gradient(ops.cast(x, given.context.dtype)))
        if counted is not None:
            named = named.map(lambda x: ops.where(counted, x, 0.0))
        return (named,)


def _at_first(values: Tensor, position: Tensor) -> Tensor:
    return ops.where(position == 0, values, 0.0)


def _closed_up(x: Named, mask: Named, axis: str) -> Named:
    """Move the positions that count to the front, in their order."""
    if axis not in x.axes:
        return x
    batch = mask.axes[0]
    others = tuple(name for name in x.axes if name not in (batch, axis))
    value = align(x, (batch, axis, *others))
    counted = align(mask, (batch, axis))
    order = counted_first(counted)
    order = ops.reshape(order, (*ops.shape(order), *(1 for _ in others)))
    return Named(ops.take_along_axis(value, order, axis=1), (batch, axis, *others))


def _check_lengths(lengths: Tensor, size: Any, axis: str, source: str) -> None:
    """Refuse lengths that the arrays do not have, where they are known."""
    if not backend.known(lengths) or not isinstance(size, int):
        return
    values = np.asarray(backend.to_numpy(lengths))
    if np.any((values < 0) | (values > size)):
        raise ShapeError(
            f"a length lies outside the axis {axis!r}",
            got=f"lengths {values.tolist()} in {source!r}"[:200],
            expected=f"numbers from 0 to {size}, how long the axis is",
            fix="count the positions before padding and after any layer that shortens the "
            f"sequence, as in lengths={{{axis!r}: {source!r}}} with {source!r} at most {size}",
        )
