"""What a loss of ours gives for one step: its value, and the gradient along its predictions."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from lossmith import backend
from lossmith.core.sources import Sources

Array = Any


@dataclass(frozen=True)
class Slope:
    """A value and how much it answers to the prediction.

    Attributes:
        value: The loss; the sum of it where it is not reduced.
        norm: The length of its gradient with respect to all predictions.
        none: The share of predicted numbers without a gradient.
    """

    value: float
    norm: float
    none: float

    @property
    def facts(self) -> list[tuple[str, str]]:
        """Write it in rows: label and text."""
        slope = f"length {self.norm:.6g}"
        if self.none:
            slope += f", none along {self.none:.0%} of the prediction"
        return [("value", f"{self.value:.6g}"), ("gradient", slope)]


def value_and_slope(loss: Any, sources: Sources) -> Slope:
    """Run a loss of ours, with its gradient.

    Args:
        loss: An `lm.Loss` or a sum.
        sources: The tensors of one step; the predictions are its outputs.
    """
    given = _outputs(sources.output)
    several = isinstance(sources.output, (Mapping, tuple))
    flat = [backend.to_numpy(keras.ops.convert_to_tensor(x)) for x in given.values()]
    at = [place for place, x in enumerate(flat) if x.dtype.kind == "f"]

    def total(*predictions: Any) -> Any:
        full: list[Any] = list(flat)
        for place, prediction in zip(at, predictions, strict=True):
            full[place] = prediction
        output = dict(zip(given, full, strict=True)) if several else full[0]
        return keras.ops.sum(loss.total(dataclasses.replace(sources, output=output)))

    program = backend.Program(total)
    value, grads = program.gradient(*(flat[place] for place in at), at=range(len(at)))
    none = [np.zeros(flat[p].shape) if g is None else g for p, g in zip(at, grads, strict=True)]
    joined = np.concatenate([grad.astype("float64").ravel() for grad in none])
    zero = float(np.mean(joined == 0)) if joined.size else 0.0
    return Slope(float(value), float(np.linalg.norm(joined)), zero)


def _outputs(output: Any) -> Mapping[str, Any]:
    """Return the outputs by name; a list is an array of numbers."""
    if isinstance(output, tuple):
        return {str(place): x for place, x in enumerate(output)}
    return output if isinstance(output, Mapping) else {"output": output}
