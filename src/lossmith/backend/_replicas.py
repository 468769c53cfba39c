"""Replicas of one training: the one place that knows of them.

On TensorFlow they are those of `tf.distribute`, whose gradients are summed; on PyTorch the
processes of `torch.distributed`, whose gradients are averaged. On JAX a program sees the whole
batch.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import keras

from lossmith.backend._custom_gradient import custom_gradient
from lossmith.backend._host import Tensor


def replicas() -> int:
    """Return how many replicas train together."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.distribute.get_strategy().num_replicas_in_sync
    return _processes()


def all_replicas(count: Tensor) -> Tensor:
    """Sum a number over the replicas; it has no gradient."""
    if replicas() == 1:
        return count
    if keras.backend.backend() == "torch":
        return _summed(count)
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    return count if context is None else context.all_reduce(tf.distribute.ReduceOp.SUM, count)


def numerator(total: Tensor) -> Tensor:
    """Return what a replica divides by the count of all, for the step of one device."""
    world = _processes()
    if world == 1:
        return total
    whole = custom_gradient(
        lambda x: ((_summed(x),), None), lambda _, upstream: (world * upstream[0],)
    )
    return whole(total)[0]


def logged(number: Tensor) -> Tensor:
    """Return what a replica adds to a log; TensorFlow sums the variables of logs by itself."""
    return _summed(number) if _processes() > 1 else number


def replica_share(value: Tensor) -> Tensor:
    """Divide a value that every replica computes alike, so that their gradients add up to it."""
    return value / replicas() if keras.backend.backend() == "tensorflow" else value


def start_alike(tensors: Sequence[Tensor]) -> None:
    """Give the tensors of every process the values that the first one has."""
    import torch.distributed as dist

    for tensor in tensors:
        dist.broadcast(tensor.detach(), src=0)


def average_gradients(tensors: Sequence[Tensor]) -> None:
    """Have each gradient averaged over the processes as soon as it is there."""
    import torch.distributed as dist

    def average(tensor: Any) -> None:
        dist.all_reduce(tensor.grad)
        tensor.grad /= _processes()

    for tensor in tensors:
        tensor.register_post_accumulate_grad_hook(average)


def _processes() -> int:
    """Count the processes of PyTorch that have joined a group; 1 on other backends."""
    if keras.backend.backend() != "torch" or "torch.distributed" not in sys.modules:
        return 1
    import torch.distributed as dist

    ready = dist.is_available() and dist.is_initialized()
    return dist.get_world_size() if ready else 1


def _summed(number: Tensor) -> Tensor:
    import torch.distributed as dist

    whole = number.detach().clone()
    dist.all_reduce(whole)
    return whole
