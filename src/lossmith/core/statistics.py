"""Statistics of tensors that add up over batches: one row of numbers for each tensor."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from keras import ops

from lossmith.core.axes import Tensor

Level = Literal["mean", "summary", "histogram"]
LEVELS: tuple[Level, ...] = ("mean", "summary", "histogram")
"""What is computed, by what it costs: one number, six, six and the counts of bins."""

FIELDS = ("size", "count", "nan", "sum", "squares", "low", "high")
"""A row: all positions, those that count, the NaN among them, their sum, the sum of squares of
their distances from the mean, the least and the greatest. Rows of nothing are 0."""

_POWERS = 2.0 ** np.arange(-16, 17)
_OUTER = [np.finfo("float32").max]
EDGES = np.concatenate([-np.array(_OUTER), -_POWERS[::-1], [0.0], _POWERS, _OUTER])
"""The edges of the bins of histograms: powers of two of both signs. Infinities are in the
outermost bins, NaN in none."""


@dataclass(frozen=True, eq=False)
class Tapped:
    """What a tap has seen.

    Attributes:
        value: The tensor.
        mask: Which positions count, of the same rank, with 1 where it is the same along an axis;
            None: all do.
    """

    value: Tensor
    mask: Tensor | None


def rows(seen: Iterable[tuple[Tapped | None, Level]]) -> Tensor:
    """Return the rows of tensors, `(how many, len(FIELDS))`.

    Args:
        seen: Tensors, taken as float32 and without gradient, or None where nothing was seen; and
            what is wanted of each. `"mean"` leaves 0 what the mean does not need.
    """
    fields = [field for tapped, level in seen for field in _row(tapped, level)]
    return ops.reshape(ops.cast(ops.stack(fields), "float32"), (-1, len(FIELDS)))


def _row(seen: Tapped | None, level: Level) -> tuple[Tensor | float, ...]:
    if seen is None:
        return (0.0,) * len(FIELDS)
    x, mask = ops.stop_gradient(ops.cast(seen.value, "float32")), seen.mask
    size = _size(x)
    count = size if mask is None else _number(mask) * _ratio(size, _size(mask))
    total = _total(x, mask)
    if level == "mean":
        return size, count, 0.0, total, 0.0, 0.0, 0.0
    nan = ops.isnan(_only(mask, x, 0.0))
    apart = ops.reshape(_only(mask, x - total / ops.maximum(count, 1.0), 0.0), (-1,))
    usable = ops.logical_not(nan) if mask is None else ops.logical_and(mask, ops.logical_not(nan))
    low = ops.min(ops.where(usable, x, np.inf), initial=np.inf)
    high = ops.max(ops.where(usable, x, -np.inf), initial=-np.inf)
    return size, count, _number(nan), total, ops.dot(apart, apart), low, high


def merged(one: Tensor, other: Tensor) -> Tensor:
    """Return the rows of two batches together, each of shape `(..., len(FIELDS))`.

    The squares are added as Chan et al., "Updating Formulae and a Pairwise Algorithm for Computing
    Sample Variances", 1979: without the cancellation that a plain sum of squares has.
    """
    a, b = _fields(one), _fields(other)
    both = a["count"] + b["count"]
    apart = _mean(b) - _mean(a)
    weight = a["count"] * b["count"] / ops.maximum(both, 1.0)
    between = ops.where(ops.equal(weight, 0.0), 0.0, ops.square(apart) * weight)
    return ops.stack(
        [
            a["size"] + b["size"],
            both,
            a["nan"] + b["nan"],
            a["sum"] + b["sum"],
            a["squares"] + b["squares"] + between,
            ops.minimum(_or(a, "low", np.inf), _or(b, "low", np.inf)),
            ops.maximum(_or(a, "high", -np.inf), _or(b, "high", -np.inf)),
        ],
        axis=-1,
    )


def bins(seen: Tapped | None) -> Tensor:
    """Return how many of the values that count lie in each bin of `EDGES`, its left edge included.

    Args:
        seen: Any tensor; None: nothing was seen.
    """
    if seen is None:
        return ops.zeros((len(EDGES) - 1,), dtype="float32")
    x = ops.stop_gradient(ops.cast(seen.value, "float32"))
    numbers = ops.logical_not(ops.isnan(x))
    counts = numbers if seen.mask is None else ops.logical_and(seen.mask, numbers)
    inner = ops.convert_to_tensor(EDGES[1:-1].astype("float32"))
    flat = ops.reshape(ops.where(numbers, x, 0.0), (-1,))
    places = ops.searchsorted(inner, flat, side="right")
    counted = ops.reshape(ops.cast(counts, "float32"), (-1,))
    return ops.segment_sum(counted, places, num_segments=len(EDGES) - 1)


def statistics(rows: Tensor) -> dict[str, Tensor]:
    """Read rows, each of shape `(..., len(FIELDS))`. Where nothing counted all but `nan` are NaN.

    Returns:
        By name, of shape `(...)`: the `mean` of the values that count and their standard
        `deviation`, NaN if one of them is; their `min` and `max` without those that are NaN; how
        many are `nan`; and the share of all positions that is `counted`.
    """
    r = _fields(rows)
    some = ops.not_equal(r["count"], r["nan"])
    return {
        "mean": r["sum"] / r["count"],
        "deviation": ops.sqrt(r["squares"] / r["count"]),
        "min": ops.where(some, r["low"], np.nan),
        "max": ops.where(some, r["high"], np.nan),
        "nan": r["nan"],
        "counted": r["count"] / r["size"],
    }


def _ratio(whole: Tensor | float, part: Tensor | float) -> Tensor | float:
    return whole / (max(part, 1.0) if isinstance(part, float) else ops.maximum(part, 1.0))


def _total(x: Tensor, mask: Tensor | None) -> Tensor:
    if mask is None:
        return ops.sum(x)
    alike = tuple(axis for axis, size in enumerate(mask.shape) if size == 1)
    return ops.sum(_only(mask, ops.sum(x, axis=alike, keepdims=True), 0.0))


def _only(mask: Tensor | None, x: Tensor, otherwise: float) -> Tensor:
    return x if mask is None else ops.where(mask, x, otherwise)


def _size(x: Tensor) -> Tensor | float:
    # A number where it is known: to make a tensor of it costs as much as a small sum.
    return ops.cast(ops.size(x), "float32") if None in x.shape else float(math.prod(x.shape))


def _number(flags: Tensor) -> Tensor:
    return ops.sum(ops.cast(flags, "float32"))


def _fields(rows: Tensor) -> dict[str, Tensor]:
    return {name: rows[..., place] for place, name in enumerate(FIELDS)}


def _mean(row: dict[str, Tensor]) -> Tensor:
    return row["sum"] / ops.maximum(row["count"], 1.0)


def _or(row: dict[str, Tensor], field: str, otherwise: float) -> Tensor:
    return ops.where(ops.equal(row["count"], 0.0), otherwise, row[field])
