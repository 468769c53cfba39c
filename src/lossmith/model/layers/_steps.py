"""A loss evaluated a step of time at a time, as if the other steps were there."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from keras import ops

from lossmith.core.axes import Named, Tensor, named, shape_text
from lossmith.core.context import Context
from lossmith.core.elements import Ratio
from lossmith.core.kinds import Weight
from lossmith.core.notation import ELLIPSIS, ONE, parse_tensor
from lossmith.core.part import Part
from lossmith.core.pipeline import Pipeline
from lossmith.core.sources import Sources
from lossmith.losses._loss import Loss
from lossmith.messages import ArgumentError, ShapeError
from lossmith.model.layers._sources import LayerSources
from lossmith.parts.weights import ByStep

_FIX = 'write lm.Loss("sparse_categorical_crossentropy", "b t, b t [c]")'


@dataclass(frozen=True)
class Clock:
    """Which step it is.

    Attributes:
        axis: The name of the axis of steps.
        at: The place of the step, from 0.
        steps: How many there are.
    """

    axis: str
    at: Tensor
    steps: Any


@dataclass(frozen=True)
class StepContext(Context):
    """What parts see of one step: an axis of steps of length one, which knows its place."""

    clock: Clock | None = None

    def positions(self, axis: str | None) -> Named:
        """Return the place of each position along an axis; along that of steps, the step's."""
        axis = self.axis(axis)
        if self.clock is None or axis != self.clock.axis:
            return super().positions(axis)
        return self.select(Named(ops.reshape(self.clock.at, (1,)), (axis,)))


@dataclass(frozen=True, eq=False)
class _AtStep(Weight):
    """A weight that asks how many steps there are, and is told of all."""

    weight: Weight

    def __call__(self, context: Context) -> Named:
        clock = getattr(context, "clock", None)
        sizes = context.sizes if clock is None else {**context.sizes, clock.axis: clock.steps}
        return self.weight(context.replace(sizes=sizes))


@dataclass(frozen=True)
class StepPipeline(Pipeline):
    """A pipeline whose tensors are one step long."""

    clock: Clock | None = None

    def _open(self, sources: Sources) -> Context:
        context = super()._open(sources)
        fields = {f.name: getattr(context, f.name) for f in dataclasses.fields(Context)}
        return StepContext(**fields, clock=self.clock)


@dataclass(frozen=True)
class Steps:
    """The tensors of a call, by source: those with an axis of steps, that axis first, and others.

    Attributes:
        varying: Tensors that differ from step to step.
        places: Where their axis of steps was.
        fixed: Tensors that all steps see whole.
    """

    varying: dict[str, Tensor]
    places: dict[str, int]
    fixed: dict[str, Tensor]


class StepLoss:
    """A loss that adds up over steps.

    Args:
        loss: An `lm.Loss` over targets and one output, reduced over everything at once.

    Raises:
        ArgumentError: If it is not, or needs several steps at a time.
    """

    def __init__(self, loss: Any) -> None:
        _check_loss(loss)
        pipeline: Pipeline = loss.pipeline
        fields = {f.name: getattr(pipeline, f.name) for f in dataclasses.fields(Pipeline)}
        fields["weights"] = tuple(
            _AtStep(w, inside=w.inside) if isinstance(w, ByStep) else w for w in pipeline.weights
        )
        self._pipeline = StepPipeline(**fields)
        self.axis = _axis_of_steps(pipeline)
        self.dtype = pipeline.dtype
        self.counts = pipeline.reduce.steps[0].word != "sum"

    def split(self, y: Any, sample_weight: Any, steps: int | None) -> Steps:
        """Tell the tensors that have an axis of steps from those that have not.

        Raises:
            LossmithError: If one is not there, or has other axes or another number of steps.
        """
        given = Sources(y, None, sample_weight=sample_weight)
        names = dict.fromkeys(s for s in self._pipeline.sources if s.partition(":")[0] == "y")
        tensors = {source: ops.convert_to_tensor(given.raw(source)) for source in names}
        if sample_weight is not None:
            tensors["sample_weight"] = ops.convert_to_tensor(sample_weight)
        found = Steps({}, {}, {})
        for source, tensor in tensors.items():
            place = self._place(source, tensor)
            if place is None:
                found.fixed[source] = tensor
                continue
            _check_steps(source, tensor, tensor.shape[place], steps)
            found.varying[source] = ops.moveaxis(tensor, place, 0)
            found.places[source] = place
        return found

    def ratio(
        self,
        steps: Steps,
        now: dict[str, Tensor],
        output: Tensor,
        mask: Tensor | None,
        clock: Clock,
    ) -> Ratio:
        """Return the sum and count of one step.

        Args:
            steps: The tensors of the call.
            now: The slices of the varying ones.
            output: The output of the step: (batch, ...).
            mask: Which samples have this step: (batch,); None: all.
            clock: Which step it is.
        """
        sliced = {s: ops.expand_dims(x, steps.places[s]) for s, x in now.items()}
        found = {**steps.fixed, **sliced}
        weight = found.pop("sample_weight", None)
        y = {source.partition(":")[2] or "y": tensor for source, tensor in found.items()}
        sources = LayerSources(
            y,
            ops.expand_dims(output, 1),
            sample_weight=weight,
            mask=None if mask is None else ops.expand_dims(mask, 1),
        )
        return dataclasses.replace(self._pipeline, clock=clock).ratio(sources)

    def _place(self, source: str, tensor: Tensor) -> int | None:
        """Return which axis of a tensor is that of steps, from the front or the end."""
        axes = self._pipeline.axes
        if axes is not None and source in self._pipeline.of:
            written = axes.inputs[self._pipeline.of.index(source)]
            named(tensor, written, source)
            return _place_of(self.axis, written.items)
        for part in _parts(self._pipeline):
            written = getattr(part, "axes", None)
            if written is not None and getattr(part, "source", None) == source:
                return _place_of(self.axis, parse_tensor(written, written).items)
        rank = len(tensor.shape)
        return 1 if rank > 1 and tensor.shape[1] != 1 else None


