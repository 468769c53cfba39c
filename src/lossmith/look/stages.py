"""An `lm.Loss` or a sum of them, stage by stage: inputs, mask, errors, weights, sum and count."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from lossmith import backend
from lossmith.core.axes import Named, align, axes_text, line_up
from lossmith.core.elements import Elements, Ratio
from lossmith.core.made import Mark
from lossmith.core.pipeline import Pipeline
from lossmith.core.sources import Sources
from lossmith.losses._objective import named_terms

Array = Any


@dataclass(frozen=True)
class Stage:
    """One stage of a term.

    Attributes:
        term: The name of the term.
        text: What is done, as it is written: `"mask=Finite()"`.
        tensors: What comes out of it, by name.
        mask: Which positions of these count; None: all.
    """

    term: str
    text: str
    tensors: tuple[tuple[str, Named], ...]
    mask: Named | None = None


def stages(loss: Any, sources: Sources) -> Iterator[Stage]:
    """Go through the stages of all terms; where one raises, those before it have come.

    Args:
        loss: An `lm.Loss`, a loss over paths, or a sum of such.
        sources: The tensors of one step.
    """
    for name, factor, term in named_terms(loss):
        yield from _of_term(name, factor, term, sources)


def first_bad_stage(loss: Any, sources: Sources) -> Mark | None:
    """Find the first stage of a loss that is not finite at positions that count.

    Args:
        loss: An `lm.Loss`, a loss over paths, or a sum of such.
        sources: The tensors of one step.

    Returns:
        A mark without a file: its line is the place of the stage, counted from 1, its name the term
        and the stage, its places those of the stage's tensor. None where all stages are finite.
    """
    for place, stage in enumerate(stages(loss, sources), start=1):
        if mark := bad_in(stage, place):
            return mark
    return None


def bad_in(stage: Stage, place: int) -> Mark | None:
    """Mark a stage that is not finite at positions that count."""
    for name, tensor in stage.tensors:
        values = backend.to_numpy(tensor.value)
        bad = ~np.isfinite(values)
        if stage.mask is not None:
            bad &= _counted(stage.mask, tensor)
        if bad.any():
            what = "NaN" if np.isnan(values[bad]).any() else "Inf"
            text = f"{what} first appears in {name}: {bad.sum()} of {bad.size} numbers"
            return Mark(
                "not finite", "", place, text, f"{stage.term}: {stage.text}",
                shape=values.shape, where=np.argwhere(bad),
            )  # fmt: skip
    return None


def axes_of(tensor: Named) -> str:
    """Write the names of a tensor's axes, none for a scalar."""
    return axes_text(tensor.axes) if tensor.axes else ""


def _of_term(name: str, factor: Any, term: Any, sources: Sources) -> Iterator[Stage]:
    pipeline = term.pipeline
    if isinstance(pipeline, Pipeline):
        yield from _before_errors(name, pipeline, sources)
        error = repr(pipeline.error)
    else:
        given = {source: sources.tensor(source) for source in pipeline.of}
        inputs, _ = line_up(given, pipeline.axes.inputs)
        yield Stage(name, f"of={pipeline.of!r}", tuple(inputs.items()))
        error = type(term).__name__
    elements = pipeline.elements(sources)
    yield Stage(name, error, (("errors", elements.values),), elements.mask)
    yield from _after_errors(name, pipeline, elements, pipeline.ratio(sources))
    if isinstance(factor, (int, float)) and factor != 1:
        adds = Named(factor * pipeline.ratio(sources).value, ())
        yield Stage(name, f"factor={factor!r}", (("adds", adds),))


def _before_errors(name: str, pipeline: Pipeline, sources: Sources) -> Iterator[Stage]:
    found = pipeline.positions(sources)
    changes = [*_written("select", pipeline.select), *_written("adjust", pipeline.adjust)]
    text = ", ".join([f"of={pipeline.of!r}", *changes])
    yield Stage(name, text, tuple(found.context.inputs.items()), found.mask)
    if found.mask is not None:
        text = f"mask={pipeline.mask!r}" if pipeline.mask else "the mask of Keras"
        yield Stage(name, text, (("counts", found.mask),))
    inside = _written("weights", [w for w in pipeline.weights if w.inside])
    for text, scale in zip(inside, found.scales, strict=True):
        yield Stage(name, text, (("weight", scale),))


def _after_errors(name: str, pipeline: Any, elements: Elements, ratio: Ratio) -> Iterator[Stage]:
    own = _written("weights", [w for w in getattr(pipeline, "weights", ()) if not w.inside])
    texts = [*own, "sample_weight"][: len(elements.weights)]
    for text, weight in zip(texts, elements.weights, strict=True):
        yield Stage(name, text, (("weight", weight),))
    left = () if len(ratio.sum.shape) == 0 else elements.values.axes
    found = [("sum", ratio.sum), ("count", ratio.count), ("value", ratio.value)]
    tensors = tuple((label, Named(value, left)) for label, value in found if value is not None)
    yield Stage(name, f"reduce={pipeline.reduce.text!r}", tensors)


def _written(argument: str, parts: Sequence[Any]) -> list[str]:
    return [f"{argument}={part!r}" for part in parts]


def _counted(mask: Named, tensor: Named) -> Array:
    """Return a mask in the shape of a tensor, which counts where any position of it does."""
    gone = [mask.position(axis) for axis in mask.axes if axis not in tensor.axes]
    kept = tuple(axis for axis in mask.axes if axis in tensor.axes)
    left = Named(ops.any(mask.value, axis=gone) if gone else mask.value, kept)
    return np.broadcast_to(backend.to_numpy(align(left, tensor.axes)), tuple(tensor.value.shape))
