"""The only room that names a framework: the few things `keras.ops` has no word for."""

from lossmith.backend._host import (
    all_replicas,
    hold_shape,
    keras_mask,
    replica_share,
    shapes_only,
    with_rank,
)
from lossmith.backend._loop import fold, recomputed

__all__ = [
    "all_replicas",
    "fold",
    "hold_shape",
    "keras_mask",
    "recomputed",
    "replica_share",
    "shapes_only",
    "with_rank",
]
