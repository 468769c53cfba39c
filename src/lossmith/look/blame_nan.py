"""A callback that says where a loss that stops being finite does so."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from rich.console import Console

from lossmith import backend
from lossmith.look.again import Origin, Step, unchanged
from lossmith.messages import ArgumentError

_SHOWN = 5


@dataclass(frozen=True, eq=False)
class Blame:
    """What stopped a training.

    Attributes:
        epoch: The epoch, counted from 0 as callbacks do.
        step: The batch of the epoch, counted from 0.
        bad: The losses in the logs and the weights that were not finite after it.
        origin: Where it began.
        batch: The file with the batch.
        weights: The file with the weights before it.
    """

    epoch: int
    step: int
    bad: tuple[str, ...]
    origin: Origin
    batch: Path
    weights: Path

    def __str__(self) -> str:
        """Write it as rows of a terminal."""
        origin = self.origin
        rows = [
            ("began with", origin.what),
            ("at", origin.place),
            ("tensor", origin.name),
            ("samples", _few(origin.samples)),
            ("positions", "" if origin.where is None else _few(map(tuple, origin.where.tolist()))),
            ("batch", str(self.batch)),
            ("weights", f"{self.weights}, those before it; the model has them too"),
        ]
        what = "loss" if not all("/" in name for name in self.bad) else "gradient"
        fact = f"the {what} is not finite in step {self.step + 1} of epoch {self.epoch + 1}"
        return "\n".join([fact, *(f"  {label:<11}{text}" for label, text in rows if text)])


class BlameNaN(keras.callbacks.Callback):
    """Stop a training whose loss or weights become NaN or infinite, and say where that began.

    After each step the losses in its logs and the trainable weights are looked at. Where one is
    not finite the training stops, and the model and its optimizer get the values back that they had
    before that step: no weights are lost. The step runs again eagerly, and what is printed names
    the first line of your function (or the layer, or the stage of an `lm.Loss`) that is not
    finite, with the samples of the batch and the positions in them. A gradient that is not finite
    where the loss still is, as that of `sqrt` at 0, is found in the step that makes it, not in the
    next one.

    It works in any `keras.Model`, compiled or eager, and costs a copy of all variables and a look
    at the weights each step. A loss of validation is not watched. With a `train_step` of your own
    the batch is found all the same; what runs again is the model and its `compute_loss`.

    Args:
        path: The file for the batch: an `.npz` with arrays by the names of their sources, `x`,
            `y`, `y:lengths`, `sample_weight`, `output`. The weights before the step stand beside it
            in a `.weights.h5`. Neither holds code.

    Attributes:
        found: What stopped the training, a `Blame`; None while nothing did.

    Raises:
        ArgumentError: When training begins, if the file cannot be written there.

    Example:
        >>> import os, tempfile, keras, numpy as np, lossmith as lm
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> model.compile("sgd", loss="mse")
        >>> y = np.ones((6, 1)); y[4] = np.nan
        >>> blame = lm.callbacks.BlameNaN(os.path.join(tempfile.mkdtemp(), "blame.npz"))
        >>> _ = model.fit(np.ones((6, 2)), y, 2, shuffle=False, verbose=0, callbacks=[blame])
        the loss is not finite in step 3 of epoch 1
          began with 'y', as it was given
          tensor     y
          samples    0
          positions  (0, 0)
          batch      ...
          weights    ...
        >>> bool(np.isfinite(model.get_weights()[0]).all())
        True
    """

    def __init__(self, path: str | os.PathLike[str] = "blame.npz") -> None:
        super().__init__()
        self.path = Path(path)
        self.found: Blame | None = None
        self._epoch = 0
        self._step = 0
        self._armed = False
        self._plain: Any = None

    def on_train_begin(self, logs: Any = None) -> None:
        """Put a watch around the step of training."""
        del logs
        _check_writable(self.path)
        self.found = None
        model = self.model
        plain = self._plain = model.train_function
        watched = backend.watched(plain, model, lambda *found: self._blame(model, *found))

        def step(*args: Any) -> Any:
            """Watch the steps of this training alone: one that raises leaves the watch behind."""
            armed, self._armed = self._armed, False
            return watched(*args) if armed else plain(*args)

        model.train_function = step

    def on_train_end(self, logs: Any = None) -> None:
        """Take the watch away."""
        del logs
        self.model.train_function = self._plain

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Count epochs."""
        del logs
        self._epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Count steps."""
        del logs
        self._step, self._armed = batch, True

    def _blame(self, model: Any, batch: Any, place: int, bad: Sequence[str]) -> None:
        model.stop_training = True
        step = Step.of_batch(model, batch)
        tensors, origin = _again(step, bad)
        arrays = {name: backend.to_numpy(x) for name, x in tensors.items()}
        weights = self.path.with_suffix(".weights.h5")
        _write(self.path, lambda path: np.savez_compressed(path, **arrays))
        _write(weights, model.save_weights)
        where = (self._epoch, self._step + place)
        self.found = Blame(*where, tuple(bad), origin, self.path, weights)
        Console(highlight=False, markup=False, soft_wrap=True).print(str(self.found))


def _again(step: Step, bad: Sequence[str]) -> tuple[dict[str, Any], Origin]:
    """Return the tensors of a step by name, and where it stops being finite."""
    try:
        with unchanged(step.model):
            tensors = step.named(step.predict())
        return tensors, step.origin(bad)
    except Exception as error:  # noqa: BLE001 - a training of the user's own making is told as such
        what = f"a step that does not run by itself: {type(error).__name__}: {error}"
        return step.named(None), Origin(what)


def _write(path: Path, write: Any) -> None:
    """Write a file whole or not at all."""
    unfinished = path.with_name(f"part-{path.name}")
    write(unfinished)
    unfinished.replace(path)


def _check_writable(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        obstacle = "" if os.access(path.parent, os.W_OK) else "no permission to write"
    except OSError as error:
        obstacle = str(error.strerror)
    if obstacle or path.suffix != ".npz" or path.is_dir():
        raise ArgumentError(
            "the batch cannot be written there",
            got=f"{path}: {obstacle or 'not the name of an .npz file'}",
            expected="an .npz file, in a directory that can be written to",
            fix='lm.callbacks.BlameNaN("blame.npz")',
        )


def _few(items: Iterable[object]) -> str:
    found = list(items)
    more = f", ... ({len(found)})" if len(found) > _SHOWN else ""
    return ", ".join(map(str, found[:_SHOWN])) + more
