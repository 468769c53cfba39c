"""Every error of the registry, in every form its examples show, over batch and time."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

import lossmith as lm
from lossmith.core.kinds import Error
from lossmith.core.notation import parse_axes
from lossmith.core.part import PARTS

ROOM = lm.errors  # the registry fills when the room is loaded
ERRORS = [cls for _, cls in sorted(PARTS.items()) if issubclass(cls, Error)]
SIZES = {"b": 3, "t": 4}
# Sample 1 counts in part, sample 2 not at all.
COUNTED = np.array([[True, True, True, True], [True, False, True, False], [False] * 4])

# Keras' losses whose value is not one number for each position of the leading axes.
NOT_BY_POSITION = {
    "CTC": "aligns whole sequences",
    "Circle": "compares samples with each other",
    "Dice": "one value for the batch",
    "Tversky": "one value for the batch",
}
# Keras' losses of labels without a class axis.
SPARSE = ("SparseCategoricalCrossentropy", "CategoricalGeneralizedCrossEntropy")


@dataclass(frozen=True)
class Case:
    """An error in one form: its axes over batch and time, and what it takes.

    Attributes:
        name: What the test is called.
        error: The part.
        axes: Its axes.
        sizes: The length of each axis.
        labels: Whether the targets are integer labels.
        mask_axes: The axes of the mask.
    """

    name: str
    error: Error
    axes: str
    sizes: dict[str, int]
    labels: bool
    mask_axes: str = "b t"

    @property
    def of_keras(self) -> bool:
        """Whether Keras computes the values."""
        return isinstance(self.error, lm.errors.KerasLoss)

    @property
    def of(self) -> tuple[str, ...]:
        """The sources of the inputs."""
        return ("output",) if self.error.arity == 1 else ("y", "output")

    def loss(self, **arguments: Any) -> lm.Loss:
        """The loss with this error."""
        return lm.Loss(self.error, self.axes, of=self.of, **arguments)

    def shapes(self) -> list[tuple[int, ...]]:
        """The shapes of the inputs."""
        return [tuple(self.sizes[n] for n in x.items) for x in parse_axes(self.axes).inputs]

    def inputs(self, rng: np.random.Generator) -> list[np.ndarray]:
        """Inputs that every error takes: probabilities, and labels for the ones with labels."""
        arrays = []
        axes = parse_axes(self.axes).inputs
        for place, (shape, tensor) in enumerate(zip(self.shapes(), axes, strict=True)):
            if self.labels and place == 0:
                classes = self.sizes[axes[-1].consumed[0]]
                arrays.append(rng.integers(0, classes, shape).astype("int32"))
                continue
            values = rng.uniform(0.1, 0.9, shape)
            if tensor.consumed:
                values = values / values.sum(axis=-1, keepdims=True)
            arrays.append(values.astype("float32"))
        return arrays

    def counted(self, rng: np.random.Generator) -> np.ndarray:
        """Which positions count, over the axes of the mask."""
        if self.mask_axes == "b t":
            return COUNTED
        shape = tuple(self.sizes[name] for name in self.mask_axes.split())
        return rng.uniform(size=shape) < 0.5


def _own() -> Iterator[Case]:
    for cls in ERRORS:
        seen = set()
        for example in cls.EXAMPLES:
            axes = example.axes or "b, b"
            shape = np.shape(example.y_pred)
            written = parse_axes(axes).inputs[-1].items
            sizes = {**dict(zip(written, shape, strict=False)), **SIZES}
            labels = cls.integer_targets and np.asarray(example.y_true).dtype.kind == "i"
            axes = re.sub(r"\bb\b", "b t", axes)
            name = f"{cls(**example.config)!r} {axes}{' labels' if labels else ''}"
            if name in seen:
                continue
            seen.add(name)
            case = Case(name, cls(**example.config), axes, sizes, labels)
            yield case
            if cls.flattens:
                inner = " ".join(parse_axes(axes).inputs[-1].items)
                yield Case(f"{name} mask {inner}", case.error, axes, sizes, labels, inner)


def _keras() -> Iterator[Case]:
    for name, cls in sorted(vars(keras.losses).items()):
        if not isinstance(cls, type) or cls is keras.losses.Loss or name in NOT_BY_POSITION:
            continue
        error = lm.errors.KerasLoss(cls())
        axes = "b t, b t [c]" if name in SPARSE else "b t [c], b t [c]"
        yield Case(f"keras {name}", error, axes, {**SIZES, "c": 3}, name in SPARSE)


CASES = [*_own(), *_keras()]
IDS = [case.name for case in CASES]
