"""The rows that count, on their own: PyTorch, eagerly, on the CPU."""

from __future__ import annotations

import functools
from typing import Any

import keras

from lossmith.backend._host import Tensor, known


def rows_that_count(mask: Tensor) -> Tensor | None:
    """Return the flat places of what is True in a mask; None where that saves nothing.

    A compiler leaves no work out for them, and on an accelerator the host would wait for the mask.
    """
    if keras.backend.backend() != "torch":
        return None
    import torch

    if torch.compiler.is_compiling() or not known(mask) or mask.device.type != "cpu":
        return None
    return torch.nonzero(mask.reshape(-1))[:, 0]


def take_rows(x: Tensor, rows: Tensor) -> Tensor:
    """Return the rows of a PyTorch tensor that `rows_that_count` found: `x` itself where all do."""
    return x if len(rows) == len(x) else _taking()(x, rows)


@functools.cache
def _taking() -> Any:
    import torch

    class Taking(torch.autograd.Function):
        """Rows, with a gradient that is copied back; PyTorch's own adds, for rows taken twice."""

        generate_vmap_rule = True

        @staticmethod
        def forward(x: Tensor, rows: Tensor) -> Tensor:  # type: ignore[override]
            return x.index_select(0, rows)

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            del output
            x, rows = inputs
            ctx.save_for_backward(rows)
            ctx.save_for_forward(rows)
            ctx.shape = x.shape

        @staticmethod
        def backward(ctx: Any, grad: Tensor) -> Any:  # type: ignore[override]
            (rows,) = ctx.saved_tensors
            return grad.new_zeros(ctx.shape).index_copy_(0, rows, grad), None

        @staticmethod
        def jvp(ctx: Any, x: Tensor, _: None) -> Tensor:  # type: ignore[override]
            return x.index_select(0, *ctx.saved_tensors)

    return Taking.apply
