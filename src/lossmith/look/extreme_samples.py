"""A callback that keeps the samples of the highest and of the lowest loss."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import keras
import numpy as np

from lossmith.core.part import number
from lossmith.look.run_dir import Sample
from lossmith.look.samples import per_sample
from lossmith.look.sinks import Sink

Array = Any


class ExtremeSamples(keras.callbacks.Callback):
    """Find the hardest and the easiest samples of a data set, at the end of each epoch.

    The losses are those of `lm.per_sample`: of several terms their sum. A sample whose loss is not
    finite is harder than all others.

    Args:
        x: Inputs, as `fit` takes them.
        y: Targets.
        sample_weight: Sample weights.
        k: How many samples to keep of each kind.
        batch_size: How many samples run at once.
        sinks: Where the samples go: `lm.sinks.JsonLines("runs/1")`.

    Attributes:
        hardest: The samples of the highest loss at the end of the last epoch, the hardest first.
        easiest: Those of the lowest loss, the easiest first.

    Raises:
        ArgumentError: If `k` or `batch_size` is not a positive number; at the end of an epoch, as
            `lm.per_sample` does.

    Example:
        >>> import keras, numpy as np, lossmith as lm
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        >>> model.set_weights([np.ones((1, 1)), np.zeros(1)])
        >>> model.compile(keras.optimizers.SGD(0.0), loss="mse")
        >>> x, y = np.zeros((4, 1)), np.array([[0.0], [3.0], [1.0], [2.0]])
        >>> extremes = lm.callbacks.ExtremeSamples(x, y, k=1)
        >>> _ = model.fit(x, y, verbose=0, callbacks=[extremes])
        >>> extremes.hardest, extremes.easiest
        ([Sample(index=1, loss=9.0)], [Sample(index=0, loss=0.0)])
    """

    def __init__(  # noqa: PLR0913
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        k: int = 10,
        batch_size: int = 32,
        sinks: Iterable[Sink] = (),
    ) -> None:
        super().__init__()
        self._data = (x, y, sample_weight)
        self._k = int(number(k, "k", low=1))
        self._batch_size = int(number(batch_size, "batch_size", low=1))
        self._sinks = list(sinks)
        self.hardest: list[Sample] = []
        self.easiest: list[Sample] = []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Rank the samples."""
        del logs
        found = per_sample(self.model, *self._data, batch_size=self._batch_size)
        losses = found["loss"] if isinstance(found, Mapping) else found
        order = np.argsort(np.where(np.isfinite(losses), losses, np.inf), kind="stable")
        self.hardest = _samples(losses, order[::-1][: self._k])
        self.easiest = _samples(losses, order[: self._k])
        for sink in self._sinks:
            sink.samples(epoch, *([vars(s) for s in part] for part in (self.hardest, self.easiest)))

    def on_train_end(self, logs: Any = None) -> None:
        """Finish what was written."""
        del logs
        for sink in self._sinks:
            sink.close()


def _samples(losses: Array, places: Array) -> list[Sample]:
    return [Sample(int(place), float(losses[place])) for place in places]
