"""The gradient of each term with respect to the outputs of a model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import keras
import numpy as np
from keras import ops

from lossmith import backend
from lossmith.core.axes import Tensor
from lossmith.core.sources import Sources
from lossmith.model import _fields

Values = dict[str, Callable[[Sources], Tensor]]


def gradient_norms(model: Any, values: Values, x: Any, y: Any, weight: Any) -> dict[str, float]:
    """Return the norm of the gradient of each term, all outputs together.

    Args:
        model: An `lm.Model` or a class with the mixin.
        values: What computes each term, by its name.
        x: The inputs of a batch.
        y: Its targets.
        weight: Its sample weights, or None.
    """
    x, y, weight = (keras.tree.map_structure(_tensor, given) for given in (x, y, weight))
    outputs = model(x, training=False)
    seen = model.loss_sources(x, y, outputs, weight)
    flat = keras.tree.flatten(outputs)
    masks = [backend.keras_mask(tensor) for tensor in flat]
    arrays = [backend.to_numpy(tensor) for tensor in flat]

    def of(term: Callable[[Sources], Tensor], *tensors: Tensor) -> Tensor:
        masked = [
            tensor if mask is None else backend.with_keras_mask(tensor, mask)
            for tensor, mask in zip(tensors, masks, strict=True)
        ]
        again = keras.tree.pack_sequence_as(outputs, masked)
        return term(replace(seen, output=_fields.outputs(model, again)))

    return {
        name: _norm(backend.Program(partial(of, term)), arrays) for name, term in values.items()
    }


def _norm(program: backend.Program, arrays: list[Any]) -> float:
    _, gradients = program.gradient(*arrays, at=range(len(arrays)))
    squares = [np.sum(np.square(g, dtype="float64")) for g in gradients if g is not None]
    return float(np.sqrt(np.sum(squares)))


def _tensor(given: Any) -> Any:
    return None if given is None else ops.convert_to_tensor(given)
