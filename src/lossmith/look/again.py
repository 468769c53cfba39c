"""A step of training run again, eagerly: where does it stop being finite?"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import keras
import numpy as np
from keras import ops

from lossmith import backend
from lossmith.core.axes import is_integer
from lossmith.core.marks import Mark, first_bad_slope, first_not_finite
from lossmith.core.sources import KINDS, Sources
from lossmith.look.stages import first_bad_stage
from lossmith.model import _fields
from lossmith.model._inside import in_place_of_call, layer_paths

Array = Any
Tensor = Any
_GIVEN = ("x", "y", "sample_weight")


@dataclass(frozen=True, eq=False)
class Origin:
    """Where a step stops being finite.

    Attributes:
        what: What is not finite first, in a few words.
        place: The line of a function of the user, as `losses.py:12: ratio = a / b`; empty where
            it is in none.
        name: The tensor in which it shows.
        where: Its places in that tensor, one row each; None where they cannot be told.
        samples: The samples of the batch in which it begins; empty where they cannot be told.
    """

    what: str
    place: str = ""
    name: str = ""
    where: Array | None = None
    samples: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class Step:
    """A batch of a training, and the model as it was before it.

    Attributes:
        model: The model.
        x: Its inputs.
        y: Its targets, or None.
        sample_weight: Its sample weights, or None.
    """

    model: Any
    x: Any
    y: Any = None
    sample_weight: Any = None

    @classmethod
    def of_batch(cls, model: Any, batch: Any) -> Step:
        """Read a batch as `fit` hands it to the model."""
        given = keras.utils.unpack_x_y_sample_weight(backend.whole(model, batch))
        return cls(model, *(_mapped(ops.convert_to_tensor, part) for part in given))

    def origin(self, bad: Sequence[str]) -> Origin:
        """Find where the step stops being finite. The model is left as it is.

        Args:
            bad: The losses and weights that were not finite after the step.
        """
        if self.is_finite():
            return self._in_the_gradient(bad)
        given = [name for name in _GIVEN if not _all_finite(getattr(self, name))]
        repaired = self._without(given)
        if repaired.is_finite():
            return self._in_the_data(given)
        return repaired._in_the_model() or repaired._in_the_loss()  # noqa: SLF001 - of its own kind

    def is_finite(self) -> bool:
        """Whether the loss is."""
        with unchanged(self.model):
            return _all_finite(self._loss(self.predict()))

    def predict(self) -> Any:
        """Return what the model returns in training."""
        return self.model(self.x, training=True)

    def named(self, y_pred: Any) -> dict[str, Tensor]:
        """Return the tensors of the step by the names of their sources: `"y"`, `"y:lengths"`."""
        sources = self._sources(y_pred)
        return {
            kind if field in ("", kind) else f"{kind}:{field}": tensor
            for kind, found in ((kind, getattr(sources, kind)) for kind in KINDS)
            for field, tensor in (found if isinstance(found, Mapping) else {"": found}).items()
            if tensor is not None
        }

    def _sources(self, y_pred: Any) -> Sources:
        if getattr(self.model, "compiled_objective", None) is not None:
            return self.model.loss_sources(self.x, self.y, y_pred, self.sample_weight)
        return Sources(
            y=_fields.targets(self.model, self.y),
            output=_fields.outputs(self.model, y_pred),
            x=_fields.inputs(self.model, self.x),
            sample_weight=_fields.targets(self.model, self.sample_weight),
        )

    def _in_the_data(self, given: Sequence[str]) -> Origin:
        """Say what of the data it is: with zeros in its place all is finite."""
        alone = (self._without([other for other in given if other != name]) for name in given)
        names = (name for name, step in zip(given, alone, strict=True) if not step.is_finite())
        name = next(names, given[0])
        with unchanged(self.model):
            y_pred = self.predict()
            tensors = self.named(y_pred).items()
            mark = None if name == "x" else first_not_finite(lambda: self._loss(y_pred))
        of_it = (found for found in tensors if found[0].startswith(name))
        name, tensor = next(found for found in of_it if not _all_finite(found[1]))
        return self._at(f"{name!r}, as it was given", name, _not_finite(tensor), mark)

    def _in_the_model(self) -> Origin | None:
        """Find the layer, and the user's line in it, where the prediction stops being finite."""
        with unchanged(self.model), _outputs_of_layers(self.model) as outputs:
            if _all_finite(self.predict()):
                return None
        with unchanged(self.model):
            mark = first_not_finite(self.predict)
        path, output = next(found for found in outputs if not _all_finite(found[1]))
        what = f"the output of layer {path!r}"
        return self._marked(what, mark) if mark else self._at(what, path, _not_finite(output))

    def _in_the_loss(self) -> Origin:
        """Find the user's line, or the stage of a loss of lossmith, where the loss is not."""
        objective = getattr(self.model, "compiled_objective", None)
        with unchanged(self.model):
            y_pred = self.predict()
            mark = first_not_finite(lambda: self._loss(y_pred))
            added = not all(_all_finite(loss) for loss in self.model.losses)
        if objective is not None:
            with unchanged(self.model):
                stage = first_bad_stage(objective, self._sources(self.predict()))
            if stage is not None:
                found = self._marked(f"stage {stage.line} of the loss, {stage.name}", stage)
                return replace(found, place=str(mark or ""), name="")
        if mark is not None:
            return self._marked("a line of the loss", mark)
        return Origin("a loss that the model adds" if added else "the loss")

    def _in_the_gradient(self, bad: Sequence[str]) -> Origin:
        """Find the user's line whose gradient is not finite, where the loss itself is."""
        with unchanged(self.model):
            y_pred = self.predict()
        functions = self._of_outputs(y_pred)
        for function, output in zip(functions, keras.tree.flatten(y_pred), strict=True):
            array = backend.to_numpy(output)
            slope = backend.Program(function).gradient(array, at=(0,))[1][0]
            if slope is not None and not np.all(np.isfinite(slope)):
                mark = first_bad_slope(function, array)
                what = "the gradient of the loss by the output; its value is finite"
                return self._at(what, "output", ~np.isfinite(slope), mark)
        if weights := [name for name in bad if "/" in name]:
            return Origin("the gradient inside the model", name=weights[0])
        return Origin("nothing when the step runs line by line: it is the compiled step alone")

    def _marked(self, what: str, mark: Mark) -> Origin:
        bad = np.zeros(mark.shape, bool)
        bad[tuple(np.asarray(mark.where).T)] = True
        return self._at(what, mark.name, bad, mark)

    def _at(self, what: str, name: str, bad: Array, mark: Mark | None = None) -> Origin:
        size = len(next(x for x in keras.tree.flatten(self.x) if x is not None))
        samples = np.unique(np.nonzero(bad)[0]).tolist() if bad.shape[:1] == (size,) else []
        return Origin(what, str(mark or ""), name, np.argwhere(bad), tuple(samples))

    def _loss(self, y_pred: Any) -> Tensor:
        """Return the loss; the model has been called right before."""
        given = {"y": self.y, "y_pred": y_pred, "sample_weight": self.sample_weight}
        return self.model.compute_loss(x=self.x, **given)

    def _of_outputs(self, y_pred: Any) -> list[Callable[[Tensor], Tensor]]:
        """Return the loss as a function of each output; the model has been called right before."""
        objective = getattr(self.model, "compiled_objective", None)
        sources = self._sources(y_pred)
        outputs = keras.tree.flatten(y_pred)

        def loss(place: int, output: Tensor) -> Tensor:
            mask = backend.keras_mask(outputs[place])
            masked = output if mask is None else backend.with_keras_mask(output, mask)
            others = [*outputs[:place], masked, *outputs[place + 1 :]]
            given = keras.tree.pack_sequence_as(y_pred, others)
            if objective is None:
                with unchanged(self.model):
                    return self._loss(given)
            named = replace(sources, output=_fields.outputs(self.model, given))
            return sum(term.ratio.value for term in objective.ratios(named))

        return [partial(loss, place) for place in range(len(outputs))]

    def _without(self, names: Sequence[str]) -> Step:
        """Put zeros where some of what was given is not finite."""
        return replace(self, **{name: _mapped(_repaired, getattr(self, name)) for name in names})


