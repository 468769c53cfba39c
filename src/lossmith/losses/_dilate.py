"""`lm.DILATE`: forecasts compared by their shape and by how late they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import keras
from keras import ops

from lossmith.core.axes import Tensor
from lossmith.core.part import number
from lossmith.core.paths.costs import pairwise, sequence
from lossmith.core.paths.soft_dtw import soft_dtw_and_penalties
from lossmith.core.paths.warp import Warp
from lossmith.losses._path import PathLoss


@keras.saving.register_keras_serializable("lossmith")
class DILATE(PathLoss):
    """The shape and time distortion of a forecast: what it looks like, and how late it is.

    The shape is soft dynamic time warping with squared differences, which forgives delays. The time
    is what the alignments are expected to be off the diagonal: the mean over alignments of the sum
    of `(i / n - j / m) ** 2` over their pairs `(i, j)`, for sequences of `n` and `m` positions.
    The value is `alpha * shape + (1 - alpha) * time`. What stands behind the lengths may be
    anything. A sample with a length of 0 does not count.

    Source: V. Le Guen and N. Thome, "Shape and time distortion loss for training deep time series
    forecasting models", 2019.

    Args:
        axes: The axes of target and prediction, `[ ]` around the features:
            `"b t [f], b t [f]"`, without features `"b t, b t"`; with two names of steps where they
            are not equally long, and then `"b t f, b s f"` needs no brackets.
        of: Where they come from, the prediction last.
        lengths: How many positions count, by axis, as in `{"t": "y:lengths"}`: a source of lengths
            (batch,), or a part of `lm.masks`. An axis without an entry counts whole. Keras'
            automatic mask of the prediction holds for its second axis besides.
        alpha: The share of the shape, from 0 to 1.
        gamma: The temperature, more than 0, in the units of the squared differences.
        reduce: As for `lm.Loss`; `"mean"` is over samples.
        name: The name of the loss, and of its term in logs; None: `"dilate"`.
        dtype: What to compute in, `"float32"` or `"float64"`; None: the prediction's dtype, and
            at least float32.

    Raises:
        NotationError: If `axes` or `reduce` cannot be read or do not fit.
        ArgumentError: If an argument is out of its domain.
        ShapeError: Where tensors do not line up, or a length is beyond them.
        SourceError: If a source has an unknown name, or is not there.

    Example:
        >>> import lossmith as lm
        >>> time = lm.DILATE("b t, b t", alpha=0.0)
        >>> early, late = [[1.0, 2.0, 3.0, 3.0]], [[1.0, 1.0, 2.0, 3.0]]
        >>> round(float(time(early, late)), 3)  # three pairs, each 1/4 off
        0.188
    """

    LAYOUTS: ClassVar = ("b t [f], b t [f]", "b t [f], b s [f]", "b t, b t", "b t, b s")

    def __init__(  # noqa: PLR0913
        self,
        axes: str | None = None,
        *,
        of: Sequence[str] = ("y", "output"),
        lengths: Mapping[str, Any] | None = None,
        alpha: float = 0.5,
        gamma: float = 0.01,
        reduce: str = "mean",
        name: str | None = None,
        dtype: str | None = None,
    ) -> None:
        self.alpha = number(alpha, "alpha", low=0, high=1)
        self.warp = Warp(gamma)
        super().__init__(axes, of=of, lengths=lengths, reduce=reduce, name=name, dtype=dtype)

    def losses(
        self, inputs: Sequence[Tensor], lengths: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor | None]:
        """Return the loss of each sample; one with a length of 0 does not count."""
        rows, columns = lengths[0], lengths[-1]
        x, y = (sequence(x, n) for x, n in zip(inputs, (rows, columns), strict=True))
        cost = pairwise("squared", x, y)
        late = _delays(cost, rows, columns)
        shape, time = soft_dtw_and_penalties(cost, (late,), rows, columns, warp=self.warp)
        return self.alpha * shape + (1 - self.alpha) * time, (rows > 0) & (columns > 0)

    def _arguments(self) -> dict[str, Any]:
        return {**super()._arguments(), "alpha": self.alpha, "gamma": self.warp.gamma}


def _delays(cost: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return how far each pair is off the diagonal, squared: (B, T, S)."""
    _, height, width = ops.shape(cost)

    def at(size: Any, lengths: Tensor) -> Tensor:
        steps = ops.cast(ops.arange(size), cost.dtype)
        return steps / ops.cast(ops.maximum(lengths, 1), cost.dtype)[:, None]

    return ops.square(at(height, rows)[:, :, None] - at(width, columns)[:, None])
