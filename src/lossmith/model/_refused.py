"""What Keras would do to a loss of lossmith without a word: `class_weight`, accumulation."""

from __future__ import annotations

from typing import Any

import keras

from lossmith import backend
from lossmith.core.pipeline import Pipeline
from lossmith.losses._objective import Objective
from lossmith.messages import ArgumentError, listed


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


def check_accumulation(objective: Objective, optimizer: Any, output: Any = None) -> None:
    """Refuse accumulation of gradients for terms whose divisor the data decides.

    Keras averages the gradients of the batches of a group equally, whatever they count. That is
    the gradient of the whole group only where each batch divides by the same number.

    Args:
        objective: What is compiled.
        optimizer: The optimizer, as it was given to `compile`.
        output: What the model returned, with Keras' automatic masks; None before any step.

    Raises:
        ArgumentError: If it accumulates, and a term has a mask or a weighted mean.
    """
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    batches = getattr(optimizer, "gradient_accumulation_steps", None)
    masked = any(backend.keras_mask(x) is not None for x in keras.tree.flatten(output))
    moving = [name for name, p in _pipelines(objective).items() if p.divisor_moves(masked=masked)]
    if batches and moving:
        raise ArgumentError(
            "accumulated gradients are averaged over batches, whatever each of them counts",
            got=f"gradient_accumulation_steps={batches}, and {listed(moving)} divided by what "
            "counts in each batch",
            expected="a divisor that is the same for all batches",
            fix=f'write {batches} / count * lm.Loss(..., reduce="sum"), with the count of a '
            f"usual group of {batches} batches",
        )


def _pipelines(objective: Objective) -> dict[str, Pipeline]:
    terms = zip(objective.names, objective.terms, strict=True)
    return {name: term.pipeline for name, term in terms}


def _has_classes(objective: Objective) -> bool:
    return all(
        bool(p.axes.inputs[0].consumed) if p.axes else p.error.target_consumes == "same"
        for p in _pipelines(objective).values()
    )


def _numbers(given: Any) -> list[float]:
    return [given.get(place, 1.0) for place in range(max(given) + 1)]
