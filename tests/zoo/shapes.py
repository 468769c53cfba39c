"""Axes: on the wrong one, on none, or on one too many."""

import numpy as np
from keras import ops
from keras.saving import register_keras_serializable

from tests.zoo import pair
from tests.zoo import reference as ref
from tests.zoo.reference import floats

BATCH_SIZE = 32


@register_keras_serializable("zoo")
def members_second(y_true, y_pred):
    members = y_pred.shape[-1]
    repeated = ops.repeat(ops.expand_dims(y_true, 1), members, axis=1)
    return ops.mean(ops.square(repeated - y_pred), axis=-1)


@register_keras_serializable("zoo")
def members_last(y_true, y_pred):
    members = y_pred.shape[-1]
    steps = ops.reshape(y_true, (-1, *y_pred.shape[1:-1], 1))
    repeated = ops.repeat(steps, members, axis=-1)
    return ops.mean(ops.square(repeated - y_pred), axis=-1)


pair(
    "repeated-on-the-wrong-axis",
    members_second,
    members_last,
    axes="b t, b t k",
    check="no-silent-broadcast",
    rule=None,
    why="The copies stand where steps should, which runs as soon as both axes are equally long.",
    witness=lambda: (floats([1, 2], [3, 4]), np.zeros((2, 2, 2), "float32") + floats(1, 2)),
    reference=lambda y, p: np.mean((y[..., None] - p) ** 2, axis=-1),
)


@register_keras_serializable("zoo")
def column_against_row(y_true, y_pred):
    return ops.mean(ops.square(ops.reshape(y_true, (-1,)) - y_pred), axis=-1)


@register_keras_serializable("zoo")
def column_against_column(y_true, y_pred):
    return ops.mean(ops.square(ops.reshape(y_true, (-1, 1)) - y_pred), axis=-1)


pair(
    "row-against-column",
    column_against_row,
    column_against_column,
    axes="b, b 1",
    check="no-silent-broadcast",
    rule=None,
    why="(B,) against (B, 1) is (B, B): each prediction is compared with all targets.",
    reference=lambda y, p: np.mean((y[:, None] - p) ** 2, axis=-1),
)


@register_keras_serializable("zoo")
def squeezed(y_true, y_pred):
    error = ops.squeeze(y_true) - ops.squeeze(y_pred)
    return ops.mean(ops.square(error), axis=1)


@register_keras_serializable("zoo")
def squeezed_last(y_true, y_pred):
    error = ops.squeeze(y_true, axis=-1) - ops.squeeze(y_pred, axis=-1)
    return ops.mean(ops.square(error), axis=1)


pair(
    "squeezed-without-an-axis",
    squeezed,
    squeezed_last,
    axes="b t 1, b t 1",
    check="batch-one-and-rest",
    rule="LSM103",
    why="A batch of one sample loses its batch axis too.",
    witness=lambda: (floats([[1], [2]]), floats([[3], [5]])),
    reference=lambda y, p: ref.squared(y[..., 0], p[..., 0]),
)


@register_keras_serializable("zoo")
def reshaped_to_the_settings(y_true, y_pred):
    error = ops.reshape(ops.square(y_true - y_pred), (BATCH_SIZE, -1))
    return ops.mean(error, axis=-1)


@register_keras_serializable("zoo")
def reshaped_to_nothing(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred), axis=(1, 2))


pair(
    "batch-size-from-the-settings",
    reshaped_to_the_settings,
    reshaped_to_nothing,
    axes="b t f, b t f",
    check="dynamic-batch",
    rule="LSM104",
    why="The last batch of an epoch is shorter than the global constant, and cannot be reshaped.",
    reference=lambda y, p: np.mean((y - p) ** 2, axis=(1, 2)),
)


@register_keras_serializable("zoo")
def counted_steps(y_true, y_pred):
    steps = y_pred.shape[0] * y_pred.shape[1]
    error = ops.reshape(ops.abs(y_true - y_pred), (steps, y_pred.shape[2]))
    return ops.reshape(ops.mean(error, axis=-1), (-1, y_pred.shape[1]))


@register_keras_serializable("zoo")
def any_steps(y_true, y_pred):
    error = ops.reshape(ops.abs(y_true - y_pred), (-1, y_pred.shape[2]))
    return ops.reshape(ops.mean(error, axis=-1), (-1, y_pred.shape[1]))


