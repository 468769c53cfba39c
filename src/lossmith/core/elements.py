"""Un-reduced values with their mask and weights, and the ratio they reduce to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from keras import ops

from lossmith import backend
from lossmith.core.axes import Named, Tensor


@dataclass(frozen=True)
class Elements:
    """The error at each position, before any weight or reduction.

    Attributes:
        values: The errors, 0 at positions that do not count.
        mask: Which positions count, over all or some of the axes of `values`; None: all do.
        weights: Factors that multiply the error, each over the axes it varies along.
        sizes: The length of each axis.
    """

    values: Named
    mask: Named | None
    weights: tuple[Named, ...]
    sizes: dict[str, Any]


@dataclass(frozen=True)
class Ratio:
    """A term before its one division.

    Attributes:
        sum: The weighted sum of errors. Scalar, or over the axes that were not reduced.
        count: What to divide by, a scalar or of the same shape; None where nothing is divided.
    """

    sum: Tensor
    count: Tensor | None

    @property
    def value(self) -> Tensor:
        """The sum divided by the count of all replicas; 0 where nothing counted."""
        if len(self.sum.shape) > 0:
            return self.sum if self.count is None else safe_divide(self.sum, self.count)
        total = backend.numerator(self.sum)
        return total if self.count is None else safe_divide(total, backend.all_replicas(self.count))


def safe_divide(total: Tensor, count: Tensor) -> Tensor:
    """Divide, leaving `total` as it is where `count` is 0: a sum over nothing stays 0.

    A NaN in `total` stays visible.
    """
    return total / ops.where(ops.equal(count, 0), ops.ones_like(count), count)
