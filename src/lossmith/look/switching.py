"""`lm.simplify`: a loss of ours with its parts switched off, one at a time."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from lossmith.core.pipeline import Pipeline
from lossmith.core.sources import Sources
from lossmith.look.slope import Slope, value_and_slope
from lossmith.losses._objective import Objective, Term, named_terms
from lossmith.messages import ArgumentError, LossmithError

_WIDTH = 100


@dataclass(frozen=True)
class Variant:
    """A loss with one part switched off.

    Attributes:
        off: The part: `"mse: mask=Finite()"`; empty for the loss as it is.
        value: What it gives; NaN where it raises.
        gradient: The length of its gradient along the prediction.
        error: What it raised; empty: nothing.
    """

    off: str
    value: float = float("nan")
    gradient: float = float("nan")
    error: str = ""

    @property
    def sound(self) -> bool:
        """Whether it has a finite value, and a gradient that is finite and not zero."""
        return bool(np.isfinite(self.value) and np.isfinite(self.gradient) and self.gradient != 0)


@dataclass(frozen=True)
class Simplification:
    """A loss, and what becomes of it without each of its parts.

    Attributes:
        title: The name of the loss.
        whole: The loss as it is.
        variants: The loss without one part, for each part.
    """

    title: str
    whole: Variant
    variants: tuple[Variant, ...]

    @property
    def culprits(self) -> tuple[str, ...]:
        """The parts without which a loss that breaks is sound; none where it does not break."""
        return () if self.whole.sound else tuple(v.off for v in self.variants if v.sound)

    @property
    def verdict(self) -> str:
        """What that comes to, in a sentence."""
        if self.whole.sound:
            return "the loss has a finite value and a gradient"
        what = self.whole.error.partition("\n")[0] or (
            "the value is not finite" if not np.isfinite(self.whole.value)
            else "the gradient is not finite" if not np.isfinite(self.whole.gradient)
            else "there is no gradient"
        )  # fmt: skip
        if not self.culprits:
            return f"{what}, without any one of its parts too"
        return f"{what}; it is sound without {' or without '.join(self.culprits)}"

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return dataclasses.asdict(self) | {"culprits": list(self.culprits)}

    def __rich__(self) -> Table:
        """Write it as a table."""
        table = Table(title=None, box=None, pad_edge=False, caption=self.verdict)
        for head, side in (("without", "left"), ("value", "right"), ("gradient", "right")):
            table.add_column(head, justify=side)  # type: ignore[arg-type]
        for variant in (self.whole, *self.variants):
            numbers = variant.error.partition("\n")[0], ""
            if not variant.error:
                numbers = f"{variant.value:.6g}", f"{variant.gradient:.6g}"
            table.add_row(variant.off or "(nothing)", *numbers)
        return table

    def __str__(self) -> str:
        """Write it as plain text."""
        stream = io.StringIO()
        Console(file=stream, width=_WIDTH, color_system=None, markup=False).print(self)
        return "\n".join(line.rstrip() for line in stream.getvalue().splitlines())

    __repr__ = __str__


def simplify(loss: Any, y_true: Any, y_pred: Any, *, sample_weight: Any = None) -> Simplification:
    """Switch the parts of a loss off, one at a time, and see which of them breaks it.

    The parts are terms, and in each term adjustments, the mask, and weights; and the sample
    weights. A loss breaks where its value or the gradient along the prediction is not finite, or
    the gradient is zero everywhere.

    Args:
        loss: An `lm.Loss`, or a sum of losses.
        y_true: The target, or a dict of fields.
        y_pred: The prediction, or a dict of outputs.
        sample_weight: Keras' sample weights.

    Returns:
        The value and the length of the gradient without each part; `culprits` names the parts
        that break it.

    Raises:
        ArgumentError: If it has no parts: it is not a loss of ours.

    Example:
        >>> import lossmith as lm
        >>> loss = lm.Loss("mse") + lm.Loss("mse", of=("y:later", "output"), name="later")
        >>> y = {"y": [1.0, 2.0], "later": [2.0, float("nan")]}
        >>> lm.simplify(loss, y, [0.5, 3.0]).culprits
        ('later',)
    """
    if not isinstance(loss, Term):
        raise ArgumentError(
            "only a loss made of parts can be simplified",
            got=repr(loss)[:200],
            expected="an lm.Loss, or a sum of losses",
            fix="lm.explain(my_loss, y_true, y_pred) shows a function line by line",
        )
    sources = Sources(y_true, y_pred, sample_weight=sample_weight)
    variants = [_variant(off, other, given) for off, other, given in _without(loss, sources)]
    return Simplification(loss.name, _variant("", loss, sources), tuple(variants))


def _variant(off: str, loss: Any, sources: Sources) -> Variant:
    try:
        slope: Slope = value_and_slope(loss, sources)
    except LossmithError as error:
        return Variant(off, error=str(error))
    return Variant(off, slope.value, slope.norm)


def _without(loss: Any, sources: Sources) -> Iterator[tuple[str, Any, Sources]]:
    """Go through the loss without each part: what is off, the loss, its sources."""
    every = named_terms(loss)
    several = len(every) > 1
    if several:
        for place, (name, _, _) in enumerate(every):
            yield name, _sum([term for at, term in enumerate(every) if at != place]), sources
    for place, (name, factor, term) in enumerate(every):
        for off, other in _less(term):
            changed = [*every[:place], (name, factor, other), *every[place + 1 :]]
            label = f"{name}: {off}" if several else off
            yield label, _sum(changed) if several else other, sources
    if sources.sample_weight is not None:
        yield "sample_weight", loss, dataclasses.replace(sources, sample_weight=None)


def _sum(chosen: list[tuple[str, Any, Any]]) -> Any:
    names, factors, losses = zip(*chosen, strict=True)
    return Objective(losses, factors, names)


def _less(term: Any) -> Iterator[tuple[str, Any]]:
    """Go through one term without each of its parts."""
    pipeline = term.pipeline
    if not isinstance(pipeline, Pipeline):  # a loss over paths has its lengths, and no parts
        return
    for argument in ("adjust", "weights"):
        parts = getattr(pipeline, argument)
        for place, part in enumerate(parts):
            others = [other for at, other in enumerate(parts) if at != place]
            yield f"{argument}={part!r}", term.replace(**{argument: others})
    if pipeline.mask is not None:
        yield f"mask={pipeline.mask!r}", term.replace(mask=None)
