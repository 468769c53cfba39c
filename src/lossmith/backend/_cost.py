"""How much a function computes, told by the shapes of what it makes on the way."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras

from lossmith.backend._host import Tensor

Array = Any


def numbers_made(function: Callable[..., Tensor], arrays: Sequence[Array]) -> int:
    """Count the elements of all tensors that a function makes, its result included.

    JAX and TensorFlow trace it and count by shape, with nothing computed: the body of a loop once
    for each step on JAX, once on TensorFlow, and a length that a graph does not know as one.
    PyTorch runs it, and counts what its public functions return.

    Args:
        function: Takes one tensor for each array and returns one tensor.
        arrays: NumPy arrays.
    """
    name = keras.backend.backend()
    return {"jax": _jax, "tensorflow": _tensorflow, "torch": _torch}[name](function, arrays)


def _jax(function: Callable[..., Tensor], arrays: Sequence[Array]) -> int:
    import jax
    from jax.extend.core import ClosedJaxpr, Jaxpr

    def inner(value: Any) -> Iterator[Any]:
        if isinstance(value, ClosedJaxpr):
            yield value.jaxpr
        elif isinstance(value, Jaxpr):
            yield value
        elif isinstance(value, (tuple, list)):
            for item in value:  # the branches of a cond
                yield from inner(item)

    def made(jaxpr: Any) -> int:
        total = 0
        for step in jaxpr.eqns:
            bodies = [body for value in step.params.values() for body in inner(value)]
            times = step.params.get("length", 1) if bodies else 1
            results = [] if bodies else [out.aval for out in step.outvars]
            total += sum(math.prod(getattr(aval, "shape", ())) for aval in results)
            total += times * sum(map(made, bodies))
        return total

    return made(jax.make_jaxpr(function)(*map(jax.numpy.asarray, arrays)).jaxpr)


def _tensorflow(function: Callable[..., Tensor], arrays: Sequence[Array]) -> int:
    import tensorflow as tf

    def scoped(*tensors: Tensor) -> Tensor:
        with tf.name_scope("counted"):  # as in fit, a loss named _loss may not name a root scope
            return function(*tensors)

    specs = [tf.TensorSpec(array.shape, array.dtype) for array in arrays]
    traced = tf.function(scoped, autograph=False).get_concrete_function(*specs)
    graph = traced.graph.as_graph_def(add_shapes=True)
    bodies = [graph.node, *(body.node_def for body in graph.library.function)]
    shapes = [shape for body in bodies for node in body
              for shape in node.attr["_output_shapes"].list.shape]  # fmt: skip
    return sum(math.prod(max(axis.size, 1) for axis in shape.dim) for shape in shapes)


def _torch(function: Callable[..., Tensor], arrays: Sequence[Array]) -> int:
    import torch
    from torch.overrides import TorchFunctionMode

    made = 0

    class Counting(TorchFunctionMode):
        def __torch_function__(
            self, called: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            nonlocal made
            del types
            result = called(*args, **(kwargs or {}))
            several = result if isinstance(result, (tuple, list)) else (result,)
            made += sum(item.numel() for item in several if isinstance(item, torch.Tensor))
            return result

    tensors = [torch.as_tensor(array) for array in arrays]
    with torch.no_grad(), Counting():
        function(*tensors)
    return made
