"""The one way through the code: sources, axes, select, adjust, mask, error, weight, reduce."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import reduce as fold
from typing import Any

import keras
from keras import ops

from lossmith import backend
from lossmith.core.axes import (
    Named,
    Tensor,
    axes_text,
    combine,
    is_integer,
    line_up,
    merged,
)
from lossmith.core.context import Context
from lossmith.core.counted import counted_alone
from lossmith.core.elements import Elements, Ratio
from lossmith.core.evaluate import evaluate, guard, outer
from lossmith.core.kinds import Adjust, Difference, Error, Mask, Select, Weight
from lossmith.core.layout import default_axes
from lossmith.core.notation import Axes
from lossmith.core.positions import Positions
from lossmith.core.reduce import Reduction
from lossmith.core.sources import Sources
from lossmith.messages import ShapeError

_AUTOMATIC = "sample_weight"


@dataclass(frozen=True)
class Pipeline:
    """Everything a loss is, apart from its name.

    Attributes:
        error: The error function.
        axes: The axes of the inputs; None: equal shapes.
        of: The sources of the inputs, the prediction last.
        select: Choices of positions.
        adjust: Changes of the prediction.
        mask: Which positions count, besides Keras' automatic mask.
        weights: How much they count, besides Keras' sample weights.
        reduce: How elements become a number.
        dtype: What to compute in; None: the prediction's dtype, at least float32.
    """

    error: Error
    axes: Axes | None
    of: tuple[str, ...]
    select: tuple[Select, ...]
    adjust: tuple[Adjust, ...]
    mask: Mask | None
    weights: tuple[Weight, ...]
    reduce: Reduction
    dtype: str | None

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of all tensors that it asks for."""
        parts = (*self.select, *self.weights, *((self.mask,) if self.mask else ()))
        return (*self.of, *(source for part in parts for source in part.sources))

    def divisor_moves(self, *, masked: bool) -> bool:
        """Tell whether the data decides what it divides by; `masked`: by a mask of Keras too."""
        words = {step.word for step in self.reduce.steps}
        masked = masked or self.mask is not None
        return "weighted_mean" in words or (masked and "mean" in words)

    def ratio(self, sources: Sources) -> Ratio:
        """Return the reduced loss before its division."""
        found = self.positions(sources)
        if isinstance(self.error, Difference) and self.reduce.at_once:
            found = counted_alone(found)
        ratio = self.reduce(self._elements(found))
        if self._of_samples or ratio.count is not None:
            return ratio
        return Ratio(ratio.sum / backend.replicas(), None)  # each replica has all of the weights

    def elements(self, sources: Sources) -> Elements:
        """Return the un-reduced loss.

        Raises:
            LossmithError: Where tensors do not line up, or one is not there.
        """
        return self._elements(self.positions(sources))

    def _elements(self, found: Positions) -> Elements:
        values = evaluate(self.error, found.context, found.axes, found.mask, found.scales)
        return Elements(values, found.counted, found.weights, found.context.sizes)

    def positions(self, sources: Sources) -> Positions:
        """Return where the loss is computed, and how much that counts, before any error is.

        Raises:
            LossmithError: Where tensors do not line up, or one is not there.
        """
        context = self._open(sources)
        axes = self._element_axes(context)
        mask = self._mask(context, axes)
        safe = self._safe(context, mask, axes)
        scales = [self._weight(w(safe), context, mask, axes) for w in self.weights if w.inside]
        weights = [self._weight(w(safe), context, mask, axes) for w in self.weights if not w.inside]
        if sources.sample_weight is not None and self._of_samples:
            given = sources.sample_weight_of(self.of[0])
            if given is not None:
                given = context.leading_field(given, _AUTOMATIC)
                weights.append(self._weight(given, context, mask, axes))
        sizes = _sizes(context.inputs.values(), context.sizes)
        return Positions(context.replace(sizes=sizes), axes, mask, tuple(scales), tuple(weights))

    @property
    def _of_samples(self) -> bool:
        """Whether the first axis is the batch, which it is not for weights of a model."""
        return not self.of[-1].startswith("weights:")

    def _open(self, sources: Sources) -> Context:
        tensors = {source: sources.tensor(source) for source in self.of}
        axes = self.axes or default_axes(self.error, tensors)
        given, sizes = line_up(tensors, axes.inputs)
        prediction = given[self.of[-1]]
        chosen = [part.axis_of(prediction.axes, axes.consumed) for part in self.select]
        gone = {axis for axis, part in zip(chosen, self.select, strict=True) if not part.keeps}
        consumed = tuple(name for name in axes.consumed if name not in gone)
        context = Context(
            sources=sources,
            given=given,
            inputs=given,
            leading=tuple(name for name in prediction.axes if name not in consumed),
            consumed=consumed,
            components=() if self.error.flattens else consumed,
            sizes=sizes,
            dtype=self.dtype or at_least_float32(prediction.value),
        )
        for part, axis in zip(self.select, chosen, strict=True):
            context = context.replace(select=_then(context, part, context.axis(axis)))
        return self._prepared(context)

    def _prepared(self, context: Context) -> Context:
        inputs = {
            source: context.select(tensor).map(self._cast(context.dtype))
            for source, tensor in context.given.items()
        }
        for part in self.adjust:
            inputs[self.of[-1]] = inputs[self.of[-1]].map(part)
        return context.replace(inputs=inputs)

    def _cast(self, dtype: str) -> Callable[[Tensor], Tensor]:
        def cast(x: Tensor) -> Tensor:
            return x if self.error.integer_targets and is_integer(x) else ops.cast(x, dtype)

        return cast

    def _element_axes(self, context: Context) -> tuple[str, ...]:
        order = [context.prediction, *context.inputs.values()]
        kept = [tuple(n for n in x.axes if n not in context.consumed) for x in order]
        axes = merged(*kept)
        if self.axes is None or self.axes.result is None:
            return axes
        return tuple(name for name in self.axes.result.items if name in axes)

    def _mask(self, context: Context, axes: tuple[str, ...]) -> Named | None:
        asked = self.mask.parts if self.mask else ()
        masks = [self.mask(context)] if self.mask else []
        automatic = context.sources.keras_mask(self.of[-1]) if self._of_samples else None
        if automatic is not None and not any(mask.automatic for mask in asked):
            masks.append(context.leading_field(automatic, "Keras' mask"))
        for mask in masks:
            check_known(mask, (*axes, *context.consumed), "the mask")
        return fold(lambda a, b: combine(ops.logical_and, a, b), masks) if masks else None

    def _safe(self, context: Context, mask: Named | None, axes: tuple[str, ...]) -> Context:
        if mask is None or not self.weights:
            return context
        return context.replace(inputs=guard(context, mask, self.error, axes))

    def _weight(
        self, weight: Named, context: Context, mask: Named | None, axes: tuple[str, ...]
    ) -> Named:
        check_known(weight, axes, "a weight")
        weight = weight.map(lambda x: ops.stop_gradient(ops.cast(x, context.dtype)))
        if mask is None:
            return weight
        counted = outer(mask, weight.axes)
        return combine(lambda m, w: ops.where(m, w, ops.zeros_like(w)), counted, weight)


