"""Sums of losses: named terms, each with a factor and a divisor of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import keras

from lossmith.core.axes import Tensor
from lossmith.core.elements import Ratio
from lossmith.core.groups import Group
from lossmith.core.kinds import Factor
from lossmith.core.part import number
from lossmith.core.sources import Sources
from lossmith.losses._groups import in_group
from lossmith.messages import ArgumentError, SourceError, listed
from lossmith.parts.schedules import KerasSchedule


def _no_metrics() -> dict[str, Ratio]:
    return {}  # torch.compile cannot call `dict[str, Ratio]`


@dataclass(frozen=True)
class NamedRatio:
    """A term of one step.

    Attributes:
        name: Its name.
        factor: Its factor in the total.
        ratio: Its sum and count.
        metrics: Sums and counts that come out of the same pass, by name.
        share: What the value is multiplied by where gradients of several batches are averaged.
    """

    name: str
    factor: Any
    ratio: Ratio
    metrics: Mapping[str, Ratio] = field(default_factory=_no_metrics)
    share: Any = 1.0

    @property
    def value(self) -> Tensor:
        """What the term adds to the total."""
        if isinstance(self.factor, Factor):
            raise SourceError(
                f"the factor of {self.name!r} moves, which takes a model that counts steps",
                got=f"{self.factor!r} without a model",
                expected="a loss that is compiled into an lm.Model",
                fix="build lm.Model(inputs, outputs) instead of keras.Model(inputs, outputs)",
            )
        value = self.ratio.value
        for factor in (self.share, self.factor):
            if not (isinstance(factor, (int, float)) and factor == 1):
                value = factor * value
        return value


class Term(keras.losses.Loss):
    """A Keras loss that is computed from sources, and adds up with others.

    Attributes:
        metrics: The names of what else comes out of its pass.
    """

    metrics: tuple[str, ...] = ()

    def ratios(self, sources: Sources) -> list[NamedRatio]:
        """Return every term before its division."""
        raise NotImplementedError

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of all tensors that it asks for."""
        return tuple(s for _, _, term in named_terms(self) for s in term.pipeline.sources)

    def total(self, sources: Sources) -> Tensor:
        """Return the sum of all terms, each divided by its own count."""
        first, *others = (term.value for term in self.step(sources))
        return sum(others, start=first)

    def step(self, sources: Sources) -> list[NamedRatio]:
        """Return every term, as part of a group of batches where the targets tell of one."""
        terms = self.ratios(sources)
        groups = Group.find(sources.y)
        if not groups:
            return terms
        pipelines = [term.pipeline for _, _, term in named_terms(self)]
        pairs = zip(terms, pipelines, strict=True)
        return [in_group(term, pipeline, groups, sources) for term, pipeline in pairs]

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Tensor:
        """Return the loss.

        Args:
            y_true: The targets, or a dict of fields such as `{"y": ..., "lengths": ...}`.
            y_pred: The prediction, or a dict of outputs.
            sample_weight: Weights over the leading axes of the prediction: `(B,)`, `(B, 1)`,
                `(B, T)` or `(B, T, 1)`.

        Raises:
            LossmithError: Where the tensors do not line up, or one is not there.
        """
        return self.total(Sources(y_true, y_pred, sample_weight=sample_weight))

    def __eq__(self, other: object) -> bool:
        """Losses are equal when all their arguments are."""
        return type(self) is type(other) and self.get_config() == other.get_config()  # type: ignore[attr-defined]

    def __hash__(self) -> int:
        """Equal losses hash alike."""
        return hash(repr(self.get_config()))

    def __mul__(self, factor: Any) -> Objective:
        """Weigh the loss inside a sum, by a number, a part of `lm.schedules` or Keras' schedule."""
        terms = named_terms(self)
        return Objective(
            [term for _, _, term in terms],
            factors=[_product(_factor(factor), own) for _, own, _ in terms],
            names=[name for name, _, _ in terms],
        )

    __rmul__ = __mul__

    def __add__(self, other: object) -> Objective:
        """Add another loss as a term of its own."""
        if not isinstance(other, Term):
            raise ArgumentError(
                "only losses of lossmith add up",
                got=f"a {type(other).__name__}",
                expected="an lm.Loss on both sides",
                fix='put lm.Loss around it, as in loss + 0.1 * lm.Loss("mae")',
            )
        terms = [*named_terms(self), *named_terms(other)]
        return Objective(
            [term for _, _, term in terms],
            factors=[factor for _, factor, _ in terms],
            names=_distinct([name for name, _, _ in terms]),
        )


