"""Exact epoch values: sums and counts of each term, added up over batches."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from lossmith.core.axes import Tensor
from lossmith.core.elements import Ratio, safe_divide


class RatioMetric(keras.metrics.Metric):
    """The value of a term over all batches so far: sum of sums / sum of counts.

    Args:
        name: The name of the term.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name=name, dtype="float32")
        self.sum = self.add_weight(name="sum", initializer="zeros")
        self.count = self.add_weight(name="count", initializer="zeros")
        self.weighted = self.add_weight(name="weighted", initializer="zeros")
        self.factor = self.add_weight(name="factor", initializer="zeros")

    def update_state(self, ratio: Ratio, factor: Any) -> None:
        """Add the sum and count of a batch; a term that is a plain sum counts once a batch."""
        total = ops.cast(ops.stop_gradient(ratio.sum), self.dtype)
        factor = ops.stop_gradient(ops.convert_to_tensor(factor, dtype=self.dtype))
        count = ops.ones(()) if ratio.count is None else ratio.count
        self.sum.assign_add(total)
        self.count.assign_add(ops.cast(count, self.dtype))
        self.weighted.assign_add(factor * total)
        self.factor.assign(factor)

    def result(self) -> Tensor:
        """Return the value; 0 while nothing counted."""
        return safe_divide(ops.convert_to_tensor(self.sum), ops.convert_to_tensor(self.count))

    def contribution(self) -> Tensor:
        """Return what the term has added to the total, with the factors that it had."""
        return safe_divide(ops.convert_to_tensor(self.weighted), ops.convert_to_tensor(self.count))


class TermLog:
    """The metrics of one compiled objective.

    Not a Keras object, so that a model compiled again does not keep the metrics of before.

    Args:
        names: The names of the terms.
        moving: The names of those whose factor moves.
    """

    def __init__(self, names: tuple[str, ...], moving: tuple[str, ...]) -> None:
        self.moving = moving
        self.terms = [RatioMetric(name) for name in names]
        self.rest = keras.metrics.Mean(name="rest")
        self.batches = keras.metrics.Sum(name="batches")

    @property
    def metrics(self) -> list[Any]:
        """All metrics, for the model to keep."""
        return [*self.terms, self.rest, self.batches]

    def logs(self) -> dict[str, Tensor]:
        """Return the total over all batches, each term, and the last factor of those that move."""
        total = self.rest.result()
        for metric in self.terms:
            total = total + metric.contribution()
        named = {metric.name: metric.result() for metric in self.terms}
        factors = {
            f"{metric.name}_factor": ops.convert_to_tensor(metric.factor)
            for metric in self.terms
            if metric.name in self.moving
        }
        return {"loss": total, **named, **factors}
