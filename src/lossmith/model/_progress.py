"""What moves during training: the step, the epoch, and the variables of learned factors."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from lossmith.core.axes import Tensor
from lossmith.core.kinds import Factor, Progress


@keras.saving.register_keras_serializable("lossmith")
class ProgressState(keras.layers.Layer):
    """The variables behind factors that move. They belong to the model, and are saved with it.

    Without such factors it has no variables.
    """

    def prepare(self, names: tuple[str, ...], factors: tuple[Any, ...]) -> None:
        """Make the variables of an objective; those of a term of the same name go on."""
        moving = {n: f for n, f in zip(names, factors, strict=True) if isinstance(f, Factor)}
        learned = self.__dict__.setdefault("learned", {})
        if moving and not hasattr(self, "step"):
            self.step = self._counter("step", 0.0)
            self.epoch = self._counter("epoch", -1.0)
        for name, factor in moving.items():
            if factor.learns and name not in learned:
                learned[name] = self.add_weight(
                    name=f"{name}_log_variance",
                    shape=(),
                    initializer=keras.initializers.Constant(factor.variable_start),
                    dtype="float32",
                    autocast=False,
                )
        for name, variable in learned.items():
            variable.trainable = name in moving and moving[name].learns
        self.built = True

    def _counter(self, name: str, start: float) -> Any:
        return self.add_weight(
            name=name,
            shape=(),
            initializer=keras.initializers.Constant(start),
            dtype="float32",
            autocast=False,
            trainable=False,
            aggregation="only_first_replica",
        )

    def begin_step(self, batches: Tensor) -> None:
        """Count an epoch where no batch of it has been seen yet."""
        self.epoch.assign_add(ops.cast(ops.equal(batches, 0), "float32"))

    def end_step(self) -> None:
        """Count a step."""
        self.step.assign_add(1.0)

    def progress(self, name: str) -> Progress:
        """Return how far the training is, for the factor of one term."""
        variable = self.__dict__["learned"].get(name)
        return Progress(
            step=ops.convert_to_tensor(self.step),
            epoch=ops.maximum(ops.convert_to_tensor(self.epoch), 0.0),
            variable=None if variable is None else ops.convert_to_tensor(variable),
        )
