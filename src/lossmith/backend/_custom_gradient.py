"""A function of tensors with a gradient that is given, not derived."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from lossmith.backend._host import Tensor

_Forward = Callable[..., tuple[tuple[Tensor, ...], Any]]
_Backward = Callable[[Any, tuple[Tensor, ...]], tuple[Tensor | None, ...]]


def custom_gradient(forward: _Forward, backward: _Backward) -> Callable[..., tuple[Tensor, ...]]:
    """Return a function of tensors, several outputs, with a gradient of its own.

    `keras.ops.custom_gradient` on PyTorch takes one output, keeps every input alive and turns an
    exception of the forward pass into a gradient of NaN.

    Args:
        forward: From tensors to a tuple of outputs, and what `backward` needs of it.
        backward: From that and a gradient for each output to a gradient for each input; None for
            integers. It is not differentiated again.
    """
    make = {"jax": _jax, "tensorflow": _tensorflow, "torch": _torch}[keras.backend.backend()]
    return make(forward, backward)


def _jax(forward: _Forward, backward: _Backward) -> Callable[..., tuple[Tensor, ...]]:
    import jax

    function = jax.custom_vjp(lambda *inputs: forward(*inputs)[0])
    function.defvjp(forward, backward)
    return function


def _tensorflow(forward: _Forward, backward: _Backward) -> Callable[..., tuple[Tensor, ...]]:
    import tensorflow as tf

    @tf.autograph.experimental.do_not_convert
    def function(*inputs: Tensor) -> tuple[tuple[Tensor, ...], Callable[..., Any]]:
        outputs, kept = forward(*inputs)
        return outputs, lambda *upstream: backward(kept, upstream)

    return tf.custom_gradient(function)


def _torch(forward: _Forward, backward: _Backward) -> Callable[..., tuple[Tensor, ...]]:
    import torch

    class Function(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *inputs: Tensor) -> tuple[Tensor, ...]:
            outputs, ctx.kept = forward(*inputs)
            return outputs

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(  # type: ignore[override]
            ctx: Any, *upstream: Tensor
        ) -> tuple[Tensor | None, ...]:
            return backward(ctx.kept, upstream)

    return Function.apply
