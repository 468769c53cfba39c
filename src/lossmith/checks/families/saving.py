"""Checks of saving: what comes back from a file is the same loss."""

# pyright: reportMissingParameterType=false
# ruff: noqa: ANN003, ANN204

from __future__ import annotations

import inspect
import json
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from lossmith.checks.inputs import Batch
from lossmith.checks.probe import Engine, LossRaised, Probe
from lossmith.checks.subject import as_subject
from lossmith.checks.unit import Case, check

_SKIPPED = ("self", "name", "dtype")
_MOST = 300  # characters of an error


@keras.saving.register_keras_serializable("lossmith.checks")
def _registered(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


def _unregistered(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


@keras.saving.register_keras_serializable("lossmith.checks")
class _Power(keras.losses.Loss):
    def __init__(self, power=2.0, **kwargs):
        super().__init__(**kwargs)
        self.power = power

    def call(self, y_true, y_pred):
        return ops.mean(ops.abs(y_true - y_pred) ** self.power, axis=-1)

    def get_config(self):
        return super().get_config() | {"power": self.power}


@keras.saving.register_keras_serializable("lossmith.checks")
class _Forgetful(keras.losses.Loss):
    def __init__(self, power=2.0, **kwargs):
        super().__init__(**kwargs)
        self.power = power

    def call(self, y_true, y_pred):
        return ops.mean(ops.abs(y_true - y_pred) ** self.power, axis=-1)


@check(
    "serialisation",
    "saving",
    accepts=(Case(_registered), Case(_Power())),
    rejects=(
        Case(_unregistered),
        Case(_Forgetful()),
        Case(lambda y_true, y_pred: ops.mean(ops.abs(y_true - y_pred), axis=-1)),
    ),
    mend="register it with @keras.saving.register_keras_serializable, and return every argument "
    "from get_config",
    promise="serialise",
    rules=("LSM401", "LSM402"),
)
def serialisation(probe: Probe) -> None:
    """A loss that is saved with its model is the same loss when it is loaded.

    Its config goes through JSON and is loaded in safe mode, as from a `.keras` file; a compiled
    model goes through such a file. A loss of a class is then made once more with other numbers and
    loaded: arguments that are not saved come back at their defaults.
    """
    batch, loss = probe.batch(), probe.subject.saved
    reload = _through_file if isinstance(loss, keras.Model) else _through_json
    _hold(probe, batch, "saved and loaded", loss, reload)
    if isinstance(loss, keras.losses.Loss):
        for text, other in _others(loss, batch):
            _hold(probe, batch, f"made with {text}, saved and loaded", other, reload)


def _hold(probe: Probe, batch: Batch, what: str, loss: Any, reload: Callable[[Any], Any]) -> None:
    """Hold a loss to be the same after it was loaded, or its loading to raise nothing."""
    loaded, error = None, ""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            loaded = reload(loss)
        except Exception as raised:  # noqa: BLE001 - whatever stops it from being loaded
            error = f"{type(raised).__name__}: {raised}"[:_MOST]
    probe.holds(fact=not error, what=what, got=error, expected="the same loss", batch=batch)
    if loaded is not None:
        probe.close(_value(loaded, batch), _value(loss, batch), what=what, batch=batch)


def _through_file(model: keras.Model) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        return keras.saving.load_model(path, safe_mode=True)


def _through_json(loss: Any) -> Any:
    """Return a loss as it comes out of a `.keras` file, without the file.

    The record is put together here: Keras' own function imports TensorFlow where it is installed,
    which takes longer than all checks.
    """
    record = json.loads(json.dumps(_record(loss)))
    return keras.saving.deserialize_keras_object(record, safe_mode=True)


def _record(loss: Any) -> dict[str, Any]:
    if not isinstance(loss, keras.losses.Loss):
        name = keras.saving.get_registered_name(loss)
        kind = "__lambda__" if loss.__name__ == "<lambda>" else "function"
        config: Any = {"value": ""} if kind == "__lambda__" else name
        return {"module": "builtins", "class_name": kind, "config": config, "registered_name": name}
    code = type(loss)
    ours = code.__module__.startswith("keras.")
    return {
        "module": "keras.losses" if ours else code.__module__,
        "class_name": code.__name__,
        "config": keras.saving.serialize_keras_object(loss.get_config()),
        "registered_name": None if ours else keras.saving.get_registered_name(code),
    }


def _value(loss: Any, batch: Batch) -> np.ndarray:
    return Engine(as_subject(loss), "eager").value(batch, scalar=True)


def _others(loss: keras.losses.Loss, batch: Batch) -> Iterator[tuple[str, Any]]:
    """Make the loss anew with other numbers: all at once, or else one by one."""
    given = _arguments(loss)
    other = {name: _another(value) for name, value in given.items()}
    changes = {name: value for name, value in other.items() if value is not None}
    for change in (changes, *({name: value} for name, value in changes.items())):
        made = _made(type(loss), {**given, **change}, batch) if change else None
        if made is not None:
            yield ", ".join(f"{name}={value!r}" for name, value in change.items()), made
            if change is changes:
                return


def _arguments(loss: keras.losses.Loss) -> dict[str, Any]:
    """Return the arguments of its class: as they are where attributes tell, or their defaults."""
    parameters = inspect.signature(type(loss)).parameters
    found = {
        name: getattr(loss, name, parameter.default)
        for name, parameter in parameters.items()
        if name not in _SKIPPED and parameter.kind is not parameter.VAR_POSITIONAL
    }
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        found["reduction"] = loss.reduction
    return {name: value for name, value in found.items() if value is not inspect.Parameter.empty}


def _another(value: Any) -> Any:
    """Return another value of the same kind; None where none is as good."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, float):
        return 0.75 * value or 0.25
    return {"sum_over_batch_size": "sum", "mean": "sum", "sum": "mean"}.get(value)


def _made(kind: type, arguments: dict[str, Any], batch: Batch) -> Any:
    """Make a loss; None where the arguments do not suit it."""
    try:
        made = kind(**arguments)
        return made if np.all(np.isfinite(_value(made, batch))) else None
    except (TypeError, ValueError, LossRaised):
        return None
