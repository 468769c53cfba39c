"""A function of tensors run on NumPy arrays: its value and gradient, eager or compiled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

import keras
import numpy as np

from lossmith.backend._host import Tensor

Array: TypeAlias = Any
Mode = Literal["eager", "jit", "xla"]


class Program:
    """A function of tensors as a function of NumPy arrays, with its gradient.

    Args:
        function: Takes one tensor for each array and returns one tensor of any shape.
        mode: `"eager"`, `"jit"` (`jax.jit`, `tf.function`) or `"xla"` (`jax.jit`,
            `tf.function(jit_compile=True)`). PyTorch runs eagerly in each: `torch.compile` needs
            a C++ compiler, which many machines lack.

    Attributes:
        traces: How often Python has run the function.
    """

    def __init__(self, function: Callable[..., Tensor], mode: Mode = "eager") -> None:
        self.traces = 0
        self._function = function
        name = keras.backend.backend()
        make = {"jax": _jax, "tensorflow": _tensorflow, "torch": _torch}[name]
        self._value, self._gradient = make(self._counted, mode)

    def value(self, *arrays: Array) -> Array:
        """Return the value."""
        return self._value(arrays)

    def gradient(self, *arrays: Array, at: Sequence[int]) -> tuple[Array, list[Array | None]]:
        """Return the value, and the gradient of its sum with respect to the arrays at `at`.

        None stands for an array that the value is not connected to; JAX gives zeros for it.
        """
        return self._gradient(arrays, tuple(at))

    def _counted(self, *tensors: Tensor) -> Tensor:
        self.traces += 1
        return self._function(*tensors)


def to_numpy(x: Tensor) -> Array:
    """Return a tensor as an array of its own dtype; NumPy has no bfloat16, so float32 for it."""
    if keras.backend.standardize_dtype(x.dtype) == "bfloat16":
        x = keras.ops.cast(x, "float32")
    return np.array(keras.ops.convert_to_numpy(x))


_Value = Callable[[Sequence[Array]], Array]
_Gradient = Callable[[Sequence[Array], tuple[int, ...]], tuple[Array, list[Array | None]]]


def _jax(function: Callable[..., Tensor], mode: Mode) -> tuple[_Value, _Gradient]:
    import jax

    def step(at: tuple[int, ...], *tensors: Tensor) -> tuple[Any, Tensor]:
        def summed(*inner: Tensor) -> tuple[Tensor, Tensor]:
            value = function(*inner)
            return jax.numpy.sum(value), value

        return jax.grad(summed, argnums=at, has_aux=True)(*tensors)

    run = function if mode == "eager" else jax.jit(function)
    differentiate = step if mode == "eager" else jax.jit(step, static_argnums=0)

    def gradient(arrays: Sequence[Array], at: tuple[int, ...]) -> tuple[Array, list[Array | None]]:
        grads, value = differentiate(at, *map(jax.numpy.asarray, arrays))
        return to_numpy(value), [to_numpy(grad) for grad in grads]

    return lambda arrays: to_numpy(run(*map(jax.numpy.asarray, arrays))), gradient


def _tensorflow(function: Callable[..., Tensor], mode: Mode) -> tuple[_Value, _Gradient]:
    import tensorflow as tf

    def step(at: tuple[int, ...], *tensors: Tensor) -> tuple[Tensor, Any]:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            watched = [tensors[place] for place in at]
            tape.watch(watched)
            value = tf.convert_to_tensor(function(*tensors))
        return value, tape.gradient(value, watched)

    def compiled(plain: Callable[..., Any]) -> Callable[..., Any]:
        # As Keras compiles its steps: losses get no AutoGraph.
        return tf.function(
            plain, jit_compile=mode == "xla", autograph=False, reduce_retracing=False
        )

    run = function if mode == "eager" else compiled(function)
    differentiate = step if mode == "eager" else compiled(step)

    def gradient(arrays: Sequence[Array], at: tuple[int, ...]) -> tuple[Array, list[Array | None]]:
        value, grads = differentiate(at, *map(tf.convert_to_tensor, arrays))
        dense = [None if grad is None else tf.convert_to_tensor(grad) for grad in grads]
        return to_numpy(value), [None if grad is None else to_numpy(grad) for grad in dense]

    return lambda arrays: to_numpy(run(*map(tf.convert_to_tensor, arrays))), gradient


def _torch(function: Callable[..., Tensor], mode: Mode) -> tuple[_Value, _Gradient]:
    import torch

    del mode

    def value(arrays: Sequence[Array]) -> Array:
        return to_numpy(function(*(torch.as_tensor(np.array(array)) for array in arrays)))

    def gradient(arrays: Sequence[Array], at: tuple[int, ...]) -> tuple[Array, list[Array | None]]:
        tensors = [torch.as_tensor(np.array(array)) for array in arrays]
        watched = [tensors[place].requires_grad_() for place in at]
        found = function(*tensors)
        if not found.requires_grad:  # it is connected to none of them
            return to_numpy(found), [None for _ in at]
        grads = list[Any](torch.autograd.grad(found.sum(), watched, allow_unused=True))
        return to_numpy(found), [None if grad is None else to_numpy(grad) for grad in grads]

    return value, gradient
