"""A warning for a term that nothing counts for."""

from __future__ import annotations

import warnings
from typing import Any

import keras
from keras import ops

from lossmith.model._ratios import TermLog


class WarnOfUncounted(keras.callbacks.Callback):
    """Warn once of each term whose count is 0 after a whole epoch or validation.

    Args:
        log: The sums and counts of the terms.
    """

    def __init__(self, log: TermLog) -> None:
        super().__init__()
        self._log = log

    def on_test_begin(self, logs: Any = None) -> None:
        """Look at the epoch, before its validation starts to count anew."""
        del logs
        self._look("the training data")

    def on_test_end(self, logs: Any = None) -> None:
        """Look at the validation."""
        del logs
        self._look("the validation data")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Look at the epoch, where it had no validation."""
        del epoch, logs
        self._look("the data of this epoch")

    def _look(self, data: str) -> None:
        if not float(ops.convert_to_numpy(self._log.batches.result())):
            return
        for metric in self._log.terms:
            counted = float(ops.convert_to_numpy(metric.count))
            if counted or metric.name in self._log.warned:
                continue
            self._log.warned.add(metric.name)
            warnings.warn(
                f"the term {metric.name!r} counted nothing in {data}: its value and its gradient "
                "are 0. Look at its mask, its lengths and its sample weights.",
                UserWarning,
                stacklevel=2,
            )
