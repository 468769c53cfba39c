"""The pipeline of a loss that computes the last layer of a model itself."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import reduce as fold

from keras import ops

from lossmith.backend import Recipe
from lossmith.core.axes import Named, Tensor, combine, repeat
from lossmith.core.elements import Elements, Ratio
from lossmith.core.fused import Head
from lossmith.core.pipeline import Pipeline
from lossmith.core.positions import Positions
from lossmith.core.reduce import parse_reduce
from lossmith.core.sources import Sources

_MEAN = parse_reduce("mean")


@dataclass(frozen=True)
class HeadPipeline(Pipeline):
    """Cross-entropy of the logits that a layer would return, from what it is given.

    The prediction among the inputs is what the layer is given; its features stand for the classes.

    Attributes:
        layer: The name of the layer.
        recipe: How a loss is made of logits.
    """

    layer: str
    recipe: Recipe

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of all tensors that it asks for."""
        return (self.of[0], f"head:{self.layer}", *super().sources[len(self.of) :])

    def ratio(self, sources: Sources) -> Ratio:
        """Return the reduced loss before its division."""
        return self.measured(sources)[0]

    def elements(self, sources: Sources) -> Elements:
        """Return the loss of each token, whose gradient makes the logits once more."""
        step = self._step(sources)
        return step.elements(step.head.tokens(step.labels, step.mask).losses)

    def measured(self, sources: Sources) -> tuple[Ratio, dict[str, Ratio]]:
        """Return the reduced loss before its division, and the sums and counts of its metrics.

        A mean or a sum over all tokens takes one pass; other reductions take two.
        """
        step = self._step(sources)
        if self._reduces_at_once(step.found.axes):
            total, tokens = step.head.total(step.labels, step.mask, step.weights)
            ratio = Ratio(total, self.reduce(step.elements(tokens.losses)).count)
        else:
            tokens = step.head.tokens(step.labels, step.mask)
            ratio = self.reduce(step.elements(tokens.losses))
        return ratio, {
            "accuracy": step.mean(tokens.correct),
            "perplexity": step.mean(tokens.surprise),
        }

    def _reduces_at_once(self, axes: tuple[str, ...]) -> bool:
        steps = self.reduce.steps
        return len(steps) == 1 and (not steps[0].axes or set(steps[0].axes) == set(axes))

    def _step(self, sources: Sources) -> _Step:
        head: Head = sources.raw(f"head:{self.layer}")
        layers = {**(sources.layer or {}), self.layer: head.hidden}
        found = self.positions(replace(sources, layer=layers))
        target, hidden = found.context.given.values()
        order = (*found.axes, *found.context.consumed)
        head = replace(head, hidden=repeat(hidden, order, found.context.sizes))
        return _Step(found, head.under(self.recipe), target)


@dataclass(frozen=True)
class _Step:
    """The tensors of one step, each over all axes of the elements.

    Attributes:
        found: Where the loss is computed.
        head: The layer, and what it is given.
        target: The labels, as given.
    """

    found: Positions
    head: Head
    target: Named

    @property
    def labels(self) -> Tensor:
        return self._repeated(self.target)

    @property
    def mask(self) -> Tensor | None:
        return None if self.found.counted is None else self._repeated(self.found.counted)

    @property
    def weights(self) -> Tensor | None:
        if not self.found.weights:
            return None
        return self._repeated(fold(lambda a, b: combine(ops.multiply, a, b), self.found.weights))

    def elements(self, losses: Tensor) -> Elements:
        found = self.found
        values = Named(losses, found.axes)
        return Elements(values, found.counted, found.weights, found.context.sizes)

    def mean(self, values: Tensor) -> Ratio:
        """Return the sum over the tokens that count, and their number."""
        return _MEAN(replace(self.elements(ops.stop_gradient(values)), weights=()))

    def _repeated(self, x: Named) -> Tensor:
        return repeat(x, self.found.axes, self.found.context.sizes)
