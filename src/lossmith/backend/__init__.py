"""The only room that names a framework: the few things `keras.ops` has no word for."""

from lossmith.backend._any_batch import any_batch
from lossmith.backend._cost import numbers_made
from lossmith.backend._gradient import Mode, Program, to_numpy
from lossmith.backend._host import (
    all_replicas,
    hold_shape,
    keras_mask,
    replica_share,
    shapes_only,
    sublayers,
    with_keras_mask,
    with_rank,
)
from lossmith.backend._loop import fold, recomputed
from lossmith.backend._state import keeping_state

__all__ = [
    "Mode",
    "Program",
    "all_replicas",
    "any_batch",
    "fold",
    "hold_shape",
    "keeping_state",
    "keras_mask",
    "numbers_made",
    "recomputed",
    "replica_share",
    "shapes_only",
    "sublayers",
    "to_numpy",
    "with_keras_mask",
    "with_rank",
]
