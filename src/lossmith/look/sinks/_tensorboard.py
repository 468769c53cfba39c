"""A training for TensorBoard, by tensorboardX: TensorFlow need not be there."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from lossmith.look.grids import picture
from lossmith.look.sinks._sink import Sink
from lossmith.messages import ArgumentError

FLUSH_SECONDS = 5
"""How long what is written may take to reach the file, and so a TensorBoard that is open."""


class TensorBoard(Sink):
    """Event files of TensorBoard: scalars, histograms, and maps as images.

    What is named `val_...` goes to a run of its own, `validation` beside `train`, so that both are
    drawn in one chart. Steps are epochs, counted from 0 as Keras' own callback does.

    Letters that TensorBoard has no place for in names become `_`. In an image a position that does
    not count is grey, and one that is not finite is magenta. Hand one sink to all callbacks:
    TensorBoard follows only the newest file of a run.

    Args:
        path: The directory; made when there is something to write.

    Raises:
        ArgumentError: If tensorboardX is not installed.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        missing = [name for name in ("tensorboardX", "PIL") if find_spec(name) is None]
        if missing:
            raise ArgumentError(
                "event files of TensorBoard need packages that are not installed",
                got=f"missing: {', '.join(missing)}",
                expected="the extra with the writer of event files",
                fix='pip install "lossmith[tensorboard]"',
            )
        self.path = Path(path)
        self._writers: dict[str, Any] = {}

    def epoch(self, epoch: int, logs: Mapping[str, float]) -> None:
        """Write a scalar for each value."""
        for name, value in logs.items():
            writer, tag = self._place(name)
            writer.add_scalar(tag, float(value), epoch)

    def maps(self, epoch: int, name: str, loss: Any, mask: Any, axes: str) -> None:
        """Write a map as an image."""
        del axes
        loss = np.asarray(loss)
        mask = np.ones(loss.shape, bool) if mask is None else np.asarray(mask, bool)
        writer, tag = self._place(name)
        writer.add_image(tag, picture(loss, mask), epoch, dataformats="HWC")

    def histogram(
        self, epoch: int, name: str, counts: Sequence[float], edges: Sequence[float]
    ) -> None:
        """Write a histogram; its sums are those of the middles of the bins."""
        heights, limits = np.asarray(counts, float), np.asarray(edges, float)
        middles = (limits[:-1] + limits[1:]) / 2
        writer, tag = self._place(name)
        writer.add_histogram_raw(
            tag,
            min=limits[0],
            max=limits[-1],
            num=int(heights.sum()),
            sum=float(middles @ heights),
            sum_squares=float(middles**2 @ heights),
            bucket_limits=limits[1:].tolist(),
            bucket_counts=heights.tolist(),
            global_step=epoch,
        )

    def close(self) -> None:
        """Close the files; what comes later goes to new ones."""
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()

    def _place(self, name: str) -> tuple[Any, str]:
        """Return the writer of a name, and the name there."""
        run = "validation" if name.startswith("val_") else "train"
        if run not in self._writers:
            writers = import_module("tensorboardX")
            own = f".{time.time_ns()}"  # files are named by the second, which may begin two
            self._writers[run] = writers.SummaryWriter(
                str(self.path / run), flush_secs=FLUSH_SECONDS, filename_suffix=own
            )
        return self._writers[run], name.removeprefix("val_")
