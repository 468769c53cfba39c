"""The places that raise in taps, the statistics of a model, and LossMonitor."""

from collections.abc import Callable
from typing import Any, cast
from unittest import mock

import keras
import numpy as np
from keras import ops

import lossmith as lm


def ones(*shape: int) -> np.ndarray:
    return np.ones(shape, "float32")


def tap_in_a_loop():
    with lm.recording():
        ops.vectorized_map(lambda row: lm.tap("gap", row), ops.ones((2, 3)))


def tap_with_a_mask_of_other_axes():
    with lm.recording():
        lm.tap("gap", ops.ones((2, 3)), mask=np.ones((3,), bool))


def tap_not_in_a_recording():
    with lm.recording() as taps:
        lm.tap("hidden", ops.ones(1))
    return taps["gap"]


def compiled(**arguments: Any) -> Any:
    x = keras.Input((2,))
    model = lm.Model(x, lm.tap("hidden", keras.layers.Dense(2)(x)))
    model.compile("sgd", **arguments)
    return model


def tap_that_is_not_there():
    model = compiled(loss=lm.Loss("mse"), taps=["hiden"])
    model.train_on_batch(ones(2, 2), ones(2, 2))


def summary_with_replicas():
    model = compiled(loss=lm.Loss("mse"), taps={"hidden": "summary"})
    with mock.patch.object(lm.backend, "replicas", return_value=2):
        model.train_on_batch(ones(2, 2), ones(2, 2))


def gradients_without_terms():
    monitor = lm.callbacks.LossMonitor(gradients=(ones(2, 2), ones(2, 2)))
    x = keras.Input((2,))
    model = keras.Model(x, x, name="plain")
    model.compile("sgd", "mse")
    model.fit(ones(2, 2), ones(2, 2), verbose=0, callbacks=[monitor])


CASES: dict[str, Callable[[], object]] = {
    "tap-without-a-name": lambda: lm.tap("", ones(2)),
    "tap-in-a-loop": tap_in_a_loop,
    "tap-mask-of-other-axes": tap_with_a_mask_of_other_axes,
    "tap-not-in-a-recording": tap_not_in_a_recording,
    "tap-not-in-a-model": tap_that_is_not_there,
    "tap-summary-with-replicas": summary_with_replicas,
    "tap-levels": lambda: compiled(loss="mse", taps={"hidden": "median"}),
    "model-terms-without-a-loss": lambda: compiled(loss="mse").term_gradients(ones(2, 2), None),
    "monitor-sinks": lambda: lm.callbacks.LossMonitor(cast("Any", ["runs/1"])),
    "monitor-gradients": lambda: lm.callbacks.LossMonitor(gradients=cast("Any", [ones(2, 2)])),
    "monitor-gradients-without-terms": gradients_without_terms,
}

ONE_BACKEND: dict[str, tuple[str, str]] = {
    "tap-in-a-loop": ("jax", "TensorFlow's AutoGraph puts an error of its own around it"),
}

NOT_RAISED: dict[str, str] = {
    "core/taps.py::Recording._hold_place": "cased on one backend, tested on all",
}
