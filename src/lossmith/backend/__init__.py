"""The only room that names a framework: the few things `keras.ops` has no word for."""

from lossmith.backend._alignment import NEVER, Ends, align_back, align_forth
from lossmith.backend._any_batch import any_batch
from lossmith.backend._classes import softmax_less_picked
from lossmith.backend._cost import numbers_made
from lossmith.backend._ctc import alignments, log_columns, weighted_softmax_less
from lossmith.backend._custom_gradient import custom_gradient
from lossmith.backend._deferred import deferred
from lossmith.backend._diagonals import skew, unskew
from lossmith.backend._gradient import Mode, Program, to_numpy
from lossmith.backend._host import (
    has_value,
    hold_shape,
    keras_mask,
    known,
    shapes_only,
    sublayers,
    with_keras_mask,
    with_rank,
)
from lossmith.backend._inside import one_by_one, slopes
from lossmith.backend._linear_cross_entropy import (
    Inputs,
    Recipe,
    Tokens,
    linear_cross_entropies,
    linear_cross_entropy_sum,
)
from lossmith.backend._loop import compiled_once, fold, recomputed
from lossmith.backend._replicas import (
    all_replicas,
    average_gradients,
    logged,
    numerator,
    replica_share,
    replicas,
    start_alike,
)
from lossmith.backend._rows import rows_that_count, take_rows
from lossmith.backend._state import keeping_state
from lossmith.backend._steps import Snapshot, watched, whole
from lossmith.backend._tf_data import bucketed, is_tf_dataset, regrouped
from lossmith.backend._traced import trace_state

__all__ = [
    "NEVER",
    "Ends",
    "Inputs",
    "Mode",
    "Program",
    "Recipe",
    "Snapshot",
    "Tokens",
    "align_back",
    "align_forth",
    "alignments",
    "all_replicas",
    "any_batch",
    "average_gradients",
    "bucketed",
    "compiled_once",
    "custom_gradient",
    "deferred",
    "fold",
    "has_value",
    "hold_shape",
    "is_tf_dataset",
    "keeping_state",
    "keras_mask",
    "known",
    "linear_cross_entropies",
    "linear_cross_entropy_sum",
    "log_columns",
    "logged",
    "numbers_made",
    "numerator",
    "one_by_one",
    "recomputed",
    "regrouped",
    "replica_share",
    "replicas",
    "rows_that_count",
    "shapes_only",
    "skew",
    "slopes",
    "softmax_less_picked",
    "start_alike",
    "sublayers",
    "take_rows",
    "to_numpy",
    "trace_state",
    "unskew",
    "watched",
    "weighted_softmax_less",
    "whole",
    "with_keras_mask",
    "with_rank",
]
