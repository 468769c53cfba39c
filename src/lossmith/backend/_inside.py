"""What a look inside a running function takes: its operations one by one, and their slopes."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np

from lossmith.backend._gradient import to_numpy
from lossmith.backend._host import Tensor

Array = Any


@contextmanager
def one_by_one() -> Generator[None]:
    """Run every operation eagerly and through a frame of Python, where a tracer sees it.

    What is compiled by `jax.jit` or `tf.function` runs as it is written; PyTorch's operations,
    which are C, go through a mode that changes nothing.
    """
    name = keras.backend.backend()
    with {"jax": _jax, "tensorflow": _tensorflow, "torch": _torch}[name]():
        yield


def slopes(function: Callable[[Tensor], Sequence[Tensor]], array: Array) -> list[Array | None]:
    """Return the gradient of a weighted sum of each result with respect to the one argument.

    The weights are drawn once, so that no sum of results is the same whatever the argument is, as
    the plain sum of a softmax is. The function runs once. None stands for a result that the
    argument is not connected to; JAX gives zeros for it.

    Args:
        function: Takes a tensor and returns floating tensors of any shapes.
        array: A NumPy array of floating point numbers.
    """
    name = keras.backend.backend()
    make = {"jax": _jax_slopes, "tensorflow": _tensorflow_slopes, "torch": _torch_slopes}[name]
    return make(lambda x: [_weighted_sum(result) for result in function(x)], array)


def _weighted_sum(result: Tensor) -> Tensor:
    shape = tuple(result.shape)
    weights = np.random.default_rng(0).uniform(0.5, 1.5, shape).astype("float32")
    return keras.ops.sum(result * keras.ops.convert_to_tensor(weights))


@contextmanager
def _jax() -> Generator[None]:
    import jax

    with jax.disable_jit():
        yield


@contextmanager
def _tensorflow() -> Generator[None]:
    import tensorflow as tf

    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)  # noqa: FBT003 - its only argument, by position alone
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)


@contextmanager
def _torch() -> Generator[None]:
    from torch.overrides import TorchFunctionMode

    class Passing(TorchFunctionMode):
        def __torch_function__(
            self, called: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            del types
            return called(*args, **(kwargs or {}))

    with Passing():
        yield


def _jax_slopes(function: Callable[[Tensor], Sequence[Tensor]], array: Array) -> list[Array | None]:
    import jax

    x = jax.numpy.asarray(array)
    totals, along = jax.linearize(lambda x: list(function(x)), x)
    with jax.disable_jit(disable=False):
        pull = jax.jit(jax.linear_transpose(along, x))
        found = [_jax_slope(pull, totals, place) for place in range(len(totals))]
        for place, slope in enumerate(found):
            if not np.isfinite(slope).all():  # or is it zero times another's infinity?
                alone = jax.linear_transpose(lambda step, place=place: along(step)[place], x)
                found[place] = to_numpy(alone(jax.numpy.ones_like(totals[place]))[0])
    return list(found)


def _jax_slope(pull: Callable[..., Any], totals: Sequence[Tensor], at: int) -> Array:
    import jax

    one = [jax.numpy.full_like(total, place == at) for place, total in enumerate(totals)]
    return to_numpy(pull(one)[0])


def _tensorflow_slopes(
    function: Callable[[Tensor], Sequence[Tensor]], array: Array
) -> list[Array | None]:
    import tensorflow as tf

    x = tf.convert_to_tensor(array)

    def recorded() -> tuple[Any, Sequence[Tensor]]:
        with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
            tape.watch(x)
            return tape, function(x)

    tape, results = recorded()
    found: list[Any] = []
    for place, result in enumerate(results):
        try:
            found.append(tape.gradient(result, x))
        except tf.errors.UnknownError:  # a `py_function` forgets its inputs after one gradient
            again, others = recorded()
            found.append(again.gradient(others[place], x))
    return [None if grad is None else to_numpy(tf.convert_to_tensor(grad)) for grad in found]


def _torch_slopes(
    function: Callable[[Tensor], Sequence[Tensor]], array: Array
) -> list[Array | None]:
    import torch

    x = torch.as_tensor(np.array(array)).requires_grad_()
    return [_torch_slope(result, x) for result in function(x)]


def _torch_slope(result: Tensor, x: Tensor) -> Array | None:
    import torch

    if not result.requires_grad:
        return None
    grad = torch.autograd.grad(result, x, allow_unused=True, retain_graph=True)[0]
    return None if grad is None else to_numpy(grad)
