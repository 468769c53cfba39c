"""What every sink takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any


class Sink:
    """Takes the values of an epoch; a sink overrides what it has a place for.

    Epochs count from 0, as in callbacks.
    """

    def epoch(self, epoch: int, logs: Mapping[str, float]) -> None:
        """Take the logs of an epoch."""

    def maps(self, epoch: int, name: str, loss: Any, mask: Any, axes: str) -> None:
        """Take the loss at each position of a batch, and where positions count.

        Args:
            epoch: The epoch.
            name: What the loss is called.
            loss: The losses, an array of any shape.
            mask: True where a position counts, of the same shape; None: all do.
            axes: The names of the axes, `"b t"`.
        """

    def samples(
        self,
        epoch: int,
        hardest: Iterable[Mapping[str, Any]],
        easiest: Iterable[Mapping[str, Any]],
    ) -> None:
        """Take the samples of the highest and of the lowest loss: `{"index", "loss"}` each."""

    def histogram(
        self, epoch: int, name: str, counts: Sequence[float], edges: Sequence[float]
    ) -> None:
        """Take a histogram: the count of each bin, and the edges of the bins, one more."""

    def close(self) -> None:
        """Finish what was written; a sink that is written to again goes on."""
