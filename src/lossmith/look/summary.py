"""A tensor in a few numbers, counted in pieces, so that no copy of a large one is made."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import keras
import numpy as np

from lossmith import backend

Array = Any
_PIECE = 1 << 20  # numbers that are looked at together


@dataclass(frozen=True)
class Tensor:
    """What is shown of a tensor.

    Attributes:
        name: The variable that holds it, the source that it comes from, or `"return"`.
        shape: Its shape; of several, the last.
        dtype: Its dtype.
        axes: The names of its axes where they are known, as in `"b t"`.
        low: The smallest finite number; None where there is none.
        mean: The mean of the finite numbers.
        high: The largest finite number.
        nan: How many numbers are NaN.
        inf: How many are infinite.
        size: How many there are.
        no_gradient: The share of the prediction along which its sum has no slope; None where that
            is not known.
        counted: Of a mask, the share that is true or one.
        times: How often the line made it; the numbers are those of all times.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    axes: str = ""
    low: float | None = None
    mean: float | None = None
    high: float | None = None
    nan: int = 0
    inf: int = 0
    size: int = 0
    no_gradient: float | None = None
    counted: float | None = None
    times: int = 1

    def joined(self, other: Tensor) -> Tensor:
        """Return both as one: what a line made the first times, and once more."""
        finite = [x.size - x.nan - x.inf for x in (self, other)]
        total = sum(n * (x.mean or 0.0) for n, x in zip(finite, (self, other), strict=True))
        lows = [x.low for x in (self, other) if x.low is not None]
        highs = [x.high for x in (self, other) if x.high is not None]
        size = self.size + other.size
        masks = self.counted is not None and other.counted is not None
        return replace(
            other,
            low=min(lows, default=None),
            mean=total / sum(finite) if lows else None,
            high=max(highs, default=None),
            nan=self.nan + other.nan,
            inf=self.inf + other.inf,
            size=size,
            counted=_share(self, other, size) if masks else None,
            times=self.times + other.times,
        )

    def __str__(self) -> str:
        """Write it on one line."""
        named = f"{self.axes}  {self.shape}" if self.axes else str(self.shape)
        words = [f"{self.name}  {named} {self.dtype}"]
        if self.mean is not None and self.size == 1:
            words.append(_number(self.mean))
        elif self.mean is not None:
            words.append(f"{_number(self.low)} .. {_number(self.mean)} .. {_number(self.high)}")
        words += [f"{self.nan} NaN"] if self.nan else []
        words += [f"{self.inf} Inf"] if self.inf else []
        words += [f"counts {_percent(self.counted)}"] if self.counted is not None else []
        if self.no_gradient:
            words.append(f"no gradient {_percent(self.no_gradient)}")
        words += [f"{self.times} times"] if self.times > 1 else []
        return "  ".join(words)

    def to_dict(self) -> dict[str, Any]:
        """Return it as what JSON can hold."""
        return asdict(self) | {"shape": list(self.shape)}


def summary(name: str, x: Any, axes: str = "") -> Tensor:
    """Return a tensor in a few numbers; of one without values, its shape alone.

    A tensor of zeros and ones, or of truth values, is taken for a mask.
    """
    shape = tuple(x.shape)
    if not backend.has_value(x):
        return Tensor(name, shape, str(x.dtype), axes)
    dtype = keras.backend.standardize_dtype(x.dtype)
    size = math.prod(shape)
    nan = inf = finite = ones = zeros = 0
    total, low, high = 0.0, math.inf, -math.inf
    for piece in _pieces(x, size):
        nan += int(np.isnan(piece).sum())
        inf += int(np.isinf(piece).sum())
        ones += int((piece == 1).sum())
        zeros += int((piece == 0).sum())
        good = piece[np.isfinite(piece)]
        if good.size:
            finite += good.size
            total += float(good.sum())
            low, high = min(low, float(good.min())), max(high, float(good.max()))
    mask = dtype == "bool" or (zeros > 0 and ones > 0 and ones + zeros == size)
    return Tensor(
        name, shape, dtype, axes,
        low=low if finite else None,
        mean=total / finite if finite else None,
        high=high if finite else None,
        nan=nan, inf=inf, size=size,
        counted=ones / size if mask and size else None,
    )  # fmt: skip


def _pieces(x: Any, size: int) -> Iterator[Array]:
    """Go through the numbers of a tensor, a part at a time, as float64."""
    if size <= _PIECE:
        yield backend.to_numpy(x).astype("float64").reshape(-1)
        return
    flat = keras.ops.reshape(x, (-1,))
    for start in range(0, size, _PIECE):
        yield backend.to_numpy(flat[start : start + _PIECE]).astype("float64")


def _share(a: Tensor, b: Tensor, size: int) -> float:
    return ((a.counted or 0) * a.size + (b.counted or 0) * b.size) / max(size, 1)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _percent(share: float | None) -> str:
    """Write a share so that only nothing is 0% and only all is 100%."""
    if share is None:
        return ""
    if 0 < share < 0.01:  # noqa: PLR2004 - one percent
        return "<1%"
    if 0.99 < share < 1:  # noqa: PLR2004
        return ">99%"
    return f"{share:.0%}"
