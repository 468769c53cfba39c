"""Labels and the blank, held to the classes that a prediction has."""

from __future__ import annotations

import numpy as np
from keras import ops

from lossmith import backend
from lossmith.core.axes import Tensor
from lossmith.core.ops import lengths_to_mask
from lossmith.core.paths.ctc import legal_labels
from lossmith.messages import ArgumentError


def blank_class(blank: int, classes: int) -> int:
    """Return the class of the blank; -1 is the last.

    Raises:
        ArgumentError: If there is no such class.
    """
    if not -classes <= blank < classes:
        raise ArgumentError(
            "the blank is no class of the prediction",
            got=f"blank={blank} with {classes} classes",
            expected=f"a number from 0 to {classes - 1}",
            fix=f"give the last layer {blank + 1} classes, or write blank=0",
        )
    return blank % classes


def check_labels(labels: Tensor, lengths: Tensor, classes: int, blank: int, axis: str) -> None:
    """Hold labels to the classes, where they are known: eagerly, and not while a graph is traced.

    Args:
        labels: (B, S) integers.
        lengths: (B,) how many of them count.
        classes: How many classes there are.
        blank: The class that is no label.
        axis: What the user calls the axis of labels.

    Raises:
        ArgumentError: If a label that counts is none of them, or the blank.
    """
    if not (backend.known(labels) and backend.known(lengths)):
        return
    said = lengths_to_mask(lengths, ops.shape(labels)[1])
    wrong = ops.logical_and(said, ops.logical_not(legal_labels(labels, classes, blank)))
    places = np.argwhere(backend.to_numpy(wrong))
    if len(places):
        sample, place = places[0]
        label = backend.to_numpy(labels)[sample, place]
        raise ArgumentError(
            "a label that counts is the blank" if label == blank else "a label is no class",
            got=f"label {label} at place {place} of sample {sample}",
            expected=f"classes from 0 to {classes - 1} other than the blank, {blank}",
            fix=f'lengths={{"{axis}": lm.masks.NotEqual({label})}}, if {label} is padding',
        )