@keras.saving.register_keras_serializable("lossmith")
class Objective(Term):
    """A weighted sum of named losses. Written as `a + 0.1 * b`.

    Each term divides by its own count. Inside `lm.Model` each is logged under its name.

    Args:
        terms: The losses.
        factors: Their factors in the sum, numbers or parts of `lm.schedules`; None: all 1. Factors
            that move need an `lm.Model`, which counts steps and trains what is learned.
        names: Their names; None: their own, numbered where two are alike.
        name: The name of the sum.

    Raises:
        ArgumentError: If the lists are not equally long, or two names are alike.

    Example:
        >>> import lossmith as lm
        >>> total = lm.Loss("mse", "b, b") + 0.5 * lm.Loss("mae", "b, b")
        >>> float(total([0.0], [2.0]))
        5.0
    """

    def __init__(
        self,
        terms: Sequence[Any],
        factors: Sequence[Any] | None = None,
        names: Sequence[str] | None = None,
        name: str = "objective",
    ) -> None:
        super().__init__(name=name)
        self.terms = tuple(terms)
        self.factors = tuple(_factor(factor) for factor in factors or [1.0] * len(self.terms))
        self.names = tuple(names or _distinct([term.name for term in self.terms]))
        lengths = {len(self.terms), len(self.factors), len(self.names), len(set(self.names))}
        if len(lengths) > 1 or not self.terms:
            raise ArgumentError(
                "an objective needs one factor and one name of its own for each term",
                got=f"{len(self.terms)} terms, factors {self.factors}, names {listed(self.names)}",
                expected="lists of one length, without equal names",
                fix='give each loss a name, as in lm.Loss("mse", name="reconstruction")',
            )

    def ratios(self, sources: Sources) -> list[NamedRatio]:
        """Return every term before its division."""
        return [
            replace(term.ratios(sources)[0], name=name, factor=factor)
            for name, factor, term in named_terms(self)
        ]

    def get_config(self) -> dict[str, Any]:
        """Return what `from_config` needs to build an equal objective."""
        return {
            "terms": [keras.saving.serialize_keras_object(term) for term in self.terms],
            "factors": [keras.saving.serialize_keras_object(factor) for factor in self.factors],
            "names": list(self.names),
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Build the objective again."""
        terms = [keras.saving.deserialize_keras_object(term) for term in config["terms"]]
        factors = [keras.saving.deserialize_keras_object(factor) for factor in config["factors"]]
        return cls(terms, factors, config["names"], config["name"])

    def __repr__(self) -> str:
        """Write it as a sum."""
        rows = zip(self.factors, self.terms, strict=True)
        return " + ".join(repr(t) if f == 1 else f"{f!r} * {t!r}" for f, t in rows)


def _factor(factor: Any) -> Any:
    if isinstance(factor, keras.optimizers.schedules.LearningRateSchedule):
        return KerasSchedule(factor)
    return factor if isinstance(factor, Factor) else number(factor, "factor")


def _product(factor: Any, own: Any) -> Any:
    if isinstance(factor, (int, float)) and isinstance(own, (int, float)):
        return factor * own
    if factor == 1 or own == 1:
        return own if factor == 1 else factor
    raise ArgumentError(
        "a factor that moves stands alone",
        got=f"{factor!r} times {own!r}",
        expected="one factor for each term",
        fix="write the number into the schedule, as in lm.schedules.Linear(0.0, 0.1, over=1000)",
    )


def named_terms(loss: Any) -> list[tuple[str, Any, Any]]:
    """Return the terms of a loss or of a sum: name, factor, loss."""
    if isinstance(loss, Objective):
        return list(zip(loss.names, loss.factors, loss.terms, strict=True))
    return [(loss.name, 1.0, loss)]


def _distinct(names: list[str]) -> list[str]:
    found: list[str] = []
    for name in names:
        number_of = 2
        candidate = name
        while candidate in found:
            candidate = f"{name}_{number_of}"
            number_of += 1
        found.append(candidate)
    return found
