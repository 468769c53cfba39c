"""Batches made from axes and domains: sizes that tell axes apart, masks, padding, samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np

from lossmith.checks.domains import Domain
from lossmith.checks.mask_rule import MaskRule
from lossmith.core.notation import ELLIPSIS, ONE, Axes, TensorAxes

Array = Any
Sizes = Literal["distinct", "colliding", "single"]
_BATCH, _STEPS, _CLASSES = 5, 7, 3  # distinct primes: an axis taken for another does not fit
_FURTHER = (2, 11, 13)
_SAME = 4
_MOST = 16  # samples of a batch that is as long as another axis


@dataclass(frozen=True)
class Spec:
    """What inputs of a loss look like.

    Attributes:
        axes: The axes of target and prediction.
        y_true: The domain of the target.
        y_pred: The domain of the prediction.
        mask: How positions are left out; None: all count.
        example: Target and prediction as the user gave them: their lengths are taken, and the
            first batch is of them.
    """

    axes: Axes
    y_true: Domain
    y_pred: Domain
    mask: MaskRule | None = None
    example: tuple[Array, Array] | None = field(default=None, compare=False, repr=False)

    def with_example(self, example: tuple[Array, Array] | None) -> Spec:
        """Return it with an example, if that has the axes."""
        ranks = len(self.true_axes), len(self.pred_axes)
        fits = example is not None and ranks == tuple(map(np.ndim, example))
        return replace(self, example=example) if fits else self

    @property
    def true_axes(self) -> tuple[str, ...]:
        """The axes of the target."""
        return _names(self.axes.inputs[0])

    @property
    def pred_axes(self) -> tuple[str, ...]:
        """The axes of the prediction."""
        return _names(self.axes.inputs[-1])

    @property
    def leading(self) -> tuple[str, ...]:
        """The axes of the prediction that the loss does not consume, the batch first."""
        return tuple(name for name in self.pred_axes if name not in self.axes.consumed)

    @property
    def steps(self) -> str | None:
        """The axis of steps: the first after the batch that is not consumed."""
        return self.leading[1] if len(self.leading) > 1 else None

    @property
    def mask_axes(self) -> tuple[str, ...]:
        """The axes of masks: the batch and the steps."""
        return self.leading[:2]

    @cached_property
    def classes(self) -> int:
        """How long the class axis is."""
        return max(self.y_true.classes, 2) if self.y_true.classes else _CLASSES

    def sizes(self, kind: Sizes) -> dict[str, int]:
        """Return a length for each axis."""
        if self.example is not None:
            return self._lengths(kind) | {ONE: 1}
        if kind == "colliding":
            sizes = dict.fromkeys(self.axes.names, _SAME)
        else:
            further = iter(_FURTHER)
            sizes = {
                name: _BATCH if name == self.leading[0] else
                _STEPS if name == self.steps else
                _CLASSES if name == self.pred_axes[-1] else next(further, 17)
                for name in dict.fromkeys((*self.pred_axes, *self.true_axes))
            }  # fmt: skip
            if kind == "single":
                sizes[self.leading[0]] = 1
        if self.y_true.classes and self.pred_axes[-1] not in self.leading:
            sizes[self.pred_axes[-1]] = self.classes
        return sizes | {ONE: 1}

    def _lengths(self, kind: Sizes) -> dict[str, int]:
        """Return the lengths of the example; only how many samples there are may be another."""
        assert self.example is not None  # noqa: S101 - sizes() asks
        shapes = map(np.shape, self.example)
        named = zip((self.true_axes, self.pred_axes), shapes, strict=True)
        sizes = {name: n for names, shape in named for name, n in zip(names, shape, strict=True)}
        batch = self.leading[0]
        other = sizes[self.steps or self.pred_axes[-1]]
        samples = {"single": 1, "colliding": other if other <= _MOST else _SAME}
        return sizes | {batch: samples.get(kind, min(sizes[batch], _BATCH))}


@dataclass(frozen=True)
class Batch:
    """Inputs of one call.

    Attributes:
        spec: What they look like.
        y_true: The targets; the sentinel, where there is one, at positions that do not count.
        y_pred: The prediction.
        mask: Which positions count, over `spec.mask_axes`; None: all.
        sample_weight: Keras' weights; None: none.
    """

    spec: Spec
    y_true: Array
    y_pred: Array
    mask: Array | None = None
    sample_weight: Array | None = None

    @property
    def size(self) -> int:
        """How many samples there are."""
        return self.y_pred.shape[0]

    @property
    def by_keras(self) -> bool:
        """Whether a mask goes in as Keras' own, attached to the prediction."""
        return self.spec.mask is not None and self.spec.mask.sentinel is None

    def replace(self, **changes: Any) -> Batch:
        """Return the batch with some arrays changed."""
        return replace(self, **changes)

    def take(self, samples: Sequence[int]) -> Batch:
        """Return some samples, in this order; one may come twice."""
        return self._each(lambda x: x[list(samples)])

    def refilled(self, y_pred: Any = None, y_true: Any = None) -> Batch:
        """Put other values where positions do not count: an array, or one number for all."""
        assert self.mask is not None  # noqa: S101 - checks that call it need a mask
        changes: dict[str, Array] = {}
        if y_pred is not None:
            counted = self.counted("y_pred")
            changes["y_pred"] = np.where(counted, self.y_pred, y_pred).astype(self.y_pred.dtype)
        if y_true is not None:
            counted = self.counted("y_true")
            changes["y_true"] = np.where(counted, self.y_true, y_true).astype(self.y_true.dtype)
        return self.replace(**changes)

    def padded(self, steps: int, fill: float) -> Batch:
        """Append steps that do not count, with `fill` as prediction (and target, if unmarked)."""
        mark = self.spec.mask.sentinel if self.spec.mask else None
        return self.replace(
            y_true=self._longer("y_true", steps, fill if mark is None else mark),
            y_pred=self._longer("y_pred", steps, fill),
            mask=np.pad(self.mask_or_ones(), [(0, 0), (0, steps)]),
        )

    def masked(self, mask: Array) -> Batch:
        """Let other positions count; targets at those that do not get the sentinel."""
        batch = self.replace(mask=np.asarray(mask, bool))
        mark = self.spec.mask.sentinel if self.spec.mask else None
        return batch if mark is None else batch.refilled(y_true=mark)

    def mask_or_ones(self) -> Array:
        """Return the mask, all true where there is none."""
        shape = [self.y_pred.shape[self.spec.pred_axes.index(a)] for a in self.spec.mask_axes]
        return np.ones(shape, bool) if self.mask is None else self.mask

    def counted(self, which: Literal["y_true", "y_pred"]) -> Array:
        """Return the mask in the shape of the target or the prediction."""
        axes = self.spec.true_axes if which == "y_true" else self.spec.pred_axes
        mask, own = self.mask_or_ones(), list(self.spec.mask_axes)
        for name in [name for name in own if name not in axes]:
            mask = mask.any(axis=own.index(name))
            own.remove(name)
        order = [own.index(name) for name in axes if name in own]
        shape = [getattr(self, which).shape[i] if n in own else 1 for i, n in enumerate(axes)]
        return np.broadcast_to(mask.transpose(order).reshape(shape), getattr(self, which).shape)

    def arrays(self) -> dict[str, Array]:
        """Return what there is, by name."""
        names = ("y_true", "y_pred", "mask", "sample_weight")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

    def _longer(self, which: Literal["y_true", "y_pred"], steps: int, fill: float) -> Array:
        array = getattr(self, which)
        axes = self.spec.true_axes if which == "y_true" else self.spec.pred_axes
        width = [(0, steps if name == self.spec.steps else 0) for name in axes]
        return np.pad(array, width, constant_values=fill)

    def _each(self, change: Any) -> Batch:
        return self.replace(**{name: change(array) for name, array in self.arrays().items()})


