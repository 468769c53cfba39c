"""A callback that balances the factors of terms."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np

from lossmith.core.part import number
from lossmith.messages import ArgumentError, listed

__all__ = ["SoftAdapt"]


class SoftAdapt(keras.callbacks.Callback):
    """Balance terms by how fast each is learned: one that falls slower gets a larger factor.

    At the end of an epoch the factors become `total * softmax(beta * slope)`, where `slope` is
    the change of each term's epoch value, divided by the sum of the magnitudes of all changes,
    and `total` is the sum of the factors before the training. It balances all terms whose factor is
    an `lm.schedules.Settable`, from the second epoch on, and leaves the factors as they are
    after an epoch in which a term is not finite or none changes.

    Args:
        beta: How strongly to react; 0 makes all factors equal, and a negative one favours the
            terms that fall fastest.

    Raises:
        ArgumentError: If `beta` is not finite. When training begins, if the model has fewer than
            two terms with a settable factor.

    Example:
        >>> import keras, numpy as np, lossmith as lm
        >>> x = keras.Input((3,))
        >>> model = lm.Model(x, {n: keras.layers.Dense(1, name=n)(x) for n in ("a", "b")})
        >>> a, b = (lm.Loss("mse", "b 1, b 1", of=(f"y:{n}", f"output:{n}"), name=n) for n in "ab")
        >>> model.compile("sgd", lm.schedules.Settable() * a + lm.schedules.Settable() * b)
        >>> y = {"a": np.ones((4, 1)), "b": np.zeros((4, 1))}
        >>> balance = lm.callbacks.SoftAdapt(beta=1.0)
        >>> _ = model.fit(np.ones((4, 3)), y, epochs=3, verbose=0, callbacks=[balance])
        >>> round(sum(model.settable_factors.values()), 5)
        2.0

    References:
        Heydari et al., "SoftAdapt: Techniques for Adaptive Loss Weighting of Neural Networks with
        Multi-Part Loss Functions", 2019 (the normalised form, with the sum of the factors kept).
    """

    def __init__(self, beta: float = 0.1) -> None:
        super().__init__()
        self._beta = number(beta, "beta")
        self._before: Any = None
        self._total = 0.0

    def on_train_begin(self, logs: Any = None) -> None:
        """Find the terms to balance."""
        del logs
        factors = getattr(self.model, "settable_factors", {})
        if len(factors) < 2:  # noqa: PLR2004 - a balance needs two
            raise ArgumentError(
                "there is nothing to balance",
                got=f"settable factors of: {listed(factors)}",
                expected="at least two",
                fix="compile lm.schedules.Settable() * a + lm.schedules.Settable() * b into an "
                "lm.Model",
            )
        self._before = None
        self._total = sum(factors.values())

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Set the factors by the changes since the epoch before."""
        del epoch
        names = list(self.model.settable_factors)
        now = np.array([float(logs[name]) for name in names])
        before, self._before = self._before, now
        if before is None:
            return
        change = now - before
        size = float(np.sum(np.abs(change)))
        if not math.isfinite(size) or size == 0.0:
            return
        scaled = np.exp(self._beta * (change - change.max()) / size)
        for name, share in zip(names, scaled / np.sum(scaled), strict=True):
            self.model.set_factor(name, float(self._total * share))
