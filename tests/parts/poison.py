"""The same loss on clean and on dirty inputs, in one step, so that they can be compared by bit."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from tests.support.grads import Array, value_and_grad

FLOATS = np.array([np.nan, np.inf, -np.inf, 1e30, -1e30, 3e38, 0.0, -1.0], "float32")
LABELS = np.array([-1, 2**31 - 1, -(2**31), 99, 3], "int32")


def masked_places(shape: tuple[int, ...], names: Sequence[str], counted: Array, over: str) -> Array:
    """Where a tensor with axes `names` holds positions that do not count."""
    own = over.split()
    shared = [name for name in names if name in own]
    gone = tuple(place for place, name in enumerate(own) if name not in names)
    counted = counted.any(axis=gone)
    left = [name for name in own if name in names]
    counted = counted.transpose([left.index(name) for name in shared])
    lacking = [place for place, name in enumerate(names) if name not in own]
    return np.broadcast_to(~np.expand_dims(counted, lacking), shape)


def poisoned(x: Array, masked: Array) -> Array:
    """`x` with something else, and something worse, at each masked place."""
    result = x.copy()
    result[masked] = np.resize(LABELS if x.dtype.kind == "i" else FLOATS, masked.sum())
    return result


@dataclass(frozen=True)
class Outcome:
    """Value and gradients of a loss on one set of inputs; no gradient for integers."""

    value: Array
    gradients: dict[int, Array]

    @property
    def bits(self) -> list[bytes]:
        """All there is, to be compared exactly."""
        return [np.ascontiguousarray(x).tobytes() for x in (self.value, *self.gradients.values())]


def outcomes(loss: Any, *sets: Sequence[Array], jit: bool) -> list[Outcome]:
    """What `loss(*inputs)` gives on each of several sets of inputs."""
    floats = [place for place, x in enumerate(sets[0]) if x.dtype.kind == "f"]

    def step(*tensors: Any) -> Any:
        values = []
        for which, arrays in enumerate(sets):
            own = tensors[which * len(floats) :][: len(floats)]
            held = dict(enumerate(arrays)) | dict(zip(floats, own, strict=True))
            values.append(loss(*held.values()))
        return keras.ops.stack(values)

    given = [arrays[place] for arrays in sets for place in floats]
    values, gradients = value_and_grad(step, *given, jit=jit)
    found = iter(gradients)
    return [Outcome(value, {place: next(found) for place in floats}) for value in values]
