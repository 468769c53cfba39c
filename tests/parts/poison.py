"""The same loss on clean and on dirty inputs, in one step, so that they can be compared by bit."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from tests.support.grads import Array

FLOATS = np.array([np.nan, np.inf, -np.inf, 1e30, -1e30, 3e38, 0.0, -1.0], "float32")
LABELS = np.array([-1, 2**31 - 1, -(2**31), 99, 3], "int32")


def masked_places(shape: tuple[int, ...], names: Sequence[str], counted: Array, over: str) -> Array:
    """Where a tensor with axes `names` holds positions that do not count."""
    own = over.split()
    shared = [name for name in names if name in own]
    gone = tuple(place for place, name in enumerate(own) if name not in names)
    counted = counted.any(axis=gone)
    left = [name for name in own if name in names]
    counted = counted.transpose([left.index(name) for name in shared])
    lacking = [place for place, name in enumerate(names) if name not in own]
    return np.broadcast_to(~np.expand_dims(counted, lacking), shape)


def poisoned(x: Array, masked: Array) -> Array:
    """`x` with something else, and something worse, at each masked place."""
    result = x.copy()
    result[masked] = np.resize(LABELS if x.dtype.kind == "i" else FLOATS, masked.sum())
    return result


@dataclass(frozen=True)
class Outcome:
    """Value and gradients of a loss on one set of inputs; no gradient for integers."""

    value: Array
    gradients: dict[int, Array]

    @property
    def bits(self) -> list[bytes]:
        """All there is, to be compared exactly."""
        return [np.ascontiguousarray(x).tobytes() for x in (self.value, *self.gradients.values())]


def outcomes(loss: Callable[..., Any], *sets: Sequence[Array], jit: bool) -> list[Outcome]:
    """What the scalar `loss(*inputs)` gives on each of several sets of inputs.

    All sets go through one compiled step: TensorFlow rounds two copies of the same formula
    differently when they stand in one graph.
    """
    floats = [place for place, x in enumerate(sets[0]) if x.dtype.kind == "f"]
    step = {"jax": _jax, "tensorflow": _tensorflow, "torch": _torch}[keras.config.backend()]
    run = step(loss, floats, jit=jit)
    found = []
    for arrays in sets:
        value, gradients = run(*arrays)
        own = (np.asarray(gradient) for gradient in gradients)
        found.append(Outcome(np.asarray(value), dict(zip(floats, own, strict=True))))
    return found


def _jax(loss: Callable[..., Any], floats: list[int], *, jit: bool) -> Callable[..., Any]:
    import jax

    step = jax.value_and_grad(loss, argnums=floats)
    return jax.jit(step) if jit else step


def _tensorflow(loss: Callable[..., Any], floats: list[int], *, jit: bool) -> Callable[..., Any]:
    import tensorflow as tf

    def step(*tensors: Any) -> Any:
        own = [tensors[place] for place in floats]
        with tf.GradientTape() as tape:
            tape.watch(own)
            value = loss(*tensors)
        zero = tf.UnconnectedGradients.ZERO
        return value, tape.gradient(value, own, unconnected_gradients=zero)

    compiled = tf.function(step) if jit else step
    return lambda *arrays: compiled(*map(tf.convert_to_tensor, arrays))


def _torch(loss: Callable[..., Any], floats: list[int], *, jit: bool) -> Callable[..., Any]:
    import torch

    del jit  # `torch.compile` needs a C++ compiler, which a bare machine does not have

    def run(*arrays: Any) -> Any:
        tensors = [torch.tensor(x, requires_grad=at in floats) for at, x in enumerate(arrays)]
        value = loss(*tensors)
        own = [tensors[place] for place in floats]
        gradients = torch.autograd.grad(value, own, allow_unused=True, materialize_grads=True)
        return value.detach(), gradients

    return run
