"""Numbers: logs, roots and quotients without a guard, and guards too small to count."""

import numpy as np
from keras import ops
from keras.saving import register_keras_serializable

from tests.zoo import pair
from tests.zoo import reference as ref
from tests.zoo.reference import floats, halves


@register_keras_serializable("zoo")
def bare_log(y_true, y_pred):
    return -ops.sum(y_true * ops.log(y_pred), axis=-1)


@register_keras_serializable("zoo")
def guarded_log(y_true, y_pred):
    return -ops.sum(y_true * ops.log(ops.maximum(y_pred, 1e-6)), axis=-1)


pair(
    "unguarded-log",
    bare_log,
    guarded_log,
    axes="b [c], b [c]",
    check="extremes",
    rule="LSM302",
    why="A softmax underflows to 0, whose log is -inf, and zero times that is NaN.",
    y_true="simplex",
    y_pred="simplex",
    witness=lambda: (floats([1, 0]), floats([1, 0])),
    reference=ref.log_loss,
)


@register_keras_serializable("zoo")
def softmax_then_log(y_true, y_pred):
    return -ops.sum(y_true * ops.log(ops.softmax(y_pred, axis=-1)), axis=-1)


@register_keras_serializable("zoo")
def log_of_softmax(y_true, y_pred):
    return -ops.sum(y_true * ops.log_softmax(y_pred, axis=-1), axis=-1)


pair(
    "log-of-a-softmax",
    softmax_then_log,
    log_of_softmax,
    axes="b [c], b [c]",
    check="extremes",
    rule="LSM301",
    why="A confident softmax underflows before the log is taken; log_softmax does not.",
    y_true="simplex",
    y_pred="logits",
    witness=lambda: (floats([1, 0]), floats([0, 200])),
    reference=ref.crossentropy,
)


@register_keras_serializable("zoo")
def sigmoid_then_log(y_true, y_pred):
    chance, other = ops.sigmoid(y_pred), ops.sigmoid(-y_pred)
    return -ops.mean(y_true * ops.log(chance) + (1.0 - y_true) * ops.log(other), axis=-1)


@register_keras_serializable("zoo")
def log_of_sigmoid(y_true, y_pred):
    chance, other = ops.log_sigmoid(y_pred), ops.log_sigmoid(-y_pred)
    return -ops.mean(y_true * chance + (1.0 - y_true) * other, axis=-1)


pair(
    "log-of-a-sigmoid",
    sigmoid_then_log,
    log_of_sigmoid,
    axes="b f, b f",
    check="extremes",
    rule="LSM301",
    why="In float16 a logit of -18 has a probability of 0, in float32 one of -104.",
    y_true="prob",
    y_pred="logits",
    witness=lambda: (halves([1]), halves([-20])),
    reference=lambda y, x: ref.binary(y, 1 / (1 + np.exp(-x))),
)


@register_keras_serializable("zoo")
def log_of_one_and_more(y_true, y_pred):
    return ops.mean(ops.log(1.0 + ops.square(y_true - y_pred)), axis=-1)


@register_keras_serializable("zoo")
def log1p_of_it(y_true, y_pred):
    return ops.mean(ops.log1p(ops.square(y_true - y_pred)), axis=-1)


pair(
    "log-of-one-plus",
    log_of_one_and_more,
    log1p_of_it,
    axes="b f, b f",
    check="half-precision",
    rule="LSM303",
    why="Next to 1 a small square is rounded away.",
    witness=lambda: (halves([0, 0]), halves([0.016, 0.012])),
    reference=lambda y, p: np.mean(np.log1p((y - p) ** 2), axis=-1),
)


@register_keras_serializable("zoo")
def log_of_summed(y_true, y_pred):
    total = ops.log(ops.sum(ops.exp(y_pred), axis=-1))
    return total - ops.sum(y_true * y_pred, axis=-1)


@register_keras_serializable("zoo")
def log_sum_exp(y_true, y_pred):
    total = ops.logsumexp(y_pred, axis=-1)
    return total - ops.sum(y_true * y_pred, axis=-1)


pair(
    "log-of-summed-exponentials",
    log_of_summed,
    log_sum_exp,
    axes="b [c], b [c]",
    check="extremes",
    rule="LSM304",
    why="exp overflows at a logit of 89, in float16 at 12.",
    y_true="simplex",
    y_pred="logits",
    witness=lambda: (floats([1, 0]), floats([100, 0])),
    reference=ref.crossentropy,
)


@register_keras_serializable("zoo")
def bare_root(y_true, y_pred):
    return ops.sqrt(ops.mean(ops.square(y_true - y_pred), axis=-1))


