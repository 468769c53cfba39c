"""Value and gradient of a function of tensors, in NumPy, on whatever backend runs.

It shares no code with `lossmith.backend`, so that it can judge it.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import keras
import numpy as np

Array = np.ndarray
Jit = bool | Literal["xla"]


def value_and_grad(
    fn: Callable[..., Any], *arrays: Any, jit: Jit = False
) -> tuple[Array, list[Array]]:
    """Value of `fn(*arrays)`, and the gradient of its sum with respect to each array.

    Args:
        fn: Takes one tensor for each array and returns a tensor of any shape. What is not to be
            differentiated (labels, masks) goes in by closure.
        *arrays: Floating arrays, passed on in their own dtype (JAX turns float64 into float32).
        jit: Compile first: `jax.jit`, `tf.function`, and nothing on PyTorch. With `"xla"` also
            `tf.function(jit_compile=True)`.

    Returns:
        What `fn` returned, and one gradient for each array, in its shape; zeros where `fn` does
        not depend on the array at all.
    """
    inputs = [np.asarray(array) for array in arrays]
    for array in inputs:
        if not np.issubdtype(array.dtype, np.floating):
            message = f"can differentiate floating arrays only, got {array.dtype}; use a closure"
            raise TypeError(message)
    run = {"jax": _jax, "tensorflow": _tensorflow, "torch": _torch}[keras.config.backend()]
    value, grads = run(fn, inputs, jit)
    return value, [
        np.zeros_like(array) if grad is None else grad
        for array, grad in zip(inputs, grads, strict=True)
    ]


_Result = tuple[Array, Sequence[Array | None]]


def _jax(fn: Callable[..., Any], inputs: Sequence[Array], jit: Jit) -> _Result:
    import jax

    def summed(*tensors: Any) -> tuple[Any, Any]:
        value = fn(*tensors)
        return value.sum(), value

    step = jax.grad(summed, argnums=tuple(range(len(inputs))), has_aux=True)
    grads, value = (jax.jit(step) if jit else step)(*map(jax.numpy.asarray, inputs))
    return np.asarray(value), [np.asarray(grad) for grad in grads]


def _tensorflow(fn: Callable[..., Any], inputs: Sequence[Array], jit: Jit) -> _Result:
    import tensorflow as tf

    def step(*tensors: Any) -> tuple[Any, Any]:
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            value = fn(*tensors)
        grads = tape.gradient(value, tensors, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return value, grads

    run = tf.function(step, jit_compile=jit == "xla") if jit else step
    value, grads = run(*map(tf.convert_to_tensor, inputs))
    return value.numpy(), [tf.convert_to_tensor(grad).numpy() for grad in grads]


def _torch(fn: Callable[..., Any], inputs: Sequence[Array], jit: Jit) -> _Result:
    import torch

    del jit  # `torch.compile` needs a C++ compiler, which a bare machine does not have
    tensors = [torch.tensor(array, requires_grad=True) for array in inputs]
    value = fn(*tensors)
    if not value.requires_grad:  # it depends on none of them
        return value.numpy(), [None for _ in tensors]
    grads = torch.autograd.grad(value.sum(), tensors, allow_unused=True)
    return value.detach().numpy(), [None if grad is None else grad.numpy() for grad in grads]