pair(
    "static-batch-size",
    counted_steps,
    any_steps,
    axes="b t f, b t f",
    check="dynamic-batch",
    rule="LSM104",
    why="The first length of a shape is None while a graph is traced for batches of any size.",
    reference=ref.absolute,
)


@register_keras_serializable("zoo")
def summed_by_the_settings(y_true, y_pred):
    return ops.sum(ops.square(y_true - y_pred)) / BATCH_SIZE


@register_keras_serializable("zoo")
def summed_for_each(y_true, y_pred):
    return ops.sum(ops.square(y_true - y_pred), axis=-1)


pair(
    "batch-summed-over-a-constant",
    summed_by_the_settings,
    summed_for_each,
    axes="b f, b f",
    check="batch-one-and-rest",
    rule="LSM104",
    why="A short last batch is divided by the size of a full one.",
    reference=ref.summed,
)


@register_keras_serializable("zoo")
def slopes_over_samples(y_true, y_pred):
    error = y_true - y_pred
    return ops.mean(ops.square(error[1:] - error[:-1]), axis=-1)


@register_keras_serializable("zoo")
def slopes_over_steps(y_true, y_pred):
    error = y_true - y_pred
    return ops.mean(ops.square(error[:, 1:] - error[:, :-1]), axis=-1)


pair(
    "differences-along-the-batch",
    slopes_over_samples,
    slopes_over_steps,
    axes="b t, b t",
    check="sample-independence",
    rule=None,
    why="The slope is taken from one sample to the next instead of from step to step.",
    promises={"pads": False},
    reference=lambda y, p: np.mean(np.diff(y - p, axis=1) ** 2, axis=-1),
)


@register_keras_serializable("zoo")
def rolled_over_samples(y_true, y_pred):
    error = y_true - y_pred
    return ops.mean(ops.square(error - 0.5 * ops.roll(error, 1, axis=0)), axis=-1)


@register_keras_serializable("zoo")
def rolled_over_steps(y_true, y_pred):
    error = y_true - y_pred
    return ops.mean(ops.square(error - 0.5 * ops.roll(error, 1, axis=1)), axis=-1)


pair(
    "rolled-batch",
    rolled_over_samples,
    rolled_over_steps,
    axes="b t, b t",
    check="permutation",
    rule=None,
    why="The neighbour of a step is taken from the sample before it in the batch.",
    promises={"pads": False},
    reference=lambda y, p: np.mean(((y - p) - 0.5 * np.roll(y - p, 1, axis=1)) ** 2, axis=-1),
)


@register_keras_serializable("zoo")
def later_rows_count_more(y_true, y_pred):
    ramp = ops.cumsum(ops.ones_like(y_pred), axis=0)
    return ops.mean(ramp * ops.square(y_true - y_pred), axis=-1)


@register_keras_serializable("zoo")
def later_steps_count_more(y_true, y_pred):
    ramp = ops.cumsum(ops.ones_like(y_pred), axis=1)
    return ops.mean(ramp * ops.square(y_true - y_pred), axis=-1)


pair(
    "weighted-by-row",
    later_rows_count_more,
    later_steps_count_more,
    axes="b t, b t",
    check="permutation",
    rule=None,
    why="The weight meant for late steps is given to samples that happen to stand late.",
    promises={"pads": False},
    reference=lambda y, p: np.mean((1 + np.arange(y.shape[1])) * (y - p) ** 2, axis=-1),
)


@register_keras_serializable("zoo")
def pairs_of_rows(y_true, y_pred):
    wanted = y_true[0::2] - y_true[1::2]
    gap = y_pred[0::2] - y_pred[1::2]
    return ops.mean(ops.square(wanted - gap), axis=-1)


@register_keras_serializable("zoo")
def ends_of_rows(y_true, y_pred):
    wanted = y_true - y_true[:, :1]
    gap = y_pred - y_pred[:, :1]
    return ops.mean(ops.square(wanted - gap), axis=-1)


pair(
    "rows-taken-as-pairs",
    pairs_of_rows,
    ends_of_rows,
    axes="b k, b k",
    check="batch-one-and-rest",
    rule=None,
    why="Which samples are compared depends on the order of the batch, and an odd one raises.",
    reference=lambda y, p: np.mean(((y - y[:, :1]) - (p - p[:, :1])) ** 2, axis=-1),
)
