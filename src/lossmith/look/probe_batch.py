"""A callback that keeps the loss at every position of a fixed batch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import keras
from keras import ops

from lossmith import backend
from lossmith.core.axes import Named, align, axes_text
from lossmith.core.elements import Elements
from lossmith.look.again import unchanged
from lossmith.look.sinks import Sink
from lossmith.losses._single import Single
from lossmith.messages import ArgumentError

Array = Any


class ProbeBatch(keras.callbacks.Callback):
    """Write down the loss at each position of a fixed batch, at the end of each epoch.

    Each term of the loss is a map: the error at each of its positions, times its weights, before
    any reduction, and which positions count. The model runs eagerly, in inference mode. Terms of
    weights have no positions and no map.

    Args:
        x: Inputs of the batch, as `fit` takes them.
        y: Its targets.
        sample_weight: Its sample weights.
        sinks: Where the maps go: `lm.sinks.JsonLines("runs/1")` for the page of `lossmith report`,
            `lm.sinks.TensorBoard(...)` for images.

    Raises:
        ArgumentError: When training begins, if no loss of lossmith is compiled into an `lm.Model`:
            other losses have no positions.

    Example:
        >>> import keras, numpy as np, lossmith as lm
        >>> class Show(lm.sinks.Sink):
        ...     def maps(self, epoch, name, loss, mask, axes):
        ...         print(epoch, name, axes, loss.shape, mask.sum())
        >>> x = keras.Input((3, 1))
        >>> model = lm.Model(x, keras.layers.Dense(1)(x))
        >>> loss = lm.Loss("mse", "b t, b t 1", mask=lm.masks.Lengths("y:lengths"))
        >>> model.compile("sgd", loss=loss)
        >>> x, y = np.ones((2, 3, 1)), {"y": np.ones((2, 3)), "lengths": np.array([3, 1])}
        >>> probe = lm.callbacks.ProbeBatch(x, y, sinks=[Show()])
        >>> _ = model.fit(x, y, epochs=2, verbose=0, callbacks=[probe])
        0 mse b t (2, 3) 4
        1 mse b t (2, 3) 4
    """

    def __init__(
        self, x: Any, y: Any = None, sample_weight: Any = None, *, sinks: Iterable[Sink]
    ) -> None:
        super().__init__()
        self._batch = (x, y, sample_weight)
        self._sinks = list(sinks)

    def on_train_begin(self, logs: Any = None) -> None:
        """Hold the model to what a map takes."""
        del logs
        if getattr(self.model, "compiled_objective", None) is None:
            raise ArgumentError(
                "maps take a loss that knows its positions",
                got=f"{type(self.model).__name__} compiled with {self.model.loss!r}",
                expected="an lm.Loss, or a sum of them, in an lm.Model",
                fix='lm.Model(model).compile("adam", loss=lm.Loss("mse"))',
            )

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Write the maps of the epoch."""
        del logs
        for name, loss, mask, axes in maps(self.model, *self._batch):
            for sink in self._sinks:
                sink.maps(epoch, name, loss, mask, axes)

    def on_train_end(self, logs: Any = None) -> None:
        """Finish what was written."""
        del logs
        for sink in self._sinks:
            sink.close()


def maps(
    model: Any, x: Any, y: Any = None, sample_weight: Any = None
) -> Iterator[tuple[str, Array, Array, str]]:
    """Return for each term of a model's loss the loss at each position of a batch.

    Args:
        model: A model with a compiled loss of lossmith.
        x: The inputs.
        y: The targets.
        sample_weight: The sample weights.

    Returns:
        For each term its name, the weighted errors, which of them count, and the names of the axes.
    """
    objective = model.compiled_objective
    with unchanged(model):
        y_pred = model(keras.tree.map_structure(ops.convert_to_tensor, x), training=False)
        sources = model.loss_sources(x, y, y_pred, sample_weight)
        for name, term in zip(objective.names, objective.terms, strict=True):
            if isinstance(term, Single) and not term.pipeline.of[-1].startswith("weights:"):
                yield name, *_map(term.pipeline.elements(sources))


def _map(elements: Elements) -> tuple[Array, Array, str]:
    values = elements.values
    loss = values.value
    for weight in elements.weights:
        loss = loss * align(weight, values.axes)
    everywhere = Named(ops.ones((), "bool"), ())
    mask = ops.broadcast_to(align(elements.mask or everywhere, values.axes), ops.shape(loss))
    return backend.to_numpy(loss), backend.to_numpy(mask), axes_text(values.axes)
