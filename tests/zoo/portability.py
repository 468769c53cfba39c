"""Portability: names, dtypes, results and costs that are not what they are elsewhere."""

import keras
import numpy as np
from keras import ops
from keras.saving import register_keras_serializable

from tests.zoo import pair
from tests.zoo import reference as ref
from tests.zoo.reference import halves


@register_keras_serializable("zoo")
def by_the_old_backend(y_true, y_pred):
    return keras.backend.mean(keras.backend.square(y_true - y_pred), axis=-1)


@register_keras_serializable("zoo")
def by_ops(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


pair(
    "names-of-keras-2",
    by_the_old_backend,
    by_ops,
    axes="b f, b f",
    check="output-contract",
    rule="LSM502",
    why="`keras.backend` has no functions on tensors any more: it raises AttributeError.",
    reference=ref.squared,
)


@register_keras_serializable("zoo")
def count_of_misses(y_true, y_pred):
    return ops.cast(ops.sum(ops.abs(y_true - y_pred), axis=-1), "int32")


@register_keras_serializable("zoo")
def amount_of_misses(y_true, y_pred):
    return ops.sum(ops.abs(y_true - y_pred), axis=-1)


pair(
    "integers-returned",
    count_of_misses,
    amount_of_misses,
    axes="b f, b f",
    check="output-contract",
    rule="LSM601",
    why="A loss in whole numbers cannot be differentiated.",
    reference=lambda y, p: np.sum(np.abs(y - p), axis=-1),
)


@register_keras_serializable("zoo")
def nothing_returned(y_true, y_pred):
    ops.mean(ops.square(y_true - y_pred), axis=-1)


@register_keras_serializable("zoo")
def something_returned(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


pair(
    "return-forgotten",
    nothing_returned,
    something_returned,
    axes="b f, b f",
    check="output-contract",
    rule=None,
    why="The function ends without `return`.",
    reference=ref.squared,
)


@register_keras_serializable("zoo")
def labels_through_half(y_true, y_pred):
    labels = ops.cast(ops.cast(ops.reshape(y_true, (-1,)), y_pred.dtype), "int32")
    target = ops.one_hot(labels, y_pred.shape[-1], dtype=y_pred.dtype)
    return -ops.sum(target * ops.log_softmax(y_pred, axis=-1), axis=-1)


@register_keras_serializable("zoo")
def labels_as_integers(y_true, y_pred):
    labels = ops.cast(ops.reshape(y_true, (-1,)), "int32")
    target = ops.one_hot(labels, y_pred.shape[-1], dtype=y_pred.dtype)
    return -ops.sum(target * ops.log_softmax(y_pred, axis=-1), axis=-1)


def many_classes():
    """A label that float16 cannot hold, and logits that know it."""
    label = np.array([2049], "int32")
    return label, 8 * np.eye(2050, dtype="float16")[label]


pair(
    "labels-in-half",
    labels_through_half,
    labels_as_integers,
    axes="b, b [c]",
    check="integer-labels",
    rule=None,
    why="float16 has no 2049: the label becomes 2048, and another class is learned.",
    y_true="int<3",
    y_pred="logits",
    witness=many_classes,
    reference=ref.sparse_crossentropy,
)


@register_keras_serializable("zoo")
def labels_compared_in_half(y_true, y_pred):
    classes = ops.arange(y_pred.shape[-1], dtype=y_pred.dtype)
    labels = ops.reshape(ops.cast(y_true, y_pred.dtype), (-1, *y_pred.shape[1:-1], 1))
    target = ops.cast(ops.equal(labels, classes), y_pred.dtype)
    return -ops.sum(target * ops.log_softmax(y_pred, axis=-1), axis=-1)


@register_keras_serializable("zoo")
def labels_compared_as_integers(y_true, y_pred):
    classes = ops.arange(y_pred.shape[-1], dtype="int32")
    labels = ops.reshape(ops.cast(y_true, "int32"), (-1, *y_pred.shape[1:-1], 1))
    target = ops.cast(ops.equal(labels, classes), y_pred.dtype)
    return -ops.sum(target * ops.log_softmax(y_pred, axis=-1), axis=-1)


pair(
    "labels-compared-as-floats",
    labels_compared_in_half,
    labels_compared_as_integers,
    axes="b t, b t [c]",
    check="integer-labels",
    rule=None,
    why="In float16 labels above 2048 are equal to their neighbours, and count twice.",
    y_true="int<3",
    y_pred="logits",
    witness=lambda: (np.array([[2048]], "int32"), halves(np.zeros(2050))[None]),
    reference=ref.sparse_crossentropy,
)


@register_keras_serializable("zoo")
def method_of_the_tensor(y_true, y_pred):
    return abs(y_true - y_pred).mean(axis=-1)


@register_keras_serializable("zoo")
def function_of_the_tensor(y_true, y_pred):
    return ops.mean(ops.abs(y_true - y_pred), axis=-1)


pair(
    "method-of-the-tensor",
    method_of_the_tensor,
    function_of_the_tensor,
    axes="b f, b f",
    check="backends-agree",
    rule=None,
    why="Tensors of JAX and PyTorch have a method `mean`, those of TensorFlow have none.",
    reference=ref.absolute,
)


@register_keras_serializable("zoo")
def mixed_dtypes(y_true, y_pred):
    labels = ops.cast(ops.reshape(y_true, (-1,)), "int32")
    target = ops.one_hot(labels, y_pred.shape[-1], dtype="int32")
    return -ops.sum(target * ops.log_softmax(y_pred, axis=-1), axis=-1)


@register_keras_serializable("zoo")
def one_dtype(y_true, y_pred):
    labels = ops.cast(ops.reshape(y_true, (-1,)), "int32")
    target = ops.one_hot(labels, y_pred.shape[-1], dtype=y_pred.dtype)
    return -ops.sum(target * ops.log_softmax(y_pred, axis=-1), axis=-1)


pair(
    "integers-times-floats",
    mixed_dtypes,
    one_dtype,
    axes="b, b [c]",
    check="backends-agree",
    rule=None,
    why="JAX and PyTorch promote the integers, TensorFlow raises.",
    y_true="int<3",
    y_pred="logits",
    reference=ref.sparse_crossentropy,
)


@register_keras_serializable("zoo")
def sigmoid_twice(y_true, y_pred):
    return keras.losses.binary_crossentropy(y_true, ops.sigmoid(y_pred), from_logits=True)


@register_keras_serializable("zoo")
def sigmoid_once(y_true, y_pred):
    return keras.losses.binary_crossentropy(y_true, y_pred, from_logits=True)


pair(
    "sigmoid-and-from-logits",
    sigmoid_twice,
    sigmoid_once,
    axes="b f, b f",
    check="backends-agree",
    rule="LSM308",
    why="On TensorFlow Keras remembers the logits and takes them; elsewhere it is a sigmoid twice.",
    y_true="prob",
    y_pred="logits",
    reference=lambda y, x: ref.binary(y, 1 / (1 + np.exp(-x))),
)


@register_keras_serializable("zoo")
def diagonal_of_all(y_true, y_pred):
    logs = ops.log(ops.maximum(y_pred, 1e-6))
    return -ops.diagonal(ops.matmul(y_true, ops.transpose(logs)))


@register_keras_serializable("zoo")
def own_product(y_true, y_pred):
    logs = ops.log(ops.maximum(y_pred, 1e-6))
    return -ops.sum(y_true * logs, axis=-1)


pair(
    "diagonal-of-all-pairs",
    diagonal_of_all,
    own_product,
    axes="b [c], b [c]",
    check="linear-cost",
    rule=None,
    why="Every sample meets every other, and all but the diagonal is thrown away.",
    y_true="simplex",
    y_pred="simplex",
    reference=ref.log_loss,
)


@register_keras_serializable("zoo")
def all_errors_then_own(y_true, y_pred):
    error = ops.expand_dims(y_true, 1) - ops.expand_dims(y_pred, 0)
    own = ops.expand_dims(ops.eye(ops.shape(y_pred)[0], dtype=y_pred.dtype), -1)
    return ops.mean(ops.sum(ops.square(error) * own, axis=1), axis=-1)


@register_keras_serializable("zoo")
def own_errors(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


pair(
    "identity-picks-the-pairs",
    all_errors_then_own,
    own_errors,
    axes="b f, b f",
    check="linear-cost",
    rule=None,
    why="All pairs of samples are compared, and a unit matrix picks the own ones.",
    reference=ref.squared,
)