@contextmanager
def unchanged(model: Any) -> Generator[None]:
    """Give all variables of a model their values back at the end: metrics, seeds, statistics."""
    before = backend.Snapshot([*model.variables, *model.metrics_variables])
    try:
        yield
    finally:
        before.restore()


@contextmanager
def _outputs_of_layers(model: Any) -> Generator[list[tuple[str, Any]]]:
    """Write down what the layers return, in the order in which they end."""
    found: list[tuple[str, Any]] = []
    with ExitStack() as stack:
        for path, layer in layer_paths(model).items():
            stack.enter_context(in_place_of_call(layer, _noting(found, path)))
        yield found


def _noting(found: list[tuple[str, Any]], path: str) -> Callable[..., Callable[..., Any]]:
    def wrap(call: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*args: Any, **kwargs: Any) -> Any:
            output = call(*args, **kwargs)
            found.append((path, output))
            return output

        return noted

    return wrap


def _mapped(function: Callable[[Any], Any], given: Any) -> Any:
    return keras.tree.map_structure(lambda x: None if x is None else function(x), given)


def _tensors(given: Any) -> list[Tensor]:
    found = [x for x in keras.tree.flatten(given) if x is not None]
    return [x for x in found if not is_integer(x)]


def _all_finite(given: Any) -> bool:
    return all(bool(np.all(np.isfinite(backend.to_numpy(x)))) for x in _tensors(given))


def _not_finite(given: Any) -> Array:
    arrays = (~np.isfinite(backend.to_numpy(x)) for x in _tensors(given))
    return next(bad for bad in arrays if bad.any())


def _repaired(x: Tensor) -> Tensor:
    return x if is_integer(x) else ops.where(ops.isfinite(x), x, ops.zeros_like(x))