def _place_of(axis: str, items: tuple[str, ...]) -> int | None:
    if axis not in items:
        return None
    place = items.index(axis)
    return place - len(items) if items[0] == ELLIPSIS else place


def _parts(pipeline: Pipeline) -> Iterator[Part]:
    """Walk all parts of a pipeline, also those inside others."""
    todo: list[Any] = [*pipeline.select, *pipeline.weights, pipeline.mask]
    while todo:
        part = todo.pop()
        if isinstance(part, Part):
            yield part
            todo += [getattr(part, f.name) for f in dataclasses.fields(part)]  # type: ignore[arg-type]


def _axis_of_steps(pipeline: Pipeline) -> str:
    items = pipeline.axes.inputs[-1].items if pipeline.axes else ()
    return items[1] if len(items) > 1 else ""


def _check_loss(loss: Any) -> None:
    if not isinstance(loss, Loss):
        raise ArgumentError(
            "the loss in the time loop is one lm.Loss",
            got=repr(loss),
            expected="an lm.Loss with one term",
            fix=_FIX,
        )
    pipeline = loss.pipeline
    sources = [s for s in pipeline.sources if s.partition(":")[0] not in ("y", "sample_weight")]
    if pipeline.of[-1] != "output" or set(sources) != {"output"} or len(pipeline.of) == 1:
        raise ArgumentError(
            "the loss in the time loop sees targets and the output of the step",
            got=f"of={pipeline.of!r} and the sources {sorted(set(pipeline.sources))}",
            expected="'y' and its fields, 'sample_weight', and 'output' last",
            fix=_FIX,
        )
    axis = _axis_of_steps(pipeline)
    consumed = pipeline.axes.consumed if pipeline.axes else ()
    names = pipeline.axes.inputs[-1].items if pipeline.axes else ()
    if pipeline.axes is None or {ELLIPSIS, ONE} & set(names[:2]) or axis in ("", *consumed):
        raise ArgumentError(
            "the loss in the time loop needs an axis of steps",
            got=f"axes={None if pipeline.axes is None else str(pipeline.axes)!r}",
            expected="named axes, those of the output beginning with the batch and the steps",
            fix=_FIX,
        )
    taken = [s for s in pipeline.select if s.axis_of(names, consumed) == axis]
    if taken:
        raise ArgumentError(
            "the loss in the time loop sees one step at a time",
            got=f"{taken[0]!r} along {axis!r}",
            expected="selections along other axes",
            fix="mask the steps that do not count, as in mask=lm.masks.Lengths('y:lengths')",
        )
    steps = pipeline.reduce.steps
    kept = {name for x in pipeline.axes.inputs for name in x.names} - set(consumed)
    if len(steps) != 1 or (steps[0].axes and set(steps[0].axes) != kept):
        raise ArgumentError(
            "the loss in the time loop is one sum over everything, divided once",
            got=f"reduce={pipeline.reduce.text!r}",
            expected='"mean", "weighted_mean" or "sum" over all axes',
            fix='write reduce="mean"',
        )


def _check_steps(source: str, tensor: Tensor, found: int | None, steps: int | None) -> None:
    if None not in (found, steps) and found != steps:
        raise ShapeError(
            f"{source!r} has another number of steps than the input",
            got=f"{source!r} of shape {shape_text(tensor)}, with {found} steps",
            expected=f"{steps} steps",
            fix=f"give {source!r} one entry for each step of the input",
        )
