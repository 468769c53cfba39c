"""Training the same model several times on the same batches, with a bar to watch."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

LINES = 6
"""About how many lines a training prints where there is no terminal for a bar."""


class Batches(keras.utils.PyDataset):
    """Full batches of arrays, in an order that only the seed decides.

    What is left over of an epoch is not seen in it, so that every batch has one shape and
    the training step is compiled once.

    Args:
        data: Inputs and targets: any structure of arrays with equal first axes.
        size: Samples in a batch.
        seed: Decides the order of all epochs.
    """

    def __init__(self, data: Any, size: int, seed: int) -> None:
        super().__init__()
        self._data = data
        self._rows = len(keras.tree.flatten(data)[0])
        self._size = min(size, self._rows)
        self._generator = np.random.default_rng(seed)
        self.on_epoch_end()

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return self._rows // self._size

    def __getitem__(self, index: int) -> Any:
        """Return one batch of the current order."""
        rows = self._order[index * self._size : (index + 1) * self._size]
        return keras.tree.map_structure(lambda array: array[rows], self._data)

    def on_epoch_end(self) -> None:
        """Draw the order of the next epoch."""
        self._order = self._generator.permutation(self._rows)


def new_progress() -> Progress:
    """Return a bar on stderr; without a terminal, lines are printed in its place."""
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("steps"),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )


class Bar(keras.callbacks.Callback):
    """Moves one bar; stops a training whose loss is no number any more.

    Args:
        progress: What the bar is part of.
        label: What is being trained.
        steps: Steps of the whole training.
        epochs: Epochs of the whole training.
    """

    def __init__(self, progress: Progress, label: str, steps: int, epochs: int) -> None:
        super().__init__()
        self._progress = progress
        self._label = label
        self._epochs = epochs
        self._task = progress.add_task(label, total=steps)
        self._start = time.perf_counter()
        self.steps = 0
        self.failed_at: int | None = None

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        """Move the bar; stop at a NaN, from which no training recovers."""
        del batch
        self.steps += 1
        self._progress.advance(self._task)
        if logs and math.isnan(logs["loss"]):
            self.failed_at = self.steps
            self.model.stop_training = True

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Say how far it is."""
        loss = (logs or {})["loss"]
        text = f"{self._label}, epoch {epoch + 1}/{self._epochs}, loss {loss:.4f}"
        self._progress.update(self._task, description=text)
        if self._progress.disable and self._prints(epoch + 1):
            seconds = time.perf_counter() - self._start
            self._progress.console.print(f"{text}, {seconds:.0f} s")

    def _prints(self, epoch: int) -> bool:
        """Return whether an epoch is worth a line: about LINES of them are, and the last one."""
        return epoch == self._epochs or epoch % math.ceil(self._epochs / LINES) == 0


@dataclass(frozen=True)
class Trained:
    """What a training left behind, beside the model.

    Attributes:
        losses: The loss of each epoch, as Keras logs it.
        failed_at: The step at which the loss became NaN, if it did.
        seconds: How long it took, compiling included.
    """

    losses: list[float]
    failed_at: int | None
    seconds: float


def train(
    model: keras.Model,
    batches: Batches,
    epochs: int,
    label: str,
    progress: Progress,
    *callbacks: keras.callbacks.Callback,
) -> Trained:
    """Fit a compiled model and return what it logged."""
    start = time.perf_counter()
    bar = Bar(progress, label, epochs * len(batches), epochs)
    history = model.fit(
        batches, epochs=epochs, shuffle=False, verbose=0, callbacks=[bar, *callbacks]
    )
    losses = [float(loss) for loss in history.history["loss"]]
    return Trained(losses, bar.failed_at, time.perf_counter() - start)
