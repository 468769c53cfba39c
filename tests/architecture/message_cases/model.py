"""The places that raise in the forms of a model, and in what it holds for its terms."""

from collections.abc import Callable

import keras

import lossmith as lm
from tests.architecture.message_cases.build import compiled, zeros

MOVING = lm.schedules.Settable() * lm.Loss("mse", name="a") + lm.Loss("mse", name="b")


def mixin_stands_last():
    type("Mine", (keras.Model, lm.ModelMixin), {})


CASES: dict[str, Callable[[], object]] = {
    "model-mixin-last": mixin_stands_last,
    "model-taken-over-without-inputs": lambda: lm.Model(
        keras.Sequential([keras.layers.Dense(2)], name="mine")
    ),
    "model-factor-not-settable": lambda: compiled(MOVING).set_factor("b", 0.5),
    "model-nothing-to-balance": lambda: compiled(MOVING).fit(
        zeros(2, 2), zeros(2, 2), verbose=0, callbacks=[lm.callbacks.SoftAdapt()]
    ),
    "model-class-weight": lambda: compiled(lm.Loss("mse")).fit(
        zeros(2, 2), zeros(2, 2), class_weight={0: 0.2, 1: 0.8}
    ),
    "model-accumulation": lambda: compiled(
        lm.Loss("mse", mask=lm.masks.Finite()),
        optimizer=keras.optimizers.SGD(gradient_accumulation_steps=4),
    ).train_on_batch(zeros(2, 2), zeros(2, 2)),
    "keras-loss-ctc": lambda: lm.Loss("ctc"),
    "mask-lengths-over-steps": lambda: lm.Loss(
        "mse", "b t, b t", mask=lm.masks.Lengths("y:lengths")
    )({"y": zeros(2, 3), "lengths": zeros(2, 3)}, zeros(2, 3)),
    "mask-sample-weight-of-another-target": lambda: lm.Loss(
        "mse", "b, b", of=("y:b", "output"), mask=lm.masks.SampleWeight()
    )({"a": zeros(2), "b": zeros(2)}, zeros(2), {"a": zeros(2)}),
    "source-is-several-tensors": lambda: lm.Loss("mse", "b, b")({"y": {"y": zeros(2)}}, zeros(2)),
}

ONE_BACKEND: dict[str, tuple[str, str]] = {}

NOT_RAISED: dict[str, str] = {}
