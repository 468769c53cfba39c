"""The time loop: a cell, its head and its loss, a step at a time, nothing kept but the carry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from lossmith import backend
from lossmith.core.axes import Tensor
from lossmith.messages import ArgumentError
from lossmith.model.layers._steps import Clock, StepLoss, Steps


@dataclass(frozen=True, eq=False)
class Loop:
    """What runs at each step.

    Attributes:
        cell: From the input of a step and the states to an output and the new states.
        head: From the output to the prediction, or None.
        feedback: From the prediction to an input of the next step, or None.
        loss: The loss of a step.
        training: Whether dropout and scheduled sampling are at work.
        reverse: Whether the last step comes first.
    """

    cell: Any
    head: Any
    feedback: Any
    loss: StepLoss
    training: bool
    reverse: bool

    def run(  # noqa: PLR0913, PLR0917
        self,
        x: Tensor,
        y: Any,
        sample_weight: Any,
        states: list[Any],
        mask: Tensor | None,
        chance: Tensor | None,
        seed: Any,
    ) -> tuple[Tensor, Tensor, list[Any]]:
        """Run over all steps.

        Args:
            x: The inputs: (batch, steps, features).
            y: The targets, or a dict of fields.
            sample_weight: Weights, or None.
            states: The initial states of the cell.
            mask: Which steps are there: (batch, steps), or None.
            chance: How often an input is the fed-back prediction; None: never.
            seed: Where the coins for that come from.

        Returns:
            The sum and the count of the loss, and the final states.
        """
        steps = self.loss.split(y, sample_weight, x.shape[1])
        length = ops.shape(x)[1]
        slices = {
            "x": _time_major(x),
            "at": ops.arange(length, dtype="int32"),
            **{f"loss {source}": tensor for source, tensor in steps.varying.items()},
        }
        if mask is not None:
            slices["mask"] = _time_major(ops.cast(mask, "bool"))
        if chance is not None:
            slices["fed"] = _time_major(self._coins(x, mask, chance, seed))
        layers = [part for part in (self.cell, self.head, self.feedback) if part is not None]
        # A cell draws its dropout once for all steps: here, anew at each step from one seed, so
        # that it is the same when a step is computed again, after the call.
        seeds = [cell.seed_generator.state for cell in _dropout_cells(self.cell)]
        held = [(seed, _copy(seed)) for seed in seeds]
        variables = _Variables.of(layers)
        step = _Step(self, steps, length, states, variables, held, chance is not None)
        dtype = self.loss.dtype or "float32"
        zero = ops.zeros((), dtype=dtype)
        carry = {
            "sum": zero,
            "count": zero,
            "states": keras.tree.flatten(states),
            "moving": [_copy(v) for v in variables.moving],
            "fed": [ops.zeros_like(slices["x"][0])] if chance is not None else [],
        }
        carry = backend.fold(step, carry, slices, reverse=self.reverse)
        for variable, value in zip(variables.moving, carry["moving"], strict=True):
            variable.assign(value)
        final = keras.tree.pack_sequence_as(states, carry["states"])
        return carry["sum"], carry["count"], final

    def _coins(self, x: Tensor, mask: Tensor | None, chance: Tensor, seed: Any) -> Tensor:
        """Tell at which steps a sample's input is fed back: never before its first prediction."""
        shape = ops.shape(x)[:2]
        coins = keras.random.uniform(shape, seed=seed) < chance
        there = ops.ones_like(coins, dtype="int32") if mask is None else ops.cast(mask, "int32")
        before = ops.cumsum(ops.flip(there, axis=1) if self.reverse else there, axis=1)
        before = ops.flip(before, axis=1) if self.reverse else before
        return ops.logical_and(coins, before - there > 0)


@dataclass(frozen=True)
class _Variables:
    """The variables of layers: those that train, and those that steps change."""

    trained: list[Any]
    moving: list[Any]

    @classmethod
    def of(cls, layers: list[Any]) -> _Variables:
        trained = {id(v): v for layer in layers for v in layer.trainable_variables}
        every = {id(v): v for layer in layers for v in layer.variables}
        return cls(list(trained.values()), [v for key, v in every.items() if key not in trained])


