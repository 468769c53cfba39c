"""What `compile` makes of a loss: its terms, what they need of the model, and their logs."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from keras import ops

from lossmith import backend
from lossmith.core.axes import Tensor
from lossmith.core.kinds import Factor
from lossmith.core.sources import Sources
from lossmith.losses._objective import NamedRatio, Objective, Term
from lossmith.model._inside import Inside
from lossmith.model._progress import ProgressState
from lossmith.model._ratios import TermLog


class Compiled:
    """A loss inside a model.

    Not a Keras object, so that a model compiled again keeps nothing of the loss before.

    Args:
        model: The model.
        loss: The loss.
        progress: The variables behind its factors.

    Raises:
        SourceError: If the loss names a layer or a weight that is not there.
    """

    def __init__(self, model: Any, loss: Term, progress: ProgressState) -> None:
        self.objective = loss if isinstance(loss, Objective) else Objective([loss])
        self.inside = Inside(model, loss.sources)
        self._progress = progress
        factors = dict(zip(self.objective.names, self.objective.factors, strict=True))
        self._factors = {name: f for name, f in factors.items() if isinstance(f, Factor)}
        fixed = {name: None if name in self._factors else f for name, f in factors.items()}
        terms = zip(self.objective.names, self.objective.terms, strict=True)
        self.log = TermLog(fixed, {name: term.metrics for name, term in terms})
        self.trained_by_keras = False

    @contextmanager
    def step_of_keras(self, *, training: bool) -> Generator[None]:
        """Leave the heads of the loss to it, and tell a step of training by Keras from others."""
        self.trained_by_keras = training
        try:
            with self.inside.leaving_out_heads():
                yield
        finally:
            self.trained_by_keras = False

    @property
    def settable(self) -> tuple[str, ...]:
        """The names of the terms whose factor is set from outside."""
        return tuple(n for n, factor in self._factors.items() if factor.holds and not factor.learns)

    def total(self, sources: Sources, added: dict[str, list[Tensor]], *, training: bool) -> Tensor:
        """Return the total of a step, and write down its terms.

        Args:
            sources: The tensors of the step.
            added: What the model adds itself, scalars by what they are.
            training: Whether the step counts for factors that move.
        """
        counts = bool(self._factors) and training
        if counts:
            self._progress.begin_step(self.log.batches.result())
        terms = [self._moved(term) for term in self.objective.step(sources)]
        self.log.update(terms)
        first, *others = (term.value for term in terms)
        total: Tensor = sum(others, start=first)
        for value in self.log.added({**added, "learned_factors": self._penalties()}):
            total = total + backend.replica_share(ops.cast(value, total.dtype))
        if counts:
            self._progress.end_step()
        return total

    def factors(self) -> dict[str, float]:
        """Return the factor of each term, as it is now."""
        named = zip(self.objective.names, self.objective.factors, strict=True)
        now = {name: self._now(name, factor) for name, factor in named}
        return {name: float(ops.convert_to_numpy(factor)) for name, factor in now.items()}

    @property
    def values(self) -> dict[str, Callable[[Sources], Tensor]]:
        """What computes the part of each term in the total, alone."""
        o = self.objective
        rows = zip(o.names, o.factors, o.terms, strict=True)
        return {name: partial(self._value, name, factor, term) for name, factor, term in rows}

    def _value(self, name: str, factor: Any, term: Term, sources: Sources) -> Tensor:
        (alone,) = term.ratios(sources)
        return NamedRatio(name, self._now(name, factor), alone.ratio).value

    def _moved(self, term: NamedRatio) -> NamedRatio:
        """Put the factor of this step in the place of one that moves."""
        return replace(term, factor=self._now(term.name, term.factor))

    def _now(self, name: str, factor: Any) -> Any:
        return factor(self._progress.progress(name)) if name in self._factors else factor

    def _penalties(self) -> list[Tensor]:
        return [
            factor.penalty(self._progress.progress(name))
            for name, factor in self._factors.items()
            if factor.learns
        ]


def added_losses(model: Any) -> dict[str, list[Tensor]]:
    """Return the losses that a model has itself; Keras lists the regularisers last."""
    regularized = [v for v in model.trainable_variables if v.regularizer is not None]
    losses = list(model.losses)
    first = len(losses) - len(regularized)
    return {"add_loss": losses[:first], "regularization": losses[first:]}
