"""What parts see while a loss is computed: named tensors, selected, with their sizes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from keras import ops

from lossmith.core.axes import Named, Tensor, axes_text, bind, named, shape_text
from lossmith.core.notation import ELLIPSIS, parse_tensor
from lossmith.core.sources import Sources
from lossmith.messages import NotationError, ShapeError, listed


@dataclass(frozen=True)
class Context:
    """The tensors of one call of a loss.

    Attributes:
        sources: Everything that can be asked for by name.
        given: The inputs of the error function by source, the prediction last, as given.
        inputs: The same, selected, adjusted, in the loss's dtype.
        leading: The axes of the prediction that are not consumed, before any selection.
        consumed: The axes that the error function consumes.
        components: Those of them along which the numbers of one position lie, such as classes.
        sizes: The length of each axis, before any selection.
        select: What to do with a tensor that may have a selected axis.
        dtype: What floating point numbers are computed in.
    """

    sources: Sources
    given: Mapping[str, Named]
    inputs: Mapping[str, Named]
    leading: tuple[str, ...]
    consumed: tuple[str, ...]
    components: tuple[str, ...]
    sizes: dict[str, Any]
    dtype: str
    select: Callable[[Named], Named] = lambda x: x

    @property
    def target(self) -> Named:
        """The first input."""
        return next(iter(self.inputs.values()))

    @property
    def prediction(self) -> Named:
        """The last input."""
        return list(self.inputs.values())[-1]

    @property
    def given_prediction(self) -> Named:
        """The prediction as it was given."""
        return list(self.given.values())[-1]

    def replace(self, **changes: Any) -> Context:
        """Return a context with some attributes changed."""
        return dataclasses.replace(self, **changes)

    def field(self, source: str, axes: str | None = None) -> Named:
        """Return the tensor of any source with its axes, selected, in its own dtype.

        An input of the error function has the axes that the loss gives it; another tensor
        has `axes`, or else the prediction's leading axes.
        """
        if axes is None and source in self.given:
            return self.select(self.given[source])
        tensor = self.sources.tensor(source)
        if axes is None:
            return self.leading_field(tensor, source)
        return self.constant(tensor, axes, source)

    def constant(self, tensor: Tensor, axes: str, what: str) -> Named:
        """Put written axes on a tensor, and select."""
        return self._held(named(tensor, parse_tensor(axes, axes), what), what)

    def leading_field(self, tensor: Tensor, source: str) -> Named:
        """Put the prediction's leading axes on a tensor, and select.

        Axes of length one at the end that the prediction does not have are dropped, so that
        `(B, 1)` weighs samples and `(B, T, 1)` weighs steps.
        """
        rank = len(tensor.shape)
        kept = rank
        while kept > 1 and tensor.shape[kept - 1] == 1 and not self._has_one(kept - 1):
            kept -= 1
        if kept > len(self.leading):
            raise ShapeError(
                f"{source!r} has more axes than there are elements",
                got=f"shape {shape_text(tensor)}",
                expected=f"some or all of the leading axes {axes_text(self.leading)}",
                fix="leave out the axes that the error function consumes",
            )
        value = ops.squeeze(tensor, list(range(kept, rank))) if kept < rank else tensor
        return self._held(Named(value, self.leading[:kept]), source)

    def positions(self, axis: str | None) -> Named:
        """Return the place of each position along an axis, selected: 0, 1, 2, ...

        With None, the axis is the second of the prediction.
        """
        axis = self.axis(axis)
        if self.sizes[axis] is None:
            return self.select(self._symbolic_positions(axis))
        return self.select(Named(ops.arange(self.sizes[axis], dtype="int32"), (axis,)))

    def length(self, axis: str) -> Any:
        """Return how many positions an axis has before any selection."""
        if self.sizes[axis] is None:
            return ops.max(self._symbolic_positions(axis).value) + 1
        return self.sizes[axis]

    def axis(self, axis: str | None) -> str:
        """Return an axis that is there: `axis`, or by default the prediction's second."""
        prediction = self.given_prediction.axes
        if axis is None and len(prediction) > 1:
            return prediction[1]
        if axis is None or axis not in self.sizes:
            raise ShapeError(
                "there is no such axis",
                got="no axis named, and a prediction without a second axis"
                if axis is None
                else f"axis={axis!r}",
                expected=f"one of the axes: {axes_text(tuple(self.sizes))}",
                fix='name the axes of the loss, as in axes="b t, b t"',
            )
        return axis

    def _symbolic_positions(self, axis: str) -> Named:
        """Count along a tensor, where an axis of a `KerasTensor` has no size yet."""
        x = next(tensor for tensor in self.given.values() if axis in tensor.axes)
        place = x.position(axis)
        ran = ops.cumsum(ops.ones_like(x.value, dtype="int32"), axis=place) - 1
        others = [other for other in range(len(x.axes)) if other != place]
        return Named(ops.max(ran, axis=others) if others else ran, (axis,))

    def _has_one(self, place: int) -> bool:
        return place < len(self.leading) and self.sizes[self.leading[place]] == 1

    def _held(self, found: Named, source: str) -> Named:
        unknown = [name for name in found.axes if name not in self.sizes]
        if unknown:
            known = [name for name in self.sizes if not name.startswith(ELLIPSIS)]
            raise NotationError(
                f"{source!r} has an axis {axes_text(unknown)!r} that the loss does not have",
                got=f"axes {axes_text(found.axes)}",
                expected=f"names among {listed(known)}",
                fix='name the axes of the loss alike, as in axes="b t, b t"',
            )
        others = {key: tensor for key, tensor in self.given.items() if key != source}
        return self.select(bind({**others, source: found}).hold(found, source))