def draw(spec: Spec, rng: np.random.Generator, kind: Sizes = "distinct") -> Batch:
    """Draw a batch in which every position counts."""
    sizes = spec.sizes(kind)
    classes = sizes[spec.pred_axes[-1]] if spec.axes.consumed else 0
    y_true = spec.y_true.sized(classes).draw(rng, [sizes[name] for name in spec.true_axes])
    y_pred = spec.y_pred.draw(rng, [sizes[name] for name in spec.pred_axes])
    dtype = "int32" if spec.y_true.integer else "float32"
    return Batch(spec, y_true.astype(dtype), y_pred.astype("float32"))


def numbered(
    spec: Spec, sizes: Sizes, number: int, *, seed: int = 0, masked: bool = False
) -> Batch:
    """Return the batch of a number: the same at each call, on any backend."""
    kinds = ("distinct", "colliding", "single")
    batch = draw(spec, np.random.default_rng([seed, number, kinds.index(sizes)]), sizes)
    if spec.example is not None and (sizes, number) == ("distinct", 0):
        batch = _real(spec, batch)
    return ragged(batch) if masked else batch


def _real(spec: Spec, drawn: Batch) -> Batch:
    """Return the first samples of the example; drawn values stand where it has none."""
    y_true, y_pred = (np.asarray(array)[: drawn.size] for array in spec.example or ())
    pad = spec.y_true.pad
    if pad is not None:
        missing = np.isnan(y_true) if np.isnan(pad) else y_true == pad
        y_true = np.where(missing, drawn.y_true, y_true)
    return drawn.replace(
        y_true=y_true.astype(drawn.y_true.dtype), y_pred=y_pred.astype(drawn.y_pred.dtype)
    )


def ragged(batch: Batch) -> Batch:
    """Mask a batch: samples of different lengths, the first one full; without steps, samples."""
    mask = batch.mask_or_ones().copy()
    if mask.ndim == 1:
        mask[1::2] = False
    else:
        lengths = 1 + (np.arange(len(mask)) * 2 + mask.shape[1] - 1) % mask.shape[1]
        mask &= np.arange(mask.shape[1]) < lengths[:, None]
    return batch.masked(mask)


def perfect(batch: Batch) -> Array | None:
    """Return the prediction that the target asks for; None where the domains do not say it."""
    true, pred = batch.spec.y_true, batch.spec.y_pred
    wanted = batch.y_true
    if true.integer:
        wanted = np.eye(batch.y_pred.shape[-1])[np.clip(wanted, 0, None)]
    if wanted.shape != batch.y_pred.shape:
        return None
    if pred.kind == "logits":
        return _perfect_logits(true, wanted)
    inside = {"real": not true.integer, "positive": true.kind in ("positive", "simplex", "prob")}
    fits = inside.get(pred.kind, true.integer or true.kind in (pred.kind, "onehot", "binary"))
    return wanted.astype("float32") if fits else None


def _perfect_logits(true: Domain, wanted: Array) -> Array | None:
    if true.integer or true.kind in ("onehot", "binary"):
        return (40.0 * wanted - 20.0).astype("float32")
    if true.kind == "simplex":
        return np.log(wanted).astype("float32")
    return np.log(wanted / (1 - wanted)).astype("float32") if true.kind == "prob" else None


def _names(axes: TensorAxes) -> tuple[str, ...]:
    return tuple("b" if item == ELLIPSIS else item for item in axes.items)
