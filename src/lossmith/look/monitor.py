"""A callback that writes down what a loss is made of, epoch by epoch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras

from lossmith.look.sinks import Sink
from lossmith.messages import ArgumentError

Logs = dict[str, float]


class LossMonitor(keras.callbacks.Callback):
    """Log the terms of a loss with their counts, factors, taps and gradients.

    After each epoch `logs`, and so the history and every callback that comes later, have besides
    what Keras and `lm.Model` log: `count/<term>`, what the term divided by in the whole epoch,
    `val_count/<term>` for its validation, and `gradient/<term>`, how strongly the term pulls at
    the outputs of the model. The sinks get these logs, `factor/<term>`, and the histograms of taps.

    Args:
        sinks: Where the values go: `lm.sinks.JsonLines(...)`, `lm.sinks.TensorBoard(...)`,
            `lm.sinks.Table()`, or a class of your own.
        gradients: A batch on which to take the gradients, `(x, y)` or `(x, y, sample_weight)`,
            the same one each time; none are taken without it.

    Raises:
        ArgumentError: If a sink is none, or the batch is not two or three things. When training
            begins, if gradients are asked for and no loss of lossmith is compiled.

    Example:
        >>> import keras, numpy as np, lossmith as lm
        >>> x = keras.Input((2,))
        >>> model = lm.Model(x, keras.layers.Dense(2, kernel_initializer="zeros")(x))
        >>> model.compile("sgd", lm.Loss("mse") + 0.5 * lm.Loss("l1", of="output"))
        >>> data = np.ones((4, 2)), np.ones((4, 2))
        >>> monitor = lm.callbacks.LossMonitor(gradients=data)
        >>> history = model.fit(*data, verbose=0, callbacks=[monitor]).history
        >>> sorted(history)
        ['count/l1', 'count/mse', 'gradient/l1', 'gradient/mse', 'l1', 'loss', 'mse']
        >>> history["count/mse"]
        [8.0]
    """

    def __init__(
        self, sinks: Iterable[Sink] = (), gradients: tuple[Any, ...] | None = None
    ) -> None:
        super().__init__()
        self._sinks = [_sink(sink) for sink in sinks]
        self._batch = None if gradients is None else _batch(gradients)
        self._counts: Logs = {}
        self._histograms: dict[str, Any] = {}

    def on_train_begin(self, logs: Any = None) -> None:
        """Hold the model to what is asked of it."""
        del logs
        if self._batch is not None and not getattr(self.model, "term_counts", {}):
            raise ArgumentError(
                "only an lm.Model with a loss of lossmith has gradients of terms",
                got=f"the model {self.model.name!r}",
                expected="an lm.Model that is compiled with an lm.Loss, or a sum of them",
                fix="lm.callbacks.LossMonitor() without gradients",
            )

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Forget the epoch before."""
        del epoch, logs
        self._counts, self._histograms = {}, {}

    def on_test_begin(self, logs: Any = None) -> None:
        """Read the epoch, before its validation starts to count anew."""
        del logs
        self._read("")

    def on_test_end(self, logs: Any = None) -> None:
        """Read the validation."""
        del logs
        self._read("val_")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Complete the logs, and hand everything to the sinks."""
        if not self._counts and not self._histograms:
            self._read("")
        logs = {} if logs is None else logs
        logs.update(self._counts)
        if self._batch is not None:
            norms = self.model.term_gradients(*self._batch)
            logs.update({f"gradient/{name}": norm for name, norm in norms.items()})
        factors = getattr(self.model, "term_factors", {})
        everything = {**logs, **{f"factor/{name}": factor for name, factor in factors.items()}}
        for sink in self._sinks:
            sink.epoch(epoch, everything)
            for name, (counts, edges) in self._histograms.items():
                sink.histogram(epoch, name, counts, edges)

    def on_train_end(self, logs: Any = None) -> None:
        """Close the sinks."""
        del logs
        for sink in self._sinks:
            sink.close()

    def _read(self, prefix: str) -> None:
        counts = getattr(self.model, "term_counts", {})
        histograms = getattr(self.model, "tap_histograms", {})
        self._counts |= {f"{prefix}count/{name}": count for name, count in counts.items()}
        self._histograms |= {f"{prefix}tap/{name}": found for name, found in histograms.items()}


def _sink(given: Any) -> Sink:
    if isinstance(given, Sink):
        return given
    raise ArgumentError(
        "a sink of LossMonitor takes no epochs",
        got=f"{given!r} among the sinks",
        expected="objects of lm.sinks, or of a class that inherits from lm.sinks.Sink",
        fix="LossMonitor(sinks=[lm.sinks.Table()])",
    )


def _batch(given: Any) -> tuple[Any, ...]:
    if isinstance(given, tuple) and len(given) in (2, 3):  # type: ignore[reportUnknownArgumentType]
        return given  # type: ignore[reportUnknownVariableType]
    raise ArgumentError(
        "the gradients of terms are taken on one batch",
        got=f"gradients={type(given).__name__}",
        expected="a tuple (x, y) or (x, y, sample_weight)",
        fix="LossMonitor(gradients=(x[:32], y[:32]))",
    )