def _then(context: Context, part: Select, axis: str) -> Callable[[Named], Named]:
    def selected(x: Named) -> Named:
        x = context.select(x)
        return part(x, axis, context) if axis in x.axes else x

    return selected


def _sizes(tensors: Iterable[Named], before: dict[str, Any]) -> dict[str, Any]:
    sizes = dict(before)
    for tensor in tensors:
        for name, size, shape in zip(
            tensor.axes, tensor.value.shape, ops.shape(tensor.value), strict=True
        ):
            sizes[name] = size if size is not None else shape
    return sizes


def check_known(x: Named, axes: tuple[str, ...], what: str) -> None:
    """Refuse a mask or a weight over axes that the elements do not have."""
    unknown = [name for name in x.axes if name not in axes]
    if unknown:
        raise ShapeError(
            f"{what} has an axis that the elements do not have",
            got=f"{what} over {axes_text(x.axes)}",
            expected=f"some or all of {axes_text(axes)}",
            fix=f"take {axes_text(unknown)} out of it, or put it into the axes of the loss",
        )


def at_least_float32(prediction: Tensor) -> str:
    """Return what a loss of a prediction is computed in."""
    dtype = keras.backend.standardize_dtype(prediction.dtype)
    return "float64" if dtype == "float64" else "float32"
