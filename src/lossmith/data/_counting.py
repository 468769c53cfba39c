"""What a batch counts: by a loss, from its targets and weights alone, or by a function."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, NoReturn, cast

import keras
import numpy as np
from keras import ops

from lossmith import backend
from lossmith.core.axes import Named, Tensor, axes_text
from lossmith.core.elements import Elements
from lossmith.core.groups import group_field
from lossmith.core.layout import default_axes
from lossmith.core.notation import ELLIPSIS, ONE, TensorAxes, parse_axes
from lossmith.core.pipeline import Pipeline
from lossmith.core.sources import Sources
from lossmith.losses._objective import Term, named_terms
from lossmith.messages import ArgumentError, LossmithError
from lossmith.parts.weights import FromPrediction, Outside

Count = Callable[[Any, Any, Any], float]


def counters(count: Any, size: int) -> dict[str, Count]:
    """Return what counts a batch, by the field of the targets that it is written into.

    Args:
        count: A loss, a function of `(x, y, sample_weight)`, or functions by names of terms.
        size: How many batches a group has.

    Raises:
        ArgumentError: If it is neither, or if a term cannot be counted without a prediction.
    """
    if isinstance(count, Term):
        return {
            group_field(size, name, by_loss=True): _by_loss(name, term.pipeline)
            for name, _, term in named_terms(count)
            if not term.pipeline.of[-1].startswith("weights:")
        }
    if isinstance(count, Mapping) and all(map(callable, count.values())):
        return {group_field(size, name): function for name, function in count.items()}
    if callable(count):
        return {group_field(size): cast("Count", count)}
    raise ArgumentError(
        "batches are counted by a loss or by a function",
        got=f"count={count!r}",
        expected="an lm.Loss, a sum of them, a function of (x, y, sample_weight), or a dict of "
        "functions",
        fix="write lm.data.accumulation_groups(dataset, 4, model.loss)",
    )


def _by_loss(name: str, pipeline: Any) -> Count:
    """Return what counts the batches of a term, held to what is known without a model."""
    if not isinstance(pipeline, Pipeline):
        _uncountable(name, "the lengths of its paths")
    weighted = any(step.word == "weighted_mean" for step in pipeline.reduce.steps)
    if weighted and any(isinstance(w, (FromPrediction, Outside)) for w in pipeline.weights):
        _uncountable(name, "weights by the prediction")
    asked = pipeline.mask.parts if pipeline.mask else ()
    sources = [source for mask in asked for source in mask.sources]
    if any(mask.automatic for mask in asked) or any(map(_is_predicted, sources)):
        _uncountable(name, "a mask by the prediction")
    bare = replace(pipeline, adjust=(), weights=pipeline.weights if weighted else ())
    return _ByLoss(name, bare, weighted=weighted)


class _ByLoss:
    """Counts the batches of a term.

    Args:
        name: The name of the term.
        pipeline: The loss, without what changes no count.
        weighted: Whether sample weights are counted.
    """

    def __init__(self, name: str, pipeline: Pipeline, *, weighted: bool) -> None:
        self._name, self._pipeline, self._weighted = name, pipeline, weighted
        self._seen: dict[Any, set[Any]] = {}

    def __call__(self, x: Any, y: Any, sample_weight: Any) -> float:
        x = tuple(x) if isinstance(x, list) else x
        weight = sample_weight if self._weighted else None
        try:
            given = _StandIn(self._pipeline, Sources(y, None, x=x, sample_weight=weight))
            found = given.pipeline.positions(given.sources)
        except LossmithError as error:
            _uncountable(self._name, f"its inputs ({error.fact})", error)
        moving = [*found.weights, *([] if found.counted is None else [found.counted])]
        unknown = given.unknown & {axis for tensor in moving for axis in tensor.axes}
        if unknown or self._lengths_move(given, x):
            _uncountable(self._name, f"the length of {axes_text(sorted(unknown or given.unknown))}")
        sizes = found.context.sizes
        values = Named(ops.zeros([sizes[axis] for axis in found.axes]), found.axes)
        ratio = given.pipeline.reduce(Elements(values, found.counted, found.weights, sizes))
        return 1.0 if ratio.count is None else float(np.sum(backend.to_numpy(ratio.count)))

    def _lengths_move(self, given: _StandIn, x: Any) -> bool:
        """Tell whether inputs change their lengths where all that is known has not changed."""
        known = tuple((name, n) for name, n in given.sizes.items() if name != given.batch)
        inputs = tuple(tuple(array.shape[1:]) for array in keras.tree.flatten(x))
        seen = self._seen.setdefault(known, set())
        seen.add(inputs)
        return bool(given.unknown) and len(seen) > 1


class _StandIn:
    """Zeros in the place of predictions, of length one along axes that only they have.

    Counts are compared with each other alone, so that such a length does not matter.
    """

    def __init__(self, pipeline: Pipeline, given: Sources) -> None:
        known = {s: given.tensor(s) for s in pipeline.of if not _is_predicted(s)}
        axes = pipeline.axes or _axes(pipeline, known)
        written = dict(zip(pipeline.of, axes.inputs, strict=True))
        sizes, leading = _sizes({s: (x, written[s]) for s, x in known.items()})
        self.batch = axes.inputs[-1].items[0]
        samples = keras.tree.flatten(given.x)[0].shape[0]
        self.sizes = sizes = {**sizes, self.batch: int(samples)}
        names = {name for source in pipeline.of for name in written[source].names}
        self.unknown = names - set(sizes) - set(axes.consumed)
        chosen = (s.axis_of(axes.inputs[-1].names, axes.consumed) for s in pipeline.select)
        pairs = zip(pipeline.select, chosen, strict=True)
        select = tuple(part for part, axis in pairs if axis in sizes)
        self.pipeline = replace(pipeline, axes=axes, select=select)
        made = {
            source: ops.zeros(list(_shape(written[source], sizes, leading)))
            for source in pipeline.of
            if _is_predicted(source)
        }
        self.sources = replace(
            given, output=_of_kind(made, "output"), layer=_of_kind(made, "layer")
        )


def _axes(pipeline: Pipeline, known: Mapping[str, Tensor]) -> Any:
    """Return the axes that equal shapes stand for, or those of labels and classes."""
    target = next(iter(known.values()))
    error = pipeline.error
    labels = error.target_consumes == "none" or (
        error.target_consumes == "either" and "int" in str(target.dtype)
    )
    if 0 in error.consumes:
        return parse_axes(", ".join(["..."] * len(pipeline.of)))
    shape = ops.zeros((*target.shape, 1)) if labels else target
    return default_axes(error, {**known, pipeline.of[-1]: shape})


def _sizes(tensors: Mapping[str, tuple[Tensor, TensorAxes]]) -> tuple[dict[str, int], list[int]]:
    """Return the length of each named axis, and those that `...` stands for."""
    sizes: dict[str, int] = {}
    leading: list[int] = []
    for tensor, axes in tensors.values():
        shape = [int(size) for size in tensor.shape]
        spare = len(shape) - len(axes.items) + 1
        if axes.items[0] == ELLIPSIS:
            leading, shape = shape[:spare], [0, *shape[spare:]]
        sizes.update({n: s for n, s in zip(axes.items, shape, strict=False) if n not in _UNNAMED})
    return sizes, leading


_UNNAMED = (ELLIPSIS, ONE)


def _shape(axes: TensorAxes, sizes: Mapping[str, int], leading: list[int]) -> Iterator[int]:
    for item in axes.items:
        if item == ELLIPSIS:
            yield from leading
        else:
            yield sizes.get(item, 1)


def _is_predicted(source: str) -> bool:
    return source.partition(":")[0] in ("output", "layer")


def _of_kind(made: Mapping[str, Tensor], kind: str) -> Any:
    """Return what stands in for the outputs or the layers, by field where they have any."""
    fields = {s.partition(":")[2]: x for s, x in made.items() if s.partition(":")[0] == kind}
    return fields.get("", fields or None)


def _uncountable(name: str, why: str, cause: Exception | None = None) -> NoReturn:
    raise ArgumentError(
        f"what {name!r} counts is not known without a prediction",
        got=f"a loss that asks for {why}",
        expected="a mask and weights by the targets, the inputs or the sample weights",
        fix="give a function: lm.data.accumulation_groups(dataset, 4, "
        f"{{{name!r}: lambda x, y, sample_weight: y['lengths'].sum(), ...}})",
        at=(name,),
    ) from cause
