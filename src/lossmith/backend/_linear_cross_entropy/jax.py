"""JAX: a loop over chunks with a traced number of turns, behind a gradient of its own."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
from jax import lax
from jax import numpy as jnp

from lossmith.backend._linear_cross_entropy.recipe import Inputs, Recipe, Tokens

Tensor = Any


@partial(jax.custom_vjp, nondiff_argnums=(4,))
def summed(
    inputs: Inputs, weights: Tensor, labels: Tensor, mask: Tensor | None, recipe: Recipe
) -> tuple[Tensor, Tokens]:
    """See the package."""
    tokens, _ = _pass(inputs, None, labels, mask, recipe)
    return _total(weights, tokens, mask), tokens


def _summed(
    inputs: Inputs, weights: Tensor, labels: Tensor, mask: Tensor | None, recipe: Recipe
) -> Any:
    tokens, gradients = _pass(inputs, weights, labels, mask, recipe)
    return (_total(weights, tokens, mask), tokens), (gradients, tokens.losses)


def _summed_back(_: Recipe, saved: Any, slopes: Any) -> Any:
    slope, _ = slopes
    found = jax.tree.map(lambda x: (slope * x).astype(x.dtype), saved)
    return *found, None, None


summed.defvjp(_summed, _summed_back)


@partial(jax.custom_vjp, nondiff_argnums=(3,))
def values(inputs: Inputs, labels: Tensor, mask: Tensor | None, recipe: Recipe) -> Tokens:
    """See the package."""
    return _pass(inputs, None, labels, mask, recipe)[0]


def _values(inputs: Inputs, labels: Tensor, mask: Tensor | None, recipe: Recipe) -> Any:
    return values(inputs, labels, mask, recipe), (inputs, labels, mask)


def _values_back(recipe: Recipe, saved: Any, slopes: Any) -> Any:
    inputs, labels, mask = saved
    return _pass(inputs, slopes.losses, labels, mask, recipe)[1], None, None


values.defvjp(_values, _values_back)


def _total(weights: Tensor, tokens: Tokens, mask: Tensor | None) -> Tensor:
    weights = weights if mask is None else jnp.where(mask, weights, 0)
    return jnp.vdot(weights, tokens.losses)


class _State(NamedTuple):
    """What a pass carries from chunk to chunk: losses and gradients of tokens in counted order."""

    tokens: Tensor
    hidden: Tensor
    kernel: Tensor
    bias: Tensor


def _pass(
    inputs: Inputs, weights: Tensor | None, labels: Tensor, mask: Tensor, recipe: Recipe
) -> tuple[Tokens, Inputs]:
    """Go over the counted tokens once; `weights` are those of the sum that is differentiated."""
    hidden, kernel, bias = inputs
    sums = jnp.promote_types(hidden.dtype, jnp.float32)
    length, width = hidden.shape
    # The last chunk is as long as the others, so that short ones waste less.
    chunk = min(recipe.chunk(kernel, logits=2**21), max(length, 1))
    mask = jnp.ones(length, bool) if mask is None else mask
    room = length + chunk  # a chunk that begins before the last token ends inside
    counted = jnp.flatnonzero(mask, size=room, fill_value=length)
    matrix = kernel.astype(hidden.dtype)
    state = _State(jnp.zeros((room, 3), sums), None, None, None)
    if weights is not None:
        state = _State(
            state.tokens,
            jnp.zeros((room, width), hidden.dtype),
            jnp.zeros(kernel.shape, sums),
            None if bias is None else jnp.zeros(bias.shape, sums),
        )

    def body(turn: Tensor, state: _State) -> _State:
        start = turn * chunk
        at = lax.dynamic_slice(counted, (start,), (chunk,))
        x, y = (source.at[at].get(mode="fill", fill_value=0) for source in (hidden, labels))
        logits, slope = _logits(x, matrix, bias, recipe)
        losses, steep, total = _losses(logits, y, slope, recipe)
        tokens = lax.dynamic_update_slice(state.tokens, losses, (start, 0))
        if weights is None:
            return state._replace(tokens=tokens)
        scale = weights.at[at].get(mode="fill", fill_value=0)[:, None] / total
        rows, columns, offset = _shares(x, matrix, steep, scale, recipe)
        return _State(
            tokens,
            lax.dynamic_update_slice(state.hidden, rows, (start, 0)),
            state.kernel + columns,
            None if bias is None else state.bias + offset,
        )

    turns = (jnp.sum(mask, dtype="int32") + chunk - 1) // chunk
    state = lax.fori_loop(0, turns, body, state)
    place = jnp.cumsum(mask) - 1

    def spread(x: Tensor) -> Tensor:
        return jnp.where(mask[:, None], x.at[place].get(mode="clip"), 0)

    tokens = Tokens(*spread(state.tokens).T)
    if weights is None:
        return tokens, Inputs(None, None, None)
    return tokens, Inputs(
        spread(state.hidden),
        state.kernel.astype(kernel.dtype),
        None if bias is None else state.bias.astype(bias.dtype),
    )


def _product(a: Tensor, b: Tensor, over: tuple[int, int]) -> Tensor:
    """Multiply two matrices over an axis of each, with sums in at least float32."""
    sums = jnp.promote_types(a.dtype, jnp.float32)
    axes = ((over[:1], over[1:]), ((), ()))
    return lax.dot_general(a, b, axes, preferred_element_type=sums)


def _logits(
    x: Tensor, matrix: Tensor, bias: Tensor | None, recipe: Recipe
) -> tuple[Tensor, Tensor | None]:
    """Return the logits of a chunk, and the slope of the soft cap."""
    logits = _product(x, matrix, (1, 1 if recipe.transposed else 0))
    if bias is not None:
        logits = logits + bias.astype(logits.dtype)
    if recipe.soft_cap is None:
        return logits, None
    squeezed = jnp.tanh(logits / recipe.soft_cap)
    return recipe.soft_cap * squeezed, 1.0 - jnp.square(squeezed)


def _losses(
    logits: Tensor, y: Tensor, slope: Tensor | None, recipe: Recipe
) -> tuple[Tensor, Tensor, Tensor]:
    """Return a chunk's (C, 3) losses, and their slopes as (C, V) that are still to be divided.

    The divisor is the third, (C, 1): the sum of `exp(logits - their maximum)`.
    """
    smoothing, classes = recipe.label_smoothing, logits.shape[1]
    place = lax.broadcasted_iota(jnp.int32, logits.shape, 1)
    hit = place == y[:, None].astype(jnp.int32)
    most = jnp.max(logits, axis=1, keepdims=True)
    powers = jnp.exp(logits - most)
    total = jnp.sum(powers, axis=1, keepdims=True)
    log = most + jnp.log(total)
    own = jnp.sum(jnp.where(hit, logits, 0), axis=1, keepdims=True)
    target = own
    if smoothing:
        target = own + smoothing * (jnp.mean(logits, axis=1, keepdims=True) - own)
    correct = jnp.zeros_like(own)
    if recipe.accuracy:
        best = jnp.min(jnp.where(logits == most, place, classes), axis=1, keepdims=True)
        correct = (best == y[:, None]).astype(logits.dtype)
    steep = powers
    if recipe.z_loss:
        steep = steep * (1.0 + 2.0 * recipe.z_loss * log)
    steep = steep - jnp.where(hit, (1.0 - smoothing) * total, 0)
    if smoothing:
        steep = steep - smoothing / classes * total
    losses = log - target + recipe.z_loss * jnp.square(log)
    steep = steep if slope is None else steep * slope
    return jnp.concatenate([losses, log - own, correct], axis=1), steep, total


def _shares(
    x: Tensor, matrix: Tensor, steep: Tensor, scale: Tensor, recipe: Recipe
) -> tuple[Tensor, Tensor, Tensor]:
    """Return a chunk's share of the gradients: of `steep`, each row times `scale`.

    In full precision the scale multiplies the narrow side of each product. In low precision it
    multiplies the slopes before they are rounded, so that none of them underflows.
    """
    offset = jnp.squeeze(_product(scale, steep, (0, 0)), 0)
    side = 0 if recipe.transposed else 1
    if x.dtype == steep.dtype:
        rows, scaled = _product(steep, matrix, (1, side)) * scale, x * scale
    else:
        steep, scaled = (steep * scale).astype(x.dtype), x
        rows = _product(steep, matrix, (1, side)).astype(x.dtype)
    pair = (steep, scaled) if recipe.transposed else (scaled, steep)
    return rows, _product(*pair, (0, 0)), offset
