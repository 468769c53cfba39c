"""`lm.SoftDTW`: two sequences compared along their best alignments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import keras

from lossmith.core.axes import Tensor
from lossmith.core.paths.costs import COSTS, pairwise, sequence
from lossmith.core.paths.soft_dtw import soft_dtw_and_penalties
from lossmith.core.paths.warp import Warp
from lossmith.losses._path import PathLoss
from lossmith.messages import ArgumentError, listed


@keras.saving.register_keras_serializable("lossmith")
class SoftDTW(PathLoss):
    """Soft dynamic time warping: two sequences compared along all alignments, softly the best.

    Positions need not be paired and the sequences need not be equally long: one may run ahead of
    the other and fall back. The value is `-gamma * log(sum of exp(-cost / gamma))` over all
    alignments, so it may be negative, and the smaller gamma, the nearer it is to the cost of the
    best. What stands behind the lengths may be anything; a sample with a length of 0 does not
    count.

    Source: M. Cuturi and M. Blondel, "Soft-DTW: a differentiable loss function for time-series",
    2017; the divergence from M. Blondel et al., "Differentiable divergences between time series",
    2021.

    Args:
        axes: The axes of target and prediction, `[ ]` around the features: `"b t [f], b s [f]"`,
            for which `"b t f, b s f"` is enough; `"b t [f], b t [f]"` where both are equally long;
            without features `"b t, b s"`. Of a grid of costs `"b t s"`.
        of: Where they come from, the prediction last; one source of a grid of costs.
        lengths: How many positions count, by axis, as in `{"t": "y:lengths", "s": "x:lengths"}`: a
            source of lengths (batch,), or a part of `lm.masks`. An axis without an entry counts
            whole. Keras' automatic mask of the prediction holds for its second axis besides.
        cost: What it costs to align two positions: `"squared"`, `"absolute"` or `"cosine"`; None:
            the one input is the grid of costs.
        gamma: The temperature, more than 0, in the units of the cost.
        bandwidth: Sakoe and Chiba's band: how many positions an alignment may stray from the
            diagonals between the first pair and the last; None: any number.
        divergence: Subtract half of what each sequence has with itself: 0 for equal sequences.
        reduce: As for `lm.Loss`. `"mean"` is over samples; `"mean t, mean b"` divides each sample
            by its length along `t` first.
        name: The name of the loss, and of its term in logs; None: `"soft_dtw"`.
        dtype: What to compute in, `"float32"` or `"float64"`; None: the prediction's dtype, and
            at least float32.

    Raises:
        NotationError: If `axes` or `reduce` cannot be read or do not fit.
        ArgumentError: If an argument is out of its domain.
        ShapeError: Where tensors do not line up, or a length is beyond them.
        SourceError: If a source has an unknown name, or is not there.

    Example:
        >>> import lossmith as lm
        >>> loss = lm.SoftDTW("b t, b s", gamma=0.01)
        >>> late = float(loss([[0.0, 0.0, 1.0, 0.0]], [[0.0, 1.0, 0.0]]))  # the same, slower
        >>> abs(late) < 0.02
        True
    """

    LAYOUTS: ClassVar = ("b t [f], b s [f]", "b t [f], b t [f]", "b t, b s", "b t, b t", "b t s")

    def __init__(  # noqa: PLR0913
        self,
        axes: str | None = None,
        *,
        of: str | Sequence[str] = ("y", "output"),
        lengths: Mapping[str, Any] | None = None,
        cost: str | None = "squared",
        gamma: float = 1.0,
        bandwidth: int | None = None,
        divergence: bool = False,
        reduce: str = "mean",
        name: str | None = None,
        dtype: str | None = None,
    ) -> None:
        self.cost, self.divergence = cost, divergence
        self.warp = Warp(gamma, bandwidth)
        super().__init__(axes, of=of, lengths=lengths, reduce=reduce, name=name, dtype=dtype)
        _check(cost, divergence, str(self.pipeline.axes))

    def losses(
        self, inputs: Sequence[Tensor], lengths: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor | None]:
        """Return the loss of each sample; one with a length of 0 does not count."""
        rows, columns = lengths[0], lengths[-1]
        counted = (rows > 0) & (columns > 0)
        if self.cost is None:
            return self._along(inputs[0], rows, columns), counted
        x, y = (sequence(x, n) for x, n in zip(inputs, (rows, columns), strict=True))
        values = self._along(pairwise(self.cost, x, y), rows, columns)
        if self.divergence:
            for z, length in ((x, rows), (y, columns)):
                values = values - self._along(pairwise(self.cost, z, z), length, length) / 2
        return values, counted

    def _along(self, cost: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        return soft_dtw_and_penalties(cost, (), rows, columns, warp=self.warp)[0]

    def _arguments(self) -> dict[str, Any]:
        return {
            **super()._arguments(),
            "cost": self.cost,
            "gamma": self.warp.gamma,
            "bandwidth": self.warp.bandwidth,
            "divergence": self.divergence,
        }


def _check(cost: str | None, divergence: bool, axes: str) -> None:  # noqa: FBT001
    if cost not in (None, *COSTS):
        raise ArgumentError(
            "the cost of a pair has an unknown name",
            got=f"cost={cost!r}",
            expected=f"one of {listed(COSTS)}, or None for a grid of costs",
            fix='write cost="squared", or compute a grid of your own and write '
            'lm.SoftDTW("b t s", of="output", cost=None)',
        )
    if (cost is None) != ("," not in axes):
        raise ArgumentError(
            "a cost is of two sequences, and a grid of costs needs none",
            got=f"cost={cost!r} with axes {axes!r}",
            expected="a cost for two sequences, None for one grid",
            fix='write lm.SoftDTW("b t [f], b s [f]") or lm.SoftDTW("b t s", of="output", '
            "cost=None)",
        )
    if cost is None and divergence:
        raise ArgumentError(
            "a grid of costs does not say what each sequence costs with itself",
            got="divergence=True with cost=None",
            expected="a cost by name",
            fix='write cost="squared", or leave divergence out',
        )
