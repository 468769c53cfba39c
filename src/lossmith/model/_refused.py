"""What Keras would do to a loss of lossmith without a word: `class_weight`, accumulation."""

from __future__ import annotations

from typing import Any

import keras

from lossmith import backend
from lossmith.core.groups import Group
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


def check_accumulation(
    objective: Objective, optimizer: Any, output: Any, y: Any, *, in_keras: bool
) -> None:
    """Refuse accumulated gradients that are not those of the whole group of batches.

    Keras averages the gradients of the batches of a group equally, whatever they count. That is
    the gradient of the whole group where each batch divides by the same number, or where the
    targets tell what the group counts.

    Args:
        objective: What is compiled.
        optimizer: The optimizer.
        output: What the model returned, with Keras' automatic masks.
        y: The targets, with the fields of `lm.data.accumulation_groups` where they have any.
        in_keras: Whether Keras' own step of training takes the gradient.

    Raises:
        ArgumentError: If it accumulates, a term has a mask or a weighted mean, and the targets tell
            nothing; or if it accumulates another number of batches than the groups have.
    """
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    batches = getattr(optimizer, "gradient_accumulation_steps", None)
    sizes = {group.size for group in Group.find(y).values()}
    if sizes and ((batches or in_keras) and sizes != {batches}):
        size = min(sizes)
        raise ArgumentError(
            "the optimizer accumulates gradients of another number of batches than a group has",
            got=f"gradient_accumulation_steps={batches}, and groups of {size} batches",
            expected="the same number",
            fix=f"compile with keras.optimizers.Adam(gradient_accumulation_steps={size})",
        )
    if not batches or sizes:
        return
    masked = any(backend.keras_mask(x) is not None for x in keras.tree.flatten(output))
    moving = [name for name, p in _pipelines(objective).items() if p.divisor_moves(masked=masked)]
    if moving:
        raise ArgumentError(
            "accumulated gradients are averaged over batches, whatever each of them counts",
            got=f"gradient_accumulation_steps={batches}, and {listed(moving)} divided by what "
            "counts in each batch",
            expected="targets that tell what the whole group counts",
            fix=f"model.fit(lm.data.accumulation_groups(dataset, {batches}, loss), shuffle=False)",
        )


def check_order(dataset: Any, *, shuffle: Any) -> None:
    """Refuse to shuffle batches that have to come in their order.

    Args:
        dataset: What `fit` is given to train on.
        shuffle: The argument of `fit`.

    Raises:
        ArgumentError: If it would be shuffled.
    """
    if getattr(dataset, "in_order", False) and shuffle:
        raise ArgumentError(
            "the batches of a group have to come one after the other",
            got="groups of batches, which fit shuffles by default",
            expected="batches in their order",
            fix="model.fit(groups, shuffle=False), and shuffle the samples in the dataset",
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