@dataclass(frozen=True, eq=False)
class _Step:
    """One step as a function of the carry and the slices, computed again in the backward pass."""

    loop: Loop
    steps: Steps
    length: Any
    states: list[Any]
    variables: _Variables
    seeds: list[tuple[Any, Tensor]]
    feeds: bool

    def __call__(self, carry: dict[str, Any], now: dict[str, Tensor]) -> Any:
        weights = [ops.convert_to_tensor(v) for v in self.variables.trained]
        new = backend.recomputed(self._step, {"carry": carry, "now": now, "weights": weights})
        moved = new.pop("moved")
        kept = enumerate(carry["moving"])
        new["moving"] = [moved.get(str(place), value) for place, value in kept]
        return new

    def _step(self, given: dict[str, Any]) -> dict[str, Any]:
        carry, now = given["carry"], given["now"]
        pairs = [
            *zip(self.variables.trained, given["weights"], strict=True),
            *zip(self.variables.moving, carry["moving"], strict=True),
            *self.seeds,
        ]
        scope = keras.StatelessScope(pairs, collect_losses=True, initialize_variables=False)
        before = [scope.get_current_value(v) for v in self.variables.moving]
        with scope:
            new = self._stateless(carry, now)
        if scope.losses:
            raise ArgumentError(
                "a layer inside the time loop adds a loss of its own",
                got=f"{len(scope.losses)} from add_loss or activity_regularizer",
                expected="cell, head and feedback that add none at each step",
                fix="take activity_regularizer out; kernel_regularizer may stay",
            )
        after = [scope.get_current_value(v) for v in self.variables.moving]
        pairs = enumerate(zip(before, after, strict=True))
        return {**new, "moved": {str(place): b for place, (a, b) in pairs if a is not b}}

    def _stateless(self, carry: dict[str, Any], now: dict[str, Tensor]) -> dict[str, Any]:
        loop, mask = self.loop, now.get("mask")
        x = now["x"]
        if self.feeds:
            x = _where(now["fed"], carry["fed"][0], x)
        if mask is not None:
            x = _where(mask, x, ops.zeros_like(x))
        states = keras.tree.pack_sequence_as(self.states, carry["states"])
        _forget_dropout(loop.cell)
        output, states = loop.cell(x, states, training=loop.training)
        _forget_dropout(loop.cell)
        prediction = output
        if loop.head is not None:
            prediction = loop.head(output, training=loop.training)
        clock = Clock(loop.loss.axis, now["at"], self.length)
        slices = {key[5:]: value for key, value in now.items() if key.startswith("loss ")}
        ratio = loop.loss.ratio(self.steps, slices, prediction, mask, clock)
        count = ops.zeros_like(carry["count"]) if ratio.count is None else ratio.count
        return {
            "sum": carry["sum"] + ops.cast(ratio.sum, carry["sum"].dtype),
            "count": carry["count"] + ops.cast(count, carry["count"].dtype),
            "states": _held(mask, keras.tree.flatten(states), carry["states"]),
            "fed": _held(mask, [self._fed(prediction)] if self.feeds else [], carry["fed"]),
        }

    def _fed(self, prediction: Tensor) -> Tensor:
        feedback = self.loop.feedback
        if isinstance(feedback, keras.layers.Embedding):
            prediction = ops.argmax(prediction, axis=-1)
        return feedback(prediction, training=self.loop.training)


def _held(mask: Tensor | None, new: list[Tensor], old: list[Tensor]) -> list[Tensor]:
    """Return what was, where a step is left out."""
    cast = [ops.cast(n, o.dtype) for n, o in zip(new, old, strict=True)]
    if mask is None:
        return cast
    return [_where(mask, n, o) for n, o in zip(cast, old, strict=True)]


def _where(mask: Tensor, x: Tensor, other: Tensor) -> Tensor:
    """Choose by sample: `mask` is (batch,)."""
    rank = len(x.shape)
    mask = ops.expand_dims(mask, list(range(1, rank))) if rank > 1 else mask
    return ops.where(mask, x, ops.cast(other, x.dtype))


def _copy(variable: Any) -> Tensor:
    """Return the value as it is now: PyTorch assigns in place, before the backward pass."""
    return ops.copy(ops.convert_to_tensor(variable))


def _time_major(x: Tensor) -> Tensor:
    return ops.moveaxis(x, 1, 0)


def _forget_dropout(cell: Any) -> None:
    for inner in _dropout_cells(cell):
        inner.reset_dropout_mask()
        inner.reset_recurrent_dropout_mask()


def _dropout_cells(cell: Any) -> list[Any]:
    found = [cell] if hasattr(cell, "reset_dropout_mask") else []
    return [*found, *(c for inner in getattr(cell, "cells", ()) for c in _dropout_cells(inner))]
