"""From a part and one of its examples to a loss, by the part's kind alone."""

from typing import Any

import keras
import numpy as np
import pytest

import lossmith as lm
from lossmith.core.part import PARTS, Example, Part

# The argument of `lm.Loss` that takes parts of each kind.
ARGUMENTS = {"masks": "mask", "weights": "weights", "select": "select", "adjust": "adjust"}
KINDS = {kind: getattr(lm, kind) for kind in ("errors", "schedules", *ARGUMENTS)}

ALL = [
    pytest.param(cls, example, id=f"{name}-{place}")
    for name, cls in sorted(PARTS.items())
    for place, example in enumerate(cls.EXAMPLES)
]
# Factors of terms stand in a sum of losses, not inside a loss.
CASES = [case for case in ALL if case.values[0].kind != "schedules"]
FACTORS = [case for case in ALL if case.values[0].kind == "schedules"]


def loss_of(cls: type[Part], example: Example, **arguments: Any) -> lm.Loss:
    """The loss that an example is about."""
    part = cls(**example.config)
    if cls.kind != "errors":
        return lm.Loss(example.error, example.axes, **{ARGUMENTS[cls.kind]: part}, **arguments)
    of = "output" if part.arity == 1 else ("y", "output")
    return lm.Loss(part, example.axes, of=of, **arguments)


def prediction_of(example: Example) -> Any:
    """The prediction of an example, with Keras' mask where the example says so."""
    y_pred = keras.ops.convert_to_tensor(np.asarray(example.y_pred, "float32"))
    return keras.layers.Masking()(y_pred) if example.masking else y_pred
