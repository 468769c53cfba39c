"""`lm.Loss`: an error with its axes, mask, weights and reduction, as a Keras loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from lossmith.core.kinds import Adjust, Error, Mask, Select, Weight, options
from lossmith.core.layout import check_axes
from lossmith.core.notation import Axes, parse_axes
from lossmith.core.part import Part
from lossmith.core.pipeline import Pipeline
from lossmith.core.reduce import parse_reduce
from lossmith.core.sources import check_source
from lossmith.losses._single import Single, checked_dtype
from lossmith.messages import ArgumentError, NotationError, listed
from lossmith.parts.errors._given import resolve_error


@keras.saving.register_keras_serializable("lossmith")
class Loss(Single[Pipeline]):
    """A loss put together from parts that meet by named axes.

    The value is a sum over the positions that count, divided once by their number. Keras'
    `sample_weight` multiplies the error; Keras' automatic mask removes positions. Integer
    targets stay integers; floating point numbers are computed in at least float32. At a masked
    position the target and the prediction may be anything, NaN included: value and gradient are
    those of the loss without that position.

    Args:
        error: How wrong a prediction is: a name as in Keras, a part of `lm.errors`, a Keras
            loss, or a registered function from target and prediction to un-reduced errors.
        axes: The axes of each input, as in `"b t, b t [c]"`: a name has one length wherever it
            stands, an axis that one input lacks repeats it, names in `[ ]` are consumed by the
            error. None: equal shapes, apart from the class axis of sparse labels.
        of: Where the inputs come from, the prediction last.
        select: Which positions of an axis the loss is about: a part of `lm.select` or several.
        adjust: Changes of the prediction before the error: a part of `lm.adjust` or several.
        mask: Which positions count: a part of `lm.masks`.
        weights: How much they count: a part of `lm.weights` or several.
        reduce: `"mean"`, `"weighted_mean"`, `"sum"`, `"none"`, or steps by axis such as
            `"mean t, mean b"`.
        name: The name of the loss, and of its term in logs; None: the name of the error.
        dtype: What to compute in, `"float32"` or `"float64"`; None: the prediction's dtype, and
            at least float32.

    Raises:
        NotationError: If `axes` or `reduce` cannot be read or do not fit the error.
        ArgumentError: If a part is not one, or out of its domain.
        SourceError: If a source has an unknown name.
        SavingError: If a function or a Keras loss would not load again.

    Example:
        >>> import lossmith as lm
        >>> loss = lm.Loss("mse", "b t, b t k")  # each target against k predictions
        >>> float(loss([[1.0, 2.0]], [[[1.0, 3.0], [2.0, 2.0]]]))
        1.0
        >>> loss = lm.Loss("mae", "b t, b t", mask=lm.masks.Finite(), reduce="mean t, mean b")
        >>> float(loss([[1.0, float("nan")], [1.0, 1.0]], [[3.0, 5.0], [1.0, 1.0]]))
        1.0
    """

    def __init__(  # noqa: PLR0913
        self,
        error: Any,
        axes: str | None = None,
        *,
        of: str | Sequence[str] = ("y", "output"),
        select: Select | Sequence[Select] | None = None,
        adjust: Adjust | Sequence[Adjust] | None = None,
        mask: Mask | None = None,
        weights: Weight | Sequence[Weight] | None = None,
        reduce: str = "mean",
        name: str | None = None,
        dtype: str | None = None,
    ) -> None:
        resolved = resolve_error(error)
        super().__init__(name=name or _name(error, resolved), dtype=checked_dtype(dtype))
        sources = (of,) if isinstance(of, str) else tuple(of)
        self.pipeline = Pipeline(
            error=resolved,
            axes=None if axes is None else parse_axes(axes),
            of=tuple(check_source(source) for source in sources),
            select=checked_parts(Select, select, "select"),
            adjust=checked_parts(Adjust, adjust, "adjust"),
            mask=one_mask(checked_parts(Mask, mask, "mask")),
            weights=checked_parts(Weight, weights, "weights"),
            reduce=parse_reduce(reduce),
            dtype=dtype,
        )
        check_pipeline(self.pipeline)

    def _arguments(self) -> dict[str, Any]:
        p = self.pipeline
        return {
            "error": p.error,
            "axes": None if p.axes is None else str(p.axes),
            "of": p.of,
            "select": p.select,
            "adjust": p.adjust,
            "mask": p.mask,
            "weights": p.weights,
            "reduce": p.reduce.text,
            "name": self.name,
            "dtype": p.dtype,
        }

    def __repr__(self) -> str:
        """Write it as it can be typed."""
        given = self._arguments()
        rows = [repr(given.pop("error"))]
        if (axes := given.pop("axes")) is not None:
            rows.append(repr(axes))
        defaults = {"of": ("y", "output"), "reduce": "mean"}
        rows += [f"{k}={v!r}" for k, v in given.items() if v and v != defaults.get(k)]
        return f"Loss({', '.join(rows)})"


def _name(given: Any, error: Error) -> str:
    return given if isinstance(given, str) else error.label


def checked_parts(kind: type[Part], given: Any, argument: str) -> tuple[Any, ...]:
    """Return one part or several as a tuple, all of one kind."""
    parts = options(given)
    for part in parts:
        if not isinstance(part, kind):
            raise ArgumentError(
                f"{argument} takes parts of lm.{kind.kind}",
                got=repr(part),
                expected=f"an instance from lm.{kind.kind}",
                fix="call the class, as in lm.masks.Finite()",
            )
    return parts


def one_mask(masks: tuple[Mask, ...]) -> Mask | None:
    """Return the only mask, or None."""
    if len(masks) > 1:
        raise ArgumentError(
            "a loss has one mask",
            got=f"{len(masks)} masks",
            expected="one, made of several where needed",
            fix="join them: first & second where both must count, first | second where one must",
        )
    return masks[0] if masks else None


def check_pipeline(pipeline: Pipeline) -> None:
    """Hold the arguments to each other, as far as that needs no tensor."""
    arity = pipeline.error.arity
    if len(set(pipeline.of)) != (arity or len(pipeline.of)):
        raise ArgumentError(
            f"{pipeline.error!r} takes another number of tensors",
            got=f"of={pipeline.of!r}",
            expected=f"{arity or len(pipeline.of)} different sources",
            fix='write of="output" for one tensor, of=("y", "output") for two',
        )
    if pipeline.axes is None:
        return
    check_axes(pipeline.axes, pipeline.error, pipeline.of, _selected(pipeline, pipeline.axes))
    names = [name for name in pipeline.reduce.names if name not in pipeline.axes.names]
    if names:
        raise NotationError(
            f"reduce names {names[0]!r}, which is not an axis of the loss",
            got=f"reduce={pipeline.reduce.text!r} with axes {str(pipeline.axes)!r}",
            expected=f"names among {listed(pipeline.axes.names)}",
            fix='write the same names in both, as in "b t, b t" and "mean t, mean b"',
        )


def _selected(pipeline: Pipeline, axes: Axes) -> int:
    """Count the consumed axes that selections take away."""
    names, consumed = axes.inputs[-1].names, axes.consumed
    gone = {s.axis_of(names, consumed) for s in pipeline.select if not s.keeps and names}
    return len(gone & set(consumed))
