"""The notation of reductions: `"mean"`, `"sum t, mean b"`, read and carried out left to right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce as fold
from typing import Any

from keras import ops

from lossmith.core.axes import Named, Tensor, align, axes_text, combine
from lossmith.core.elements import Elements, Ratio, safe_divide
from lossmith.messages import NotationError, ShapeError, closest, listed

_KERAS_WORDS = {"sum_over_batch_size": "mean", "mean_with_sample_weight": "weighted_mean"}
_WORDS = ("mean", "weighted_mean", "sum")


@dataclass(frozen=True)
class Step:
    """One reduction: its word, and the axes it takes; no axes: all that are left."""

    word: str
    axes: tuple[str, ...]


@dataclass(frozen=True)
class Reduction:
    """A reduce string, read. `"none"` has no steps.

    | text | value |
    |---|---|
    | `"mean"` | sum of weight x error over counted elements / number of counted elements |
    | `"weighted_mean"` | the same / sum of their weights |
    | `"sum"`, `"none"` | the sum; the elements themselves, 0 where they do not count |
    | `"mean t k, mean b"` | the mean of each sample over its own steps, then over samples |
    """

    text: str
    steps: tuple[Step, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The axes named in the text."""
        return tuple(name for step in self.steps for name in step.axes)

    @property
    def at_once(self) -> bool:
        """Whether it takes all axes in one step."""
        return len(self.steps) == 1 and not self.names

    def __call__(self, elements: Elements) -> Ratio:
        """Reduce elements to a sum and a count, each step over the positions that count."""
        missing = [name for name in self.names if name not in elements.values.axes]
        if missing:
            raise ShapeError(
                f"reduce names {missing[0]!r}, which the elements do not have",
                got=f"reduce={self.text!r}",
                expected=f"axes of the elements: {axes_text(elements.values.axes)}",
                fix='name the axes of the tensors, as in axes="b t, b t", and reduce over these',
            )
        if not self.steps:
            return Ratio(_weighted(elements.values, elements.weights).value, None)
        state = _State(elements.values, elements.mask, elements.weights, elements.sizes)
        ratio = Ratio(elements.values.value, None)
        for place, step in enumerate(self.steps, start=1):
            state, ratio = state.take(step, last=place == len(self.steps))
        return ratio


def parse_reduce(text: str) -> Reduction:
    """Read a reduce string.

    Raises:
        NotationError: Where it cannot be read.
    """
    if text == "none":
        return Reduction(text, ())
    steps = tuple(_parse_step(part, text) for part in text.split(","))
    names = [name for step in steps for name in step.axes]
    early = [step for step in steps[:-1] if not step.axes]
    if len(set(names)) < len(names) or early:
        raise NotationError(
            "a reduction takes an axis that is already gone",
            got=repr(text),
            expected="each axis once, and a word without axes only at the end",
            fix='write "mean t, mean b"',
        )
    return Reduction(text, steps)


def _parse_step(part: str, text: str) -> Step:
    word, *axes = part.split() or [""]
    if word in _WORDS:
        return Step(word, tuple(axes))
    near = _KERAS_WORDS.get(word) or closest(word, _WORDS)[0]
    raise NotationError(
        f"reduce has no word {word!r}",
        got=repr(text),
        expected=f'{listed(_WORDS)}, each with axes or without, or "none"',
        fix=f'write "{near}"',
    )


@dataclass(frozen=True)
class _State:
    """What is left between two steps: weights are spent by the first step along their axes."""

    values: Named
    mask: Named | None
    weights: tuple[Named, ...]
    sizes: dict[str, Any]

    def take(self, step: Step, *, last: bool) -> tuple[_State, Ratio]:
        over = step.axes or self.values.axes
        spent = tuple(w for w in self.weights if last or set(w.axes) & set(over))
        total = _sum(_weighted(self.values, spent), over)
        count = self.count(step.word, over, spent, total.axes)
        ratio = Ratio(total.value, count)
        if last:
            return self, ratio
        quotient = total if count is None else total.map(lambda x: safe_divide(x, count))
        left = tuple(w for w in self.weights if all(w is not s for s in spent))
        mask = None if self.mask is None else _reduced(self.mask, over, ops.any)
        return _State(quotient, mask, left, self.sizes), ratio

    def count(
        self, word: str, over: tuple[str, ...], weights: tuple[Named, ...], left: tuple[str, ...]
    ) -> Tensor | None:
        if word == "sum":
            return None
        dtype = self.values.value.dtype
        if word == "weighted_mean" and weights:
            counted = _counted_weight(_product(weights), self.mask)
        else:
            counted = self.mask and self.mask.map(lambda mask: ops.cast(mask, "int32"))
        if any(self.sizes[name] is None for name in over):  # a KerasTensor without a size yet
            ones = self.values.map(ops.ones_like)
            counted = ones if counted is None else combine(_times, counted, ones)
        if counted is None:
            return _size(over, self.sizes, dtype)
        total = _sum(counted, over)
        repeats = tuple(name for name in over if name not in counted.axes)
        count = ops.cast(align(total, left), dtype)
        return count * _size(repeats, self.sizes, dtype) if repeats else count


def _times(a: Tensor, b: Tensor) -> Tensor:
    return ops.cast(a, b.dtype) * b


def _counted_weight(weight: Named, mask: Named | None) -> Named:
    if mask is None:
        return weight
    return combine(lambda m, w: ops.where(m, w, ops.zeros_like(w)), mask, weight)


def _weighted(values: Named, weights: tuple[Named, ...]) -> Named:
    return combine(ops.multiply, values, _product(weights)) if weights else values


def _product(weights: tuple[Named, ...]) -> Named:
    return fold(lambda a, b: combine(ops.multiply, a, b), weights)


def _sum(x: Named, over: tuple[str, ...]) -> Named:
    return _reduced(x, over, ops.sum)


def _reduced(x: Named, over: tuple[str, ...], function: Callable[..., Tensor]) -> Named:
    places = [x.position(name) for name in over if name in x.axes]
    left = tuple(name for name in x.axes if name not in over)
    return Named(function(x.value, axis=places), left) if places else x


def _size(names: tuple[str, ...], sizes: dict[str, Any], dtype: str) -> Tensor:
    product = fold(lambda a, b: a * b, (sizes[name] for name in names), 1)
    return ops.cast(product, dtype)
