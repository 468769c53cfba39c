"""The loss of each sample where plain Keras holds the losses: one, a list, or a dict of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from lossmith import backend
from lossmith.core.axes import Tensor
from lossmith.messages import ArgumentError

Array = Any


class _Called(keras.losses.Loss):
    """A function as a loss, in the way in which `compile` takes it."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(name=getattr(function, "__name__", None))
        self._function = function

    def call(self, y_true: Any, y_pred: Any) -> Tensor:
        return self._function(*_of_one_rank(y_true, y_pred))


def losses_of_outputs(model: Any, y: Any, y_pred: Any, sample_weight: Any) -> dict[str, Any]:
    """Return what is compiled for each output: `(loss, y, y_pred, sample_weight)` by its name.

    Raises:
        ArgumentError: If nothing is compiled.
    """
    if not model.compiled or model.loss is None:
        raise ArgumentError(
            "no loss is compiled",
            got=f"{type(model).__name__} {model.name!r} without one",
            expected="a model whose compile was given a loss",
            fix='model.compile(loss="mse")',
        )
    if len(keras.tree.flatten(y_pred)) == 1:
        loss, *given = (_only(part) for part in (model.loss, y, y_pred, sample_weight))
        return {"loss": (_loss(loss), *given)}
    outputs = _by_name(model, y_pred)
    losses, targets, weights = (_by_name(model, part) for part in (model.loss, y, sample_weight))
    return {
        f"{name}_loss": (_loss(losses[name]), targets[name], output, weights.get(name))
        for name, output in outputs.items()
        if losses.get(name) is not None
    }


def factors_of_outputs(model: Any) -> dict[str, float]:
    """Return the `loss_weights` that are compiled, by the names of the outputs' losses."""
    given = model.get_compile_config()["loss_weights"]
    return {f"{name}_loss": factor for name, factor in _by_name(model, given).items()}


def losses_of_samples(loss: Any, y: Any, y_pred: Any, sample_weight: Any) -> Array:
    """Return the loss of each sample by a loss of Keras.

    Raises:
        ArgumentError: If it returns one number for the whole batch.
    """
    found = loss.call(_cast(y, loss.dtype), _cast(y_pred, loss.dtype))
    if len(found.shape) == 0:
        raise ArgumentError(
            "a loss that returns one number for a batch does not say those of its samples",
            got=f"a number from {loss.name!r}",
            expected="a value for each sample",
            fix="return keras.ops.mean(error, axis=-1) instead of keras.ops.mean(error)",
        )
    values = backend.to_numpy(found).astype(np.float64)
    masks = [backend.keras_mask(y_pred), backend.keras_mask(found)]
    counted = _product(masks, values)
    weight = _product([sample_weight], values)
    total = _each(values * counted * weight)
    if loss.reduction == "sum":
        return total
    count = _each(counted * weight if loss.reduction == "mean_with_sample_weight" else counted)
    return np.divide(total, count, out=np.zeros_like(total), where=count != 0)


def _loss(given: Any) -> Any:
    """Return a loss as `compile` makes one of a name or a function."""
    found = keras.losses.get(given) if isinstance(given, str) else given
    return found if isinstance(found, keras.losses.Loss) else _Called(found)


def _only(given: Any) -> Any:
    """Take the one tensor, or the one loss, out of its structure."""
    return given if given is None else keras.tree.flatten(given)[0]


def _by_name(model: Any, given: Any) -> dict[str, Any]:
    """Return what is given for each output by its name; one for all stands for each."""
    if given is None:
        return {}
    if isinstance(given, Mapping):
        return dict(given)
    names = getattr(model, "output_names", None)
    if isinstance(given, (list, tuple)):
        return dict(zip(names or map(str, range(len(given))), given, strict=True))
    return dict.fromkeys(names or (), given)


def _cast(given: Any, dtype: str) -> Any:
    return keras.tree.map_structure(lambda x: ops.convert_to_tensor(x, dtype=dtype), given)


def _of_one_rank(y_true: Tensor, y_pred: Tensor) -> tuple[Tensor, Tensor]:
    """Give a last axis of length one to the tensor that lacks it, or take it away, as Keras."""
    more = len(y_true.shape) - len(y_pred.shape)
    if more == 1 and y_true.shape[-1] == 1:
        y_pred, y_true = _of_one_rank(y_pred, y_true)
    elif more == -1 and y_pred.shape[-1] == 1:
        if len(y_true.shape) == 1:
            return ops.expand_dims(y_true, -1), y_pred
        return y_true, ops.squeeze(y_pred, -1)
    return y_true, y_pred


def _product(factors: list[Any], values: Array) -> Array:
    """Multiply factors over the leading axes of the values."""
    product = np.ones(values.shape)
    for factor in factors:
        if factor is not None:
            array = backend.to_numpy(ops.convert_to_tensor(factor))
            if array.ndim > values.ndim and array.shape[-1] == 1:
                array = array[..., 0]
            product *= array.reshape(array.shape + (1,) * (values.ndim - array.ndim))
    return product


def _each(values: Array) -> Array:
    return values.reshape(len(values), -1).sum(axis=1)