@register_keras_serializable("zoo")
def lifted_root(y_true, y_pred):
    return ops.sqrt(ops.mean(ops.square(y_true - y_pred), axis=-1) + 1e-6)


pair(
    "root-at-zero",
    bare_root,
    lifted_root,
    axes="b f, b f",
    check="extremes",
    rule="LSM305",
    why="A perfect sample has value 0 and gradient NaN: the slope of a root at 0 is infinite.",
    witness=lambda: (floats([1, 2]), floats([1, 2])),
    reference=lambda y, p: np.sqrt(ref.squared(y, p) + 1e-6),
)


@register_keras_serializable("zoo")
def bare_cosine(y_true, y_pred):
    overlap = ops.sum(y_true * y_pred, axis=-1)
    lengths = ops.sum(ops.square(y_true), axis=-1) * ops.sum(ops.square(y_pred), axis=-1)
    return 1.0 - overlap * ops.abs(overlap) / lengths


@register_keras_serializable("zoo")
def guarded_cosine(y_true, y_pred):
    overlap = ops.sum(y_true * y_pred, axis=-1)
    lengths = ops.sum(ops.square(y_true), axis=-1) * ops.sum(ops.square(y_pred), axis=-1)
    return 1.0 - overlap * ops.abs(overlap) / ops.maximum(lengths, 1e-3)


pair(
    "direction-of-nothing",
    bare_cosine,
    guarded_cosine,
    axes="b [f], b [f]",
    check="extremes",
    rule="LSM307",
    why="A vector of zeros has no direction: 0 / 0.",
    witness=lambda: (floats([1, 2]), floats([0, 0])),
)


@register_keras_serializable("zoo")
def bare_dice(y_true, y_pred):
    overlap = 2.0 * ops.sum(y_true * y_pred, axis=-1)
    return 1.0 - overlap / (ops.sum(y_true, axis=-1) + ops.sum(y_pred, axis=-1))


@register_keras_serializable("zoo")
def smooth_dice(y_true, y_pred):
    overlap = 2.0 * ops.sum(y_true * y_pred, axis=-1) + 1.0
    return 1.0 - overlap / (ops.sum(y_true, axis=-1) + ops.sum(y_pred, axis=-1) + 1.0)


pair(
    "dice-of-nothing",
    bare_dice,
    smooth_dice,
    axes="b [f], b [f]",
    check="extremes",
    rule="LSM307",
    why="No object, and rightly none predicted: 0 / 0.",
    y_true="binary",
    y_pred="prob",
    witness=lambda: (floats([0, 0]), floats([0, 0])),
    reference=ref.dice,
)


@register_keras_serializable("zoo")
def clipped_too_little(y_true, y_pred):
    y_true, y_pred = ops.cast(y_true, "float32"), ops.cast(y_pred, "float32")
    y_pred = ops.clip(y_pred, 1e-8, 1.0 - 1e-8)
    return -ops.mean(y_true * ops.log(y_pred) + (1.0 - y_true) * ops.log(1.0 - y_pred), axis=-1)


@register_keras_serializable("zoo")
def clipped_enough(y_true, y_pred):
    y_true, y_pred = ops.cast(y_true, "float32"), ops.cast(y_pred, "float32")
    y_pred = ops.clip(y_pred, 1e-6, 1.0 - 1e-6)
    return -ops.mean(y_true * ops.log(y_pred) + (1.0 - y_true) * ops.log(1.0 - y_pred), axis=-1)


pair(
    "clip-that-clips-nothing",
    clipped_too_little,
    clipped_enough,
    axes="b f, b f",
    check="extremes",
    rule="LSM306",
    why="In float32, 1 - 1e-8 is 1, and the log of 1 - 1 is -inf.",
    y_true="prob",
    y_pred="prob",
    witness=lambda: (floats([1, 0]), floats([1, 1])),
    reference=ref.binary,
)


@register_keras_serializable("zoo")
def tiny_epsilon(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred) / (y_true + 1e-8), axis=-1)


@register_keras_serializable("zoo")
def sound_epsilon(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred) / (y_true + 1e-2), axis=-1)


pair(
    "epsilon-too-small-for-half",
    tiny_epsilon,
    sound_epsilon,
    axes="b f, b f",
    check="half-precision",
    rule="LSM306",
    why="In float16, 1e-8 is 0 and guards no division.",
    y_true="binary",
    y_pred="prob",
    witness=lambda: (halves([0, 1]), halves([0.5, 1])),
    reference=lambda y, p: np.mean((y - p) ** 2 / (y + 1e-2), axis=-1),
)
