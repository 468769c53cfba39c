"""The places that raise where a training is looked into: NaN, maps, losses of samples."""

from collections.abc import Callable

import keras

import lossmith as lm
from tests.architecture.message_cases.build import compiled, zeros


def plain(**arguments):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)], name="mine")
    model.compile(**arguments)
    return model


def scalar_loss(y_true, y_pred):
    return keras.ops.mean((y_true - y_pred) ** 2)


def fitted(model, callback):
    model.fit(zeros(2, 2), zeros(2, 2), verbose=0, callbacks=[callback])


CASES: dict[str, Callable[[], object]] = {
    "blame-nan-path": lambda: fitted(
        compiled(lm.Loss("mse")), lm.callbacks.BlameNaN("no_directory_is_made_for_this.txt")
    ),
    "probe-batch-of-a-loss-without-positions": lambda: fitted(
        plain(loss=None, optimizer="sgd"),
        lm.callbacks.ProbeBatch(zeros(2, 2), zeros(2, 2), sinks=[]),
    ),
    "per-sample-of-a-scalar": lambda: lm.per_sample(
        plain(loss=scalar_loss), zeros(2, 2), zeros(2, 2)
    ),
    "per-sample-without-a-loss": lambda: lm.per_sample(plain(), zeros(2, 2), zeros(2, 2)),
    "per-sample-of-weights": lambda: lm.per_sample(
        compiled(lm.Loss("l2", of="weights:head/kernel")), zeros(2, 2), zeros(2, 2)
    ),
    "per-sample-of-unequal-arrays": lambda: lm.per_sample(
        compiled(lm.Loss("mse")), zeros(2, 2), zeros(3, 2)
    ),
}

ONE_BACKEND: dict[str, tuple[str, str]] = {}

NOT_RAISED: dict[str, str] = {}
