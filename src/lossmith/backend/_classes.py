"""The gradient of what is picked out of a softmax, written once."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import ops

from lossmith.backend._host import Tensor

Picked = Sequence[tuple[Tensor, Tensor]]


def softmax_less_picked(
    logits: Tensor, normaliser: Tensor, weight: Tensor, mask: Tensor, picked: Picked
) -> Tensor:
    """Return `weight * softmax(logits)`, less an amount at each picked class.

    It is as large as the logits, and no other tensor of that size is kept beside it: what XLA does
    by itself takes operations in place elsewhere.

    Args:
        logits: (..., classes).
        normaliser: (...) their `logsumexp`.
        weight: (...) numbers.
        mask: (...) booleans: where False, the result is 0 whatever the logits are.
        picked: Pairs of classes (...), integers that are legal even at masked places, and
            amounts (...).

    Returns:
        (..., classes).
    """
    function = {"jax": _fused, "tensorflow": _tensorflow, "torch": _torch}
    return function[keras.backend.backend()](logits, normaliser, weight, mask, picked)


def _fused(
    logits: Tensor, normaliser: Tensor, weight: Tensor, mask: Tensor, picked: Picked
) -> Tensor:
    softmax = ops.exp(logits - normaliser[..., None])
    result = ops.where(mask[..., None], weight[..., None] * softmax, 0.0)
    classes = ops.arange(logits.shape[-1])
    for place, amount in picked:
        result = result - ops.where(classes == place[..., None], amount[..., None], 0.0)
    return result


def _tensorflow(
    logits: Tensor, normaliser: Tensor, weight: Tensor, mask: Tensor, picked: Picked
) -> Tensor:
    import tensorflow as tf

    del mask  # the weight is 0 there
    softmax = tf.exp(logits - normaliser[..., None])
    result = tf.math.multiply_no_nan(softmax, weight[..., None])
    shape = tf.shape(result)
    result = tf.reshape(result, (-1, shape[-1]))
    rows = tf.range(tf.shape(result)[0])
    for place, amount in picked:
        at = tf.stack([rows, tf.reshape(place, (-1,))], axis=-1)
        result = tf.tensor_scatter_nd_sub(result, at, tf.reshape(amount, (-1,)))
    return tf.reshape(result, shape)


def _torch(
    logits: Tensor, normaliser: Tensor, weight: Tensor, mask: Tensor, picked: Picked
) -> Tensor:
    result = (logits - normaliser[..., None]).exp_().mul_(weight[..., None])
    result.masked_fill_(~mask[..., None], 0.0)
    for place, amount in picked:
        result.scatter_add_(-1, place[..., None].long(), -amount[..., None])
    return result
