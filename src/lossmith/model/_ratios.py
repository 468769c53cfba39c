"""Exact epoch values: sums and counts of each term, added up over batches."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from lossmith import backend
from lossmith.core.axes import Tensor
from lossmith.core.elements import Ratio, safe_divide
from lossmith.losses._objective import NamedRatio

OTHERS = ("add_loss", "regularization", "learned_factors")
"""What a total may have beside its terms, each logged where there is any."""


class RatioMetric(keras.metrics.Metric):
    """The value of a term over all batches so far: sum of sums / sum of counts.

    Args:
        name: The name of the term.
        factor: Its factor in the total; None where it moves from step to step.
    """

    def __init__(self, name: str, factor: float | None) -> None:
        super().__init__(name=name, dtype="float32")
        self.sum = self.add_weight(name="sum", initializer="zeros")
        self.count = self.add_weight(name="count", initializer="zeros")
        self._factor = factor
        if self.moves:
            self.weighted = self.add_weight(name="weighted", initializer="zeros")
            self.factor = self.add_weight(name="factor", initializer="zeros")

    @property
    def moves(self) -> bool:
        """Whether the factor moves."""
        return self._factor is None

    def update_state(self, ratio: Ratio, factor: Any) -> None:
        """Add the sum and count of a batch; a term that is a plain sum counts once a batch."""
        total = backend.logged(ops.cast(ops.stop_gradient(ratio.sum), self.dtype))
        self.sum.assign_add(total)
        self.count.assign_add(self._counted(ratio))
        if self.moves:
            factor = ops.stop_gradient(ops.convert_to_tensor(factor, dtype=self.dtype))
            self.weighted.assign_add(factor * total)
            self.factor.assign(backend.replica_share(factor))

    def _counted(self, ratio: Ratio) -> Tensor:
        if ratio.count is None:
            return backend.replica_share(ops.ones((), self.dtype))
        return backend.logged(ops.cast(ratio.count, self.dtype))

    def result(self) -> Tensor:
        """Return the value; 0 while nothing counted."""
        return safe_divide(ops.convert_to_tensor(self.sum), ops.convert_to_tensor(self.count))

    def contribution(self, result: Tensor) -> Tensor:
        """Return what the term has added to the total, with the factors that it had."""
        if not self.moves:
            return self._factor * result
        return safe_divide(ops.convert_to_tensor(self.weighted), ops.convert_to_tensor(self.count))


class Perplexity(RatioMetric):
    """The exponential of a mean over all batches so far."""

    def result(self) -> Tensor:
        """Return the value; 1 while nothing counted."""
        return ops.exp(super().result())


MEASURED = {"accuracy": RatioMetric, "perplexity": Perplexity}
"""What a term's pass may measure beside its loss."""


class TermLog:
    """The metrics of one compiled objective.

    Not a Keras object, so that a model compiled again does not keep the metrics of before.

    Args:
        factors: The factors of the terms, by name; None for one that moves.
        measured: The metrics that come out of each term's pass. As Keras does for outputs, the
            term's name is put before them where several terms have any.
    """

    def __init__(
        self, factors: dict[str, float | None], measured: dict[str, tuple[str, ...]]
    ) -> None:
        several = sum(bool(metrics) for metrics in measured.values()) > 1
        self.measured = {
            (term, metric): MEASURED[metric](f"{term}_{metric}" if several else metric, 1.0)
            for term, metrics in measured.items()
            for metric in metrics
        }
        self.terms = [RatioMetric(name, factor) for name, factor in factors.items()]
        self.others = {name: keras.metrics.Mean(name=name) for name in OTHERS}
        self.seen: set[str] = set()
        self.warned: set[str] = set()
        self.batches = keras.metrics.Sum(name="batches")

    @property
    def metrics(self) -> list[Any]:
        """All metrics, for the model to keep."""
        return [*self.terms, *self.measured.values(), *self.others.values(), self.batches]

    def update(self, terms: list[NamedRatio]) -> None:
        """Add the sums and counts of a batch."""
        for metric, term in zip(self.terms, terms, strict=True):
            metric.update_state(term.ratio, term.factor)
            for name, ratio in term.metrics.items():
                self.measured[term.name, name].update_state(ratio, 1.0)
        self.batches.update_state(1.0)

    def added(self, found: dict[str, list[Tensor]]) -> list[Tensor]:
        """Write down what a step adds to the terms, and return the sum of each kind there is."""
        sums: list[Tensor] = []
        for name, losses in found.items():
            if losses:
                value: Tensor = sum(ops.cast(ops.sum(loss), "float32") for loss in losses)
                self.others[name].update_state(ops.stop_gradient(value))
                self.seen.add(name)
                sums.append(value)
        return sums

    def logs(self) -> dict[str, Tensor]:
        """Return the total over all batches, each term, and the last factor of those that move."""
        named = {metric.name: metric.result() for metric in self.terms}
        others = {name: self.others[name].result() for name in OTHERS if name in self.seen}
        parts = [metric.contribution(named[metric.name]) for metric in self.terms]
        first, *further = [*parts, *others.values()]
        total = sum(further, start=first)
        factors = {
            f"{metric.name}_factor": ops.convert_to_tensor(metric.factor)
            for metric in self.terms
            if metric.moves
        }
        measured = {metric.name: metric.result() for metric in self.measured.values()}
        return {"loss": total, **named, **measured, **others, **factors}
