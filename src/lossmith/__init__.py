"""Losses for Keras 3: build, check, look, run.

`import lossmith` imports neither Keras nor a backend: names are loaded when they are used. Where
Keras is there already, it is told where to find the classes of saved models.
"""

import importlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lossmith import callbacks as callbacks
    from lossmith import data as data
    from lossmith import distribute as distribute
    from lossmith import metrics as metrics
    from lossmith import testing as testing
    from lossmith.checks import Promises as Promises
    from lossmith.checks import check as check
    from lossmith.checks import promises as promises
    from lossmith.core import ops as ops
    from lossmith.core.paths import decode as decode
    from lossmith.core.taps import recording as recording
    from lossmith.core.taps import tap as tap
    from lossmith.look import sinks as sinks
    from lossmith.look.inside import explain as explain
    from lossmith.look.samples import per_sample as per_sample
    from lossmith.look.switching import simplify as simplify
    from lossmith.losses import CTC as CTC
    from lossmith.losses import DILATE as DILATE
    from lossmith.losses import LinearCrossEntropy as LinearCrossEntropy
    from lossmith.losses import Loss as Loss
    from lossmith.losses import Objective as Objective
    from lossmith.losses import SoftDTW as SoftDTW
    from lossmith.losses import Transducer as Transducer
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
    "CTC": "lossmith.losses",
    "DILATE": "lossmith.losses",
    "LinearCrossEntropy": "lossmith.losses",
    "Loss": "lossmith.losses",
    "LossmithError": "lossmith.messages",
    "Model": "lossmith.model",
    "ModelMixin": "lossmith.model",
    "Objective": "lossmith.losses",
    "Promises": "lossmith.checks",
    "SoftDTW": "lossmith.losses",
    "Transducer": "lossmith.losses",
    "adjust": "lossmith.parts.adjust",
    "check": "lossmith.checks",
    "callbacks": "lossmith.callbacks",
    "data": "lossmith.data",
    "decode": "lossmith.core.paths.decode",
    "distribute": "lossmith.distribute",
    "errors": "lossmith.parts.errors",
    "explain": "lossmith.look.inside",
    "layers": "lossmith.model.layers",
    "loss": "lossmith.losses",
    "masks": "lossmith.parts.masks",
    "metrics": "lossmith.metrics",
    "ops": "lossmith.core.ops",
    "per_sample": "lossmith.look.samples",
    "promises": "lossmith.checks",
    "recording": "lossmith.core.taps",
    "schedules": "lossmith.parts.schedules",
    "select": "lossmith.parts.select",
    "simplify": "lossmith.look.switching",
    "sinks": "lossmith.look.sinks",
    "tap": "lossmith.core.taps",
    "testing": "lossmith.testing",
    "weights": "lossmith.parts.weights",
}

# What stands at the top of saved files; the parts inside come with their losses.
_SAVED = {
    "lossmith.core.taps": ("Tap",),
    "lossmith.losses": (
        "CTC",
        "DILATE",
        "LinearCrossEntropy",
        "Loss",
        "Objective",
        "SoftDTW",
        "Transducer",
    ),
    "lossmith.metrics": ("LabelErrorRate", "SequenceErrorRate"),
    "lossmith.model": ("Model",),
    "lossmith.model.layers": ("LossEndpoint", "StepLossRNN"),
}

__all__ = [
    "CTC",
    "DILATE",
    "LinearCrossEntropy",
    "Loss",
    "LossmithError",
    "Model",
    "ModelMixin",
    "Objective",
    "Promises",
    "SoftDTW",
    "Transducer",
    "__version__",
    "adjust",
    "callbacks",
    "check",
    "data",
    "decode",
    "distribute",
    "errors",
    "explain",
    "layers",
    "loss",
    "masks",
    "metrics",
    "ops",
    "per_sample",
    "promises",
    "recording",
    "schedules",
    "select",
    "simplify",
    "sinks",
    "tap",
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
