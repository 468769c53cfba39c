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

    def update_state(self, ratio: Ratio) -> None:
        """Add the sum and count of a batch; a term that is a plain sum counts once a batch."""
        self.sum.assign_add(ops.cast(ops.stop_gradient(ratio.sum), self.dtype))
        one = ops.ones((), dtype=self.dtype)
        count = one if ratio.count is None else ops.cast(ratio.count, self.dtype)
        self.count.assign_add(count)

    def result(self) -> Tensor:
        """Return the value; 0 while nothing counted."""
        return safe_divide(ops.convert_to_tensor(self.sum), ops.convert_to_tensor(self.count))


class TermLog:
    """The metrics of one compiled objective.

    Not a Keras object, so that a model compiled again does not keep the metrics of before.

    Args:
        names: The names of the terms.
        factors: Their factors in the total.
    """

    def __init__(self, names: tuple[str, ...], factors: tuple[float, ...]) -> None:
        self.factors = factors
        self.terms = [RatioMetric(name) for name in names]
        self.rest = keras.metrics.Mean(name="rest")

    @property
    def metrics(self) -> list[Any]:
        """All metrics, for the model to keep."""
        return [*self.terms, self.rest]

    def logs(self) -> dict[str, Tensor]:
        """Return the total over all batches, and each term under its name."""
        values = [metric.result() for metric in self.terms]
        total = self.rest.result()
        for factor, value in zip(self.factors, values, strict=True):
            total = total + factor * value
        named = {metric.name: value for metric, value in zip(self.terms, values, strict=True)}
        return {"loss": total, **named}
