"""Keras' `class_weight`, which finds the class of a target by position."""

from __future__ import annotations

from typing import Any

from lossmith.losses._objective import Objective
from lossmith.messages import ArgumentError


def check_class_weight(objective: Objective, y: Any, given: Any) -> None:
    """Refuse `class_weight` where Keras would weigh by the wrong axis.

    Keras takes the last axis of a target for classes, unless its length is 1. Over
    `(batch, steps)` these are the steps, and the weights of samples that it makes of them would be
    taken without a word.

    Args:
        objective: What is compiled.
        y: The targets as they were given to `fit`; None where the data is a dataset.
        given: The argument `class_weight`.

    Raises:
        ArgumentError: If the targets are not `(batch,)`, `(..., 1)` or with a class axis.
    """
    if given is None:
        return
    shape = getattr(y, "shape", None)
    if shape is not None and (len(shape) == 1 or shape[-1] == 1 or _has_classes(objective)):
        return
    found = "a dataset" if shape is None else f"targets of shape {tuple(shape)}"
    raise ArgumentError(
        "class_weight would take the last axis of the targets for classes",
        got=f"class_weight with {found}",
        expected="an array of targets (batch,), (..., 1), or with an axis of classes last",
        fix=f"lm.Loss(..., weights=lm.weights.ByClass({_numbers(given)}))",
    )


def _has_classes(objective: Objective) -> bool:
    pipelines = [term.pipeline for term in objective.terms]
    return all(
        bool(p.axes.inputs[0].consumed) if p.axes else p.error.target_consumes == "same"
        for p in pipelines
    )


def _numbers(given: Any) -> list[float]:
    return [given.get(place, 1.0) for place in range(max(given) + 1)]
