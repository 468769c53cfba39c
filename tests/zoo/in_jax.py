"""Losses in JAX."""

import jax
import jax.numpy as jnp
import numpy as np
from keras.saving import register_keras_serializable

from tests.zoo import pair
from tests.zoo import reference as ref
from tests.zoo.reference import floats

PAD = -1.0


def in_jax(sin, wrong, right, *, promises=(), **said):
    """Add a pair of losses that promise nothing beyond JAX."""
    promises = {"backends": ["jax"], **dict(promises)}
    pair(sin, wrong, right, promises=promises, backend="jax", **said)


@register_keras_serializable("zoo")
def distance(y_true, y_pred):
    return jnp.linalg.norm(y_true - y_pred, axis=-1)


@register_keras_serializable("zoo")
def distance_lifted(y_true, y_pred):
    return jnp.sqrt(jnp.sum(jnp.square(y_true - y_pred), axis=-1) + 1e-6)


in_jax(
    "norm-at-zero",
    distance,
    distance_lifted,
    axes="b [f], b [f]",
    check="extremes",
    rule="LSM305",
    why="The gradient of a norm at zero is NaN.",
    witness=lambda: (floats([1, 2]), floats([1, 2])),
    reference=lambda y, p: np.sqrt(ref.summed(y, p) + 1e-6),
)


@register_keras_serializable("zoo")
def indexed_by_the_mask(y_true, y_pred):
    mask = y_true != PAD
    return jnp.sum(jnp.abs(y_true[mask] - y_pred[mask])) / jnp.maximum(jnp.sum(mask), 1)


@register_keras_serializable("zoo")
def zero_by_the_mask(y_true, y_pred):
    mask = y_true != PAD
    error = jnp.abs(jnp.where(mask, y_true, 0.0) - jnp.where(mask, y_pred, 0.0))
    return jnp.sum(error) / jnp.maximum(jnp.sum(mask), 1).astype(error.dtype)


in_jax(
    "indexed-by-a-mask",
    indexed_by_the_mask,
    zero_by_the_mask,
    axes="b t, b t",
    check="jit",
    rule="LSM207",
    why="How many elements a mask picks is known only with its values.",
    y_true="real pad=-1",
    promises={"normalises": "tokens", "weights": "one number for the batch"},
    reference=lambda y, p: np.mean(np.abs(y - p)[y != PAD]),
)


@register_keras_serializable("zoo")
def same_key_each_time(y_true, y_pred):
    noise = jax.random.normal(jax.random.key(0), y_pred.shape)
    return jnp.mean(jnp.square(y_true - y_pred - 0.5 * noise), axis=-1)


@register_keras_serializable("zoo")
def no_key(y_true, y_pred):
    return jnp.mean(jnp.square(y_true - y_pred), axis=-1)


in_jax(
    "one-key-for-ever",
    same_key_each_time,
    no_key,
    axes="b f, b f",
    check="permutation",
    rule=None,
    why="The noise is the same in each step, and a fixed error is added to each row.",
    reference=ref.squared,
)


@jax.custom_vjp
def squashed(x):
    return jnp.tanh(x)


squashed.defvjp(lambda x: (jnp.tanh(x), x), lambda x, g: (g * (1.0 - x**2),))


@register_keras_serializable("zoo")
def by_a_wrong_rule(y_true, y_pred):
    return jnp.mean(jnp.square(jnp.tanh(y_true) - squashed(y_pred)), axis=-1)


@register_keras_serializable("zoo")
def by_the_right_rule(y_true, y_pred):
    return jnp.mean(jnp.square(jnp.tanh(y_true) - jnp.tanh(y_pred)), axis=-1)


in_jax(
    "custom-vjp-of-the-input",
    by_a_wrong_rule,
    by_the_right_rule,
    axes="b f, b f",
    check="gradient",
    rule=None,
    why="The slope of tanh is one minus the square of its value, not of its input.",
    reference=lambda y, p: ref.squared(np.tanh(y), np.tanh(p)),
)


@register_keras_serializable("zoo")
def vmapped_over_both(y_true, y_pred):
    def one(y, p):
        return jnp.mean(jnp.square(y - p))

    against_all = jax.vmap(jax.vmap(one, in_axes=(None, 0)), in_axes=(0, None))
    return jnp.diagonal(against_all(y_true, y_pred))


@register_keras_serializable("zoo")
def vmapped_once(y_true, y_pred):
    def one(y, p):
        return jnp.mean(jnp.square(y - p))

    return jax.vmap(one)(y_true, y_pred)


in_jax(
    "vmapped-twice",
    vmapped_over_both,
    vmapped_once,
    axes="b f, b f",
    check="linear-cost",
    rule=None,
    why="Each target is compared with each prediction, and the diagonal is kept.",
    reference=ref.squared,
)


@register_keras_serializable("zoo")
def log_before_where(y_true, y_pred):
    mask = y_true > 0.0
    return -jnp.sum(jnp.where(mask, y_true * jnp.log(y_pred / y_true), 0.0), axis=-1)


@register_keras_serializable("zoo")
def log_after_where(y_true, y_pred):
    mask = y_true > 0.0
    ratio = jnp.maximum(y_pred, 1e-6) / jnp.where(mask, y_true, 1.0)
    return -jnp.sum(jnp.where(mask, y_true * jnp.log(ratio), 0.0), axis=-1)


in_jax(
    "log-behind-one-where",
    log_before_where,
    log_after_where,
    axes="b [c], b [c]",
    check="extremes",
    rule="LSM202",
    why="The class without a target is left out of the value, and its slope is NaN.",
    y_true="simplex",
    y_pred="simplex",
    witness=lambda: (floats([1, 0]), floats([0.5, 0.5])),
)
