"""A training written down line by line."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lossmith.look.run_dir import EPOCHS, HISTOGRAMS, MAPS, SAMPLES, map_path, not_finite
from lossmith.look.sinks._sink import Sink
from lossmith.messages import ArgumentError


class JsonLines(Sink):
    """Files of a run directory, which `lossmith report` makes a page of.

    Args:
        path: The directory; made if it is not there, gone on with if it is.

    Raises:
        ArgumentError: If it cannot be written to.

    Example:
        >>> import tempfile, lossmith as lm
        >>> from pathlib import Path
        >>> folder = tempfile.mkdtemp()
        >>> sink = lm.sinks.JsonLines(folder)
        >>> sink.epoch(0, {"loss": 0.5})
        >>> print(Path(folder, "epochs.jsonl").read_text())
        {"epoch": 0, "logs": {"loss": 0.5}}
        <BLANKLINE>
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        try:
            (self.path / "maps").mkdir(parents=True, exist_ok=True)
            (self.path / EPOCHS).touch()
        except OSError as error:
            raise ArgumentError(
                "the run directory cannot be written to",
                got=f"{self.path}: {error.strerror}",
                expected="a directory that can be written to, or one that can be made",
                fix='lm.sinks.JsonLines("runs/1")',
            ) from error

    def epoch(self, epoch: int, logs: Mapping[str, float]) -> None:
        """Add the logs of an epoch."""
        numbers = {name: _written(float(value)) for name, value in logs.items()}
        self._append(EPOCHS, {"epoch": epoch, "logs": numbers})

    def maps(self, epoch: int, name: str, loss: Any, mask: Any, axes: str) -> None:
        """Keep the loss at each position of a batch.

        Args:
            epoch: The epoch.
            name: What the loss is called.
            loss: The losses, an array of any shape.
            mask: True where a position counts, of the same shape; None: all do.
            axes: The names of the axes, `"b t"`.

        Raises:
            ArgumentError: If the arrays and the names do not fit together.
        """
        loss = np.asarray(loss)
        mask = np.ones(loss.shape, bool) if mask is None else np.asarray(mask, bool)
        if mask.shape != loss.shape or len(axes.split()) != loss.ndim:
            raise ArgumentError(
                "a map is a loss and a mask of one shape, with a name for each axis",
                got=f"loss {loss.shape}, mask {mask.shape}, axes {axes!r}",
                expected="equal shapes, and as many names as axes",
                fix="np.broadcast_to(mask, loss.shape)",
                at=(f"the maps of {name}",),
            )
        path = map_path(self.path, epoch, name)
        unfinished = path.with_suffix(".part")
        with unfinished.open("wb") as file:
            np.savez_compressed(file, loss=loss, mask=mask)
        unfinished.replace(path)
        self._append(MAPS, {"epoch": epoch, "name": name, "axes": axes})

    def samples(
        self,
        epoch: int,
        hardest: Iterable[Mapping[str, Any]],
        easiest: Iterable[Mapping[str, Any]],
    ) -> None:
        """Add the samples of the highest and of the lowest loss: `{"index", "loss"}` each."""
        record = {"hardest": _samples(hardest), "easiest": _samples(easiest)}
        self._append(SAMPLES, {"epoch": epoch, **record})

    def histogram(
        self, epoch: int, name: str, counts: Sequence[float], edges: Sequence[float]
    ) -> None:
        """Add a histogram: the count of each bin, and the edges of the bins, one more."""
        record = {"counts": [float(c) for c in counts], "edges": [float(e) for e in edges]}
        self._append(HISTOGRAMS, {"epoch": epoch, "name": name, **record})

    def _append(self, name: str, record: Mapping[str, Any]) -> None:
        """Add a line in one write, so that a reader never sees lines of two writers mixed."""
        line = json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n"
        with (self.path / name).open("ab", buffering=0) as file:
            file.write(line.encode())


def _samples(given: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{"index": int(s["index"]), "loss": _written(float(s["loss"]))} for s in given]


def _written(value: float) -> float | str:
    return value if math.isfinite(value) else not_finite(value)
