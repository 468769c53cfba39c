"""Losses for Keras 3: build, check, look, run.

`import lossmith` imports neither Keras nor a backend: names are loaded when they are used. Where
Keras is there already, it is told where to find the classes of saved models.
"""

import importlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lossmith import callbacks as callbacks
    from lossmith import testing as testing
    from lossmith.checks import Promises as Promises
    from lossmith.checks import check as check
    from lossmith.checks import promises as promises
    from lossmith.core import ops as ops
    from lossmith.losses import Loss as Loss
    from lossmith.losses import Objective as Objective
    from lossmith.losses import loss as loss
    from lossmith.messages import LossmithError as LossmithError
    from lossmith.model import Model as Model
    from lossmith.model import ModelMixin as ModelMixin
    from lossmith.model import layers as layers
    from lossmith.parts import adjust as adjust
    from lossmith.parts import errors as errors
    from lossmith.parts import masks as masks
    from lossmith.parts import schedules as schedules
    from lossmith.parts import select as select
    from lossmith.parts import weights as weights

__version__ = "0.1.0.dev0"

_PLACES = {
    "Loss": "lossmith.losses",
    "LossmithError": "lossmith.messages",
    "Model": "lossmith.model",
    "ModelMixin": "lossmith.model",
    "Objective": "lossmith.losses",
    "Promises": "lossmith.checks",
    "adjust": "lossmith.parts.adjust",
    "check": "lossmith.checks",
    "callbacks": "lossmith.callbacks",
    "errors": "lossmith.parts.errors",
    "layers": "lossmith.model.layers",
    "loss": "lossmith.losses",
    "masks": "lossmith.parts.masks",
    "ops": "lossmith.core.ops",
    "promises": "lossmith.checks",
    "schedules": "lossmith.parts.schedules",
    "select": "lossmith.parts.select",
    "testing": "lossmith.testing",
    "weights": "lossmith.parts.weights",
}

# What stands at the top of saved files; the parts inside come with their losses.
_SAVED = {
    "lossmith.losses": ("Loss", "Objective"),
    "lossmith.model": ("Model",),
    "lossmith.model.layers": ("LossEndpoint", "StepLossRNN"),
}

__all__ = [
    "Loss",
    "LossmithError",
    "Model",
    "ModelMixin",
    "Objective",
    "Promises",
    "__version__",
    "adjust",
    "callbacks",
    "check",
    "errors",
    "layers",
    "loss",
    "masks",
    "ops",
    "promises",
    "schedules",
    "select",
    "testing",
    "weights",
]


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used."""
    if name not in _PLACES:
        raise AttributeError(f"module 'lossmith' has no attribute {name!r}")
    module = importlib.import_module(_PLACES[name])
    found = module if _PLACES[name].endswith(f".{name}") else getattr(module, name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)


class _Deferred:
    """Stands where Keras looks for a class of a saved model, and loads it when it is asked for."""

    def __init__(self, module: str, name: str) -> None:
        self._module, self._name = module, name

    def from_config(self, *args: Any, **kwargs: Any) -> Any:
        cls = getattr(importlib.import_module(self._module), self._name)
        return cls.from_config(*args, **kwargs)


if "keras" in sys.modules:
    _known = sys.modules["keras"].saving.get_custom_objects()
    for _module, _names in _SAVED.items():
        for _name in _names:
            _known.setdefault(f"lossmith>{_name}", _Deferred(_module, _name))
