"""What an expression inside a loss is known to be: a small abstract domain."""

from __future__ import annotations

import ast
import math
from dataclasses import dataclass
from enum import IntEnum

from lossmith.lint.operations import Operation


class Reduced(IntEnum):
    """Over which axes a value has been summed or averaged."""

    NOT = 0
    """Every element is there."""
    SOME = 1
    """Axes other than the batch."""
    BATCH = 2
    """The batch axis, others are there."""
    ALL = 3
    """It is one number."""


@dataclass(frozen=True)
class Value:
    """Facts about a value. The default is: nothing is known.

    Attributes:
        target: Whether it is computed from the target.
        prediction: Whether it is computed from the prediction.
        indicator: Whether it is boolean, or 0 and 1: a comparison, or a cast of one.
        mask: Whether it is an indicator of which positions count, or are missing.
        masked: Whether positions that don't count were replaced, by `where` with a mask.
        zeroed: Whether positions that don't count are 0, as in `error * mask`.
        reduced: Over which axes it has been reduced.
        low: It is at least this.
        high: It is at most this.
        positive: Whether it is above 0 by more than rounding: clipped, or with an epsilon added.
        constant: The number that it is, if it is a number known by reading.
        opaque: Whether it went through a function that is not understood.
        made_by: The operation that computed it, found through names and helper functions.
        expression: The operation, subscript or foreign call that it was read from.
    """

    target: bool = False
    prediction: bool = False
    indicator: bool = False
    mask: bool = False
    masked: bool = False
    zeroed: bool = False
    reduced: Reduced = Reduced.NOT
    low: float = -math.inf
    high: float = math.inf
    positive: bool = False
    constant: float | None = None
    opaque: bool = False
    made_by: Operation | None = None
    expression: ast.expr | None = None

    @property
    def origin(self) -> str:
        """`"target"`, `"prediction"`, `"both"`, or `"neither"`."""
        if self.target and self.prediction:
            return "both"
        return "target" if self.target else "prediction" if self.prediction else "neither"

    @property
    def from_data(self) -> bool:
        """Whether it is computed from the target or the prediction."""
        return self.target or self.prediction

    def is_made_by(self, *names: str) -> bool:
        """Whether one of these operations computed it."""
        return self.made_by is not None and self.made_by.name in names


UNKNOWN = Value()


def number(value: float) -> Value:
    """Return the value of a number in the code."""
    return Value(
        constant=value,
        low=value,
        high=value,
        positive=value > 0,
        reduced=Reduced.ALL,
        indicator=value in {0, 1} and isinstance(value, bool),
    )


def join(values: list[Value]) -> Value:
    """Return what holds on every branch: data may come from any, a fact must hold on all."""
    if not values:
        return UNKNOWN
    first = values[0]
    if all(value == first for value in values[1:]):
        return first
    same = all(value.made_by is first.made_by for value in values)
    read = all(value.expression is first.expression for value in values)
    return Value(
        target=any(v.target for v in values),
        prediction=any(v.prediction for v in values),
        indicator=all(v.indicator for v in values),
        mask=all(v.mask for v in values),
        masked=all(v.masked for v in values),
        zeroed=all(v.zeroed for v in values),
        reduced=min(v.reduced for v in values),
        low=min(v.low for v in values),
        high=max(v.high for v in values),
        positive=all(v.positive for v in values),
        constant=first.constant if all(v.constant == first.constant for v in values) else None,
        opaque=any(v.opaque for v in values),
        made_by=first.made_by if same else None,
        expression=first.expression if same and read else None,
    )


def combine(values: list[Value]) -> Value:
    """Return what a function of several values is, where only where it comes from is known."""
    tensors = [v for v in values if v.constant is None]
    data = [v for v in tensors if v.from_data] or tensors
    return Value(
        target=any(v.target for v in values),
        prediction=any(v.prediction for v in values),
        masked=bool(data) and all(v.masked for v in data),
        reduced=min((v.reduced for v in tensors), default=Reduced.ALL),
        opaque=any(v.opaque for v in values),
    )
