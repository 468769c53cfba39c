"""A tensor that is computed only where something asks for its values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras

from lossmith.backend._host import Tensor


def deferred(compute: Callable[[], Tensor], shape: Sequence[int], dtype: str) -> Tensor:
    """Return what `compute` does, on PyTorch only when the first operation needs it.

    On JAX and TensorFlow it is computed in place: a compiled step drops what nobody uses.

    Args:
        compute: Returns the tensor.
        shape: Its shape.
        dtype: Its dtype.
    """
    if keras.backend.backend() != "torch":
        return compute()
    import torch

    from lossmith.backend._deferred_torch import Deferred

    like = keras.ops.full((), float("nan"), dtype).expand(tuple(shape))
    result: Any = torch.Tensor._make_subclass(Deferred, like)  # noqa: SLF001 - as torch documents
    result.compute = compute
    return result
