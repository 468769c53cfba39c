"""Names for what a model is given and returns: inputs, outputs, and the fields of `y`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras


def inputs(model: Any, x: Any) -> Any:
    """Return several inputs by name, or by place where they have none; one as it is."""
    known = getattr(model, "inputs", None) or []
    return _by_name(x, [tensor.name for tensor in keras.tree.flatten(known)])


def outputs(model: Any, y_pred: Any) -> Any:
    """Return several outputs by name, or by place where they have none; one as it is."""
    return _by_name(y_pred, _output_names(model))


def targets(model: Any, y: Any) -> Any:
    """Return the fields of `y`: of a dict its own, of a tuple by place.

    A tuple of one target for each output has the outputs' names too; of any other tuple the
    first is `"y"`.
    """
    if not isinstance(y, (list, tuple)):
        return y
    places = {str(place): item for place, item in enumerate(y)}
    if _matches_outputs(model, y):
        return {**places, **dict(zip(_output_names(model), y, strict=True))}
    return {**places, "y": y[0]}


def for_metrics(model: Any, y: Any) -> Any:
    """Return, of targets or sample weights, what Keras' metrics compare with the outputs."""
    if isinstance(y, Mapping):
        if "y" in y:
            return y["y"]
        names = [name for name in _output_names(model) if name in y]
        return {name: y[name] for name in names} if names else y
    if isinstance(y, (list, tuple)) and not _matches_outputs(model, y):
        return y[0]
    return y


def _matches_outputs(model: Any, y: Any) -> bool:
    return len(y) == len(_output_names(model)) > 1


def _output_names(model: Any) -> list[str]:
    return list(getattr(model, "output_names", None) or [])


def _by_name(tensors: Any, names: list[str]) -> Any:
    if not isinstance(tensors, (list, tuple)):
        return tensors
    named = names if len(names) == len(tensors) else [str(n) for n in range(len(tensors))]
    return dict(zip(named, tensors, strict=True))
