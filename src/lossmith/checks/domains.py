"""The values a tensor may have: a word such as `"prob"` or `"int<10 pad=-1"`, and draws from it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lossmith.messages import ArgumentError, closest

Array = Any
Shape = tuple[int, ...]
KINDS = ("real", "positive", "prob", "simplex", "onehot", "logits", "binary", "sign", "int")
_INTEGER = re.compile(r"int(?:<(\d+))?")
_PAD = re.compile(r"pad=(-?\d+(?:\.\d+)?|nan)")
_CLEAR = 0.05  # how far draws stay from 0, from the ends of an interval, and from each other


@dataclass(frozen=True)
class Domain:
    """The values of one tensor.

    Attributes:
        kind: One of `KINDS`.
        classes: How many integers there are, for `"int"`; 0: as many as the class axis is long.
        pad: The value that stands at positions without a value; None: there are none.
    """

    kind: str
    classes: int = 0
    pad: float | None = None

    @property
    def integer(self) -> bool:
        """Whether values are class numbers."""
        return self.kind == "int"

    @property
    def rows(self) -> bool:
        """Whether values along the last axis belong together."""
        return self.kind in ("simplex", "onehot")

    def sized(self, classes: int) -> Domain:
        """Fill in the number of classes where it was left open."""
        return replace(self, classes=classes) if self.integer and not self.classes else self

    def draw(self, rng: np.random.Generator, shape: Sequence[int]) -> Array:
        """Draw values clear of 0, of the ends of the domain, and of each other."""
        return _DRAWS[self.kind](rng, tuple(shape), self.classes or 2)

    def extremes(self) -> tuple[float, ...]:
        """Return legal values at the edge of the domain, each for a whole tensor."""
        edges: dict[str, tuple[float, ...]] = {
            "real": (0.0, 1e4, -1e4, 1e-8),
            "logits": (0.0, 1e4, -1e4),
            "positive": (1e-8, 1e4),
            "prob": (0.0, 1.0, 1e-8, 1.0 - 1e-7),
            "simplex": (0.0, 1.0),
            "onehot": (0.0, 1.0),
            "binary": (0.0, 1.0),
            "sign": (-1.0, 1.0),
            "int": (0.0, float(max(self.classes - 1, 0))),
        }
        return edges[self.kind]

    def __str__(self) -> str:
        """Write it as it can be typed."""
        word = f"int<{self.classes}" if self.integer and self.classes else self.kind
        return word if self.pad is None else f"{word} pad={self.pad:g}"


def parse_domain(text: str, argument: str) -> Domain:
    """Read a domain such as `"logits"` or `"int<10 pad=-1"`.

    Raises:
        ArgumentError: For a word that is not a domain.
    """
    kind, classes, pad = "real", 0, None
    for word in text.split():
        if match := _PAD.fullmatch(word):
            pad = float(match.group(1))
        elif match := _INTEGER.fullmatch(word):
            kind, classes = "int", int(match.group(1) or 0)
        elif word in KINDS:
            kind = word
        else:
            raise ArgumentError(
                f"{word!r} is not a domain",
                got=f"{argument}={text!r}",
                expected=f"one of {', '.join(KINDS)}, with pad=-1 where values may be missing",
                fix=f'write {argument}="{closest(word, KINDS)[0]}"',
            )
    return Domain(kind, classes, pad)


def domain_of(values: Array) -> Domain:
    """Tell the domain of an example: the narrowest that holds its finite values."""
    array = np.asarray(values)
    finite = array[np.isfinite(array)] if array.dtype.kind == "f" else array
    pad = float("nan") if finite.size < array.size else None
    if not finite.size:
        return Domain("real", pad=pad)
    if array.dtype.kind in "iu":
        low, high = int(finite.min()), int(finite.max())
        return Domain("int", classes=high + 1, pad=float(low) if low < 0 else None)
    found = set(np.unique(finite).tolist())
    in_rows = array.ndim > 1 and array.shape[-1] > 1 and pad is None
    sums_to_one = in_rows and bool(np.allclose(array.sum(axis=-1), 1, atol=1e-4))
    if found <= {0.0, 1.0}:
        return Domain("onehot" if sums_to_one else "binary", pad=pad)
    if found == {-1.0, 1.0}:
        return Domain("sign", pad=pad)
    if finite.min() >= 0 and finite.max() <= 1:
        return Domain("simplex" if sums_to_one else "prob", pad=pad)
    return Domain("positive" if finite.min() > 0 else "real", pad=pad)


def _distinct(rng: np.random.Generator, shape: Shape) -> Array:
    """Draw numbers in (0, 1) of which no two are equal, in any order."""
    count = int(np.prod(shape))
    places = (np.arange(count) + rng.uniform(0.25, 0.75, count)) / max(count, 1)
    return rng.permutation(places).reshape(shape)


def _real(rng: np.random.Generator, shape: Shape, _: int) -> Array:
    spread = 2.0 * _distinct(rng, shape) - 1.0
    return np.where(spread < 0, -_CLEAR, _CLEAR) + 2.0 * spread


def _prob(rng: np.random.Generator, shape: Shape, _: int) -> Array:
    return _CLEAR + (1 - 2 * _CLEAR) * _distinct(rng, shape)


def _simplex(rng: np.random.Generator, shape: Shape, _: int) -> Array:
    raw = _CLEAR + _distinct(rng, shape)
    return raw / raw.sum(axis=-1, keepdims=True)


def _positive(rng: np.random.Generator, shape: Shape, _: int) -> Array:
    return 0.2 + 2.0 * _distinct(rng, shape)


def _onehot(rng: np.random.Generator, shape: Shape, _: int) -> Array:
    return np.eye(shape[-1])[rng.integers(0, shape[-1], shape[:-1])]


def _binary(rng: np.random.Generator, shape: Shape, _: int) -> Array:
    return rng.integers(0, 2, shape).astype("float64")


def _sign(rng: np.random.Generator, shape: Shape, _: int) -> Array:
    return rng.integers(0, 2, shape) * 2.0 - 1.0


def _int(rng: np.random.Generator, shape: Shape, classes: int) -> Array:
    return rng.integers(0, classes, shape)


_DRAWS: dict[str, Callable[[np.random.Generator, Shape, int], Array]] = {
    "real": _real,
    "logits": _real,
    "positive": _positive,
    "prob": _prob,
    "simplex": _simplex,
    "onehot": _onehot,
    "binary": _binary,
    "sign": _sign,
    "int": _int,
}
