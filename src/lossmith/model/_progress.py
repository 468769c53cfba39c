"""What moves during training: the step, the epoch, and the variables of factors."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from lossmith.core.axes import Tensor
from lossmith.core.kinds import Factor, Progress

PROGRESS = "lossmith_progress"
"""The name of the layer; no layer of a user is called so."""


@keras.saving.register_keras_serializable("lossmith")
class ProgressState(keras.layers.Layer):
    """The variables behind factors that move. They belong to the model, and are saved with it.

    Without such factors it has no variables.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.built = True
        self.held: dict[str, Any] = {}
        self.loaded: dict[str, Any] = {}

    def prepare(self, names: tuple[str, ...], factors: tuple[Any, ...]) -> None:
        """Make the variables of an objective; those of a term of the same name go on."""
        moving = {n: f for n, f in zip(names, factors, strict=True) if isinstance(f, Factor)}
        if moving and not hasattr(self, "step"):
            self.step = self._variable("step", 0.0, trainable=False)
            self.epoch = self._variable("epoch", -1.0, trainable=False)
        for name, factor in moving.items():
            if factor.holds and name not in self.held:
                full = f"{name}_{factor.holds}"
                self.held[name] = self._variable(full, factor.variable_start, trainable=True)
        for name, variable in self.held.items():
            variable.trainable = name in moving and moving[name].learns

    def _variable(self, name: str, start: float, *, trainable: bool) -> Any:
        variable = self.add_weight(
            name=name,
            shape=(),
            initializer=keras.initializers.Constant(start),
            dtype="float32",
            autocast=False,
            trainable=trainable,
            aggregation="none" if trainable else "only_first_replica",
        )
        if name in self.loaded:
            variable.assign(self.loaded.pop(name))
        return variable

    def save_own_variables(self, store: Any) -> None:
        """Write each variable under its name."""
        for variable in self.weights:
            store[variable.name] = ops.convert_to_numpy(variable)

    def load_own_variables(self, store: Any) -> None:
        """Read variables by their names; those of a loss that is compiled later are kept for it."""
        names = list(store.keys())
        self.loaded = {name: np.asarray(store[name]) for name in names}
        for variable in self.weights:
            if variable.name in self.loaded:
                variable.assign(self.loaded.pop(variable.name))

    def begin_step(self, batches: Tensor) -> None:
        """Count an epoch where no batch of it has been seen yet."""
        self.epoch.assign_add(ops.cast(ops.equal(batches, 0), "float32"))

    def end_step(self) -> None:
        """Count a step."""
        self.step.assign_add(1.0)

    def set(self, name: str, value: float) -> None:
        """Set the variable of a factor."""
        self.held[name].assign(value)

    def value(self, name: str) -> float:
        """Return the variable of a factor as it is now."""
        return float(ops.convert_to_numpy(self.held[name]))

    def progress(self, name: str) -> Progress:
        """Return how far the training is, for the factor of one term."""
        variable = self.held.get(name)
        return Progress(
            step=ops.convert_to_tensor(self.step),
            epoch=ops.maximum(ops.convert_to_tensor(self.epoch), 0.0),
            variable=None if variable is None else ops.convert_to_tensor(variable),
        )
