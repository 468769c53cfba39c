"""The places that raise where several processes train together."""

from collections.abc import Callable

import keras

import lossmith as lm
from tests.architecture.message_cases.build import compiled

_TORCH = "on JAX and TensorFlow it is the first message"

CASES: dict[str, Callable[[], object]] = {
    "distribute-another-backend": lambda: lm.distribute.sync_gradients(compiled(lm.Loss("mse"))),
    "distribute-not-compiled": lambda: lm.distribute.sync_gradients(keras.Sequential()),
    "distribute-alone": lambda: lm.distribute.sync_gradients(compiled(lm.Loss("mse"))),
}

ONE_BACKEND: dict[str, tuple[str, str]] = {
    "distribute-another-backend": ("jax", "it names the backend"),
    "distribute-not-compiled": ("torch", _TORCH),
    "distribute-alone": ("torch", _TORCH),
}

NOT_RAISED: dict[str, str] = {
    "distribute.py::sync_gradients": "it asks for the backend first; cased on two of them",
}
