"""TensorFlow: a `while_loop` over chunks, which XLA compiles too, behind a gradient of its own."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow.python.eager import record  # no public name tells whether a tape is there

from lossmith.backend._linear_cross_entropy.recipe import Inputs, Recipe, Tokens

Tensor = Any


def summed(
    inputs: Inputs, weights: Tensor, labels: Tensor, mask: Tensor | None, recipe: Recipe
) -> tuple[Tensor, Tokens]:
    """See the package."""
    # Without a tape in sight a gradient may still be asked for, of a graph: then by a second pass.
    ahead = record.could_possibly_record()

    @tf.custom_gradient
    def run(weights: Tensor, *given: Tensor) -> Any:
        tokens, gradients = _pass(given, weights if ahead else None, labels, mask, recipe)
        counted = weights if mask is None else tf.where(mask, weights, tf.zeros_like(weights))

        def back(slope: Tensor, *_: Tensor) -> Any:
            found = gradients or _pass(given, weights, labels, mask, recipe)[1]
            return slope * tokens.losses, *(tf.cast(slope, x.dtype) * x for x in found)

        return (tf.tensordot(counted, tokens.losses, 1), *tokens), back

    total, *tokens = run(weights, *_given(inputs))
    return total, Tokens(*tokens)


def values(inputs: Inputs, labels: Tensor, mask: Tensor | None, recipe: Recipe) -> Tokens:
    """See the package."""

    @tf.custom_gradient
    def run(*given: Tensor) -> Any:
        def back(slopes: Tensor, *_: Tensor) -> Any:
            return _pass(given, slopes, labels, mask, recipe)[1]

        return tuple(_pass(given, None, labels, mask, recipe)[0]), back

    return Tokens(*run(*_given(inputs)))


def _given(inputs: Inputs) -> list[Tensor]:
    return [x for x in inputs if x is not None]


def _pass(
    inputs: tuple[Tensor, ...],
    weights: Tensor | None,
    labels: Tensor,
    mask: Tensor,
    recipe: Recipe,
) -> tuple[Tokens, list[Any]]:
    """Go over the counted tokens once.

    Args:
        inputs: Hidden, kernel and, where there is one, bias; the gradients come in this order.
        weights: (N,) those of the sum that is differentiated; None: no gradients.
        labels: (N,).
        mask: (N,), or None.
        recipe: How a loss is made of logits.
    """
    hidden, kernel, *bias = inputs
    sums = tf.float64 if hidden.dtype == tf.float64 else tf.float32
    matrix = tf.cast(kernel, hidden.dtype)
    length = hidden.shape[0] if hidden.shape[0] is not None else tf.shape(hidden)[0]
    # The last chunk is as long as the others, and each makes the kernel's gradient anew.
    chunk = recipe.chunk(kernel, logits=2**22, shortest=512)
    if isinstance(length, int):
        chunk = min(chunk, max(length, 1))
    mask = tf.ones([length], tf.bool) if mask is None else mask
    place = tf.cumsum(tf.cast(mask, tf.int32)) - 1
    count = tf.reduce_sum(tf.cast(mask, tf.int32))
    room = length + chunk  # a chunk that begins before the last token ends inside
    counted = tf.scatter_nd(tf.where(mask, place, room)[:, None], tf.range(length), [room + 1])
    state = [tf.zeros([room, 3], sums)]
    if weights is not None:
        state.append(tf.zeros([room, hidden.shape[1]], hidden.dtype))
        state += [tf.zeros(x.shape, sums) for x in (kernel, *bias)]

    def body(start: Tensor, *state: Tensor) -> Any:
        rows = start + tf.range(chunk)
        live, at = rows < count, tf.slice(counted, [start], [chunk])

        def read(source: Tensor) -> Tensor:
            found = tf.gather(source, at)
            here = live[:, None] if len(found.shape) > 1 else live
            return tf.where(here, found, tf.zeros([], found.dtype))

        x = read(hidden)
        logits, slope = _logits(x, matrix, bias, sums, recipe)
        losses, steep = _losses(logits, read(labels), slope, recipe)
        found = [losses]
        if weights is not None:
            found += _shares(x, matrix, steep, read(weights)[:, None], recipe)
        written = [
            tf.tensor_scatter_nd_update(whole, rows[:, None], part)
            for whole, part in zip(state[:2], found[:2], strict=True)
        ]
        added = [whole + part for whole, part in zip(state[2:], found[2:], strict=False)]
        return (start + chunk, *written, *added)

    _, *state = tf.while_loop(
        lambda start, *_: start < count, body, (tf.constant(0), *state), parallel_iterations=1
    )

    def spread(x: Tensor) -> Tensor:
        found = tf.gather(x, tf.maximum(place, 0))
        return tf.where(mask[:, None], found, tf.zeros([], x.dtype))

    tokens = Tokens(*tf.unstack(spread(state[0]), axis=1))
    if weights is None:
        return tokens, []
    added = [tf.cast(x, given.dtype) for x, given in zip(state[2:], (kernel, *bias), strict=True)]
    return tokens, [spread(state[1]), *added]


def _logits(
    x: Tensor, matrix: Tensor, bias: list[Tensor], sums: Any, recipe: Recipe
) -> tuple[Tensor, Tensor | None]:
    """Return the logits of a chunk, and the slope of the soft cap."""
    logits = tf.cast(tf.matmul(x, matrix, transpose_b=recipe.transposed), sums)
    for offset in bias:
        logits += tf.cast(offset, sums)
    if recipe.soft_cap is None:
        return logits, None
    squeezed = tf.tanh(logits / recipe.soft_cap)
    return recipe.soft_cap * squeezed, 1.0 - tf.square(squeezed)


def _losses(
    logits: Tensor, y: Tensor, slope: Tensor | None, recipe: Recipe
) -> tuple[Tensor, Tensor]:
    """Return the (C, 3) losses of a chunk, and their slopes, (C, V)."""
    smoothing, z_loss = recipe.label_smoothing, recipe.z_loss
    # One operation makes both the loss and `softmax - one_hot`.
    surprise, steep = tf.raw_ops.SparseSoftmaxCrossEntropyWithLogits(features=logits, labels=y)
    losses, back = surprise, tf.zeros_like(surprise)  # how much of one_hot is to be put back
    place = tf.stack([tf.range(tf.shape(y)[0]), tf.cast(y, tf.int32)], axis=1)
    own = tf.gather_nd(logits, place)
    if smoothing:
        losses += smoothing * (own - tf.reduce_mean(logits, axis=1))
        back += smoothing
    if z_loss:
        log = surprise + own
        losses += z_loss * tf.square(log)
        back += 2.0 * z_loss * log
        steep *= (1.0 + 2.0 * z_loss * log)[:, None]
    if smoothing or z_loss:
        steep = tf.tensor_scatter_nd_add(steep, place, back)
    if smoothing:
        steep -= smoothing / logits.shape[1]
    correct = tf.zeros_like(surprise)
    if recipe.accuracy:
        correct = tf.cast(tf.argmax(logits, axis=1, output_type=y.dtype) == y, logits.dtype)
    steep = steep if slope is None else steep * slope
    return tf.stack([losses, surprise, correct], axis=1), steep


def _shares(
    x: Tensor, matrix: Tensor, steep: Tensor, scale: Tensor, recipe: Recipe
) -> list[Tensor]:
    """Return a chunk's share of the gradients: of `steep`, each row times `scale`.

    In full precision the scale multiplies the narrow side of each product. In low precision it
    multiplies the slopes before they are rounded, so that none of them underflows.
    """
    offset = tf.squeeze(tf.matmul(scale, steep, transpose_a=True), 0)
    if x.dtype == steep.dtype:
        rows, scaled = (
            tf.matmul(steep, matrix, transpose_b=not recipe.transposed) * scale,
            x * scale,
        )
    else:
        steep, scaled = tf.cast(steep * scale, x.dtype), x
        rows = tf.matmul(steep, matrix, transpose_b=not recipe.transposed)
    pair = (steep, scaled) if recipe.transposed else (scaled, steep)
    columns = tf.matmul(*pair, transpose_a=True)
    return [rows, tf.cast(columns, offset.dtype), offset]
