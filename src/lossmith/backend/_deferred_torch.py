"""PyTorch's tensor that computes itself when an operation needs it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import torch

_LOOKS = {
    *(
        getattr(torch.Tensor, name).__get__
        for name in ("device", "dtype", "is_meta", "layout", "ndim", "shape")
    ),
    torch.Tensor.dim,
    torch.Tensor.size,
}
"""What can be told without values."""


class Deferred(torch.Tensor):
    """Has a shape, a dtype and a device, and computes its values once, when they are needed.

    Attributes:
        compute: Returns the tensor that it stands for.
    """

    compute: Callable[[], Any]
    _found: Any = None

    def computed(self) -> Any:
        """Return the tensor that it stands for."""
        if self._found is None:
            self._found = self.compute()
        return self._found

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Put the tensor itself into the place of each that is asked for its values."""
        if func in _LOOKS:
            return super().__torch_function__(func, types, args, kwargs or {})
        args, kwargs = keras.tree.map_structure(_computed, (args, kwargs or {}))
        return func(*args, **kwargs)


def _computed(x: Any) -> Any:
    return x.computed() if isinstance(x, Deferred) else x
