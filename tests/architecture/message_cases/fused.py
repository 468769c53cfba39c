"""The places that raise in the fused linear cross-entropy."""

from collections.abc import Callable

import keras
import numpy as np

import lossmith as lm
from tests.architecture.message_cases.build import zeros

LABELS = np.zeros((2, 3), "int32")


def fused(hidden=(2, 3, 4), kernel=(4, 5), labels=LABELS, **config):
    return lm.ops.linear_cross_entropy(zeros(*hidden), zeros(*kernel), labels, **config)


def model(loss, labels=LABELS, **config):
    x = keras.Input((3, 4), name="x")
    made = lm.Model(x, keras.layers.Dense(5, name="lm_head", **config)(x))
    made.compile(loss=loss)
    made.evaluate(zeros(2, 3, 4), labels, verbose=0)


CASES: dict[str, Callable[[], object]] = {
    "fused-reduce": lambda: fused(reduce="weighted_mean"),
    "fused-chunk-size": lambda: fused(chunk_size=0),
    "fused-chunk-size-of-the-loss": lambda: lm.LinearCrossEntropy("lm_head", chunk_size=0.5),
    "fused-feature-sizes": lambda: fused(kernel=(5, 4)),
    "fused-bias": lambda: fused(bias=zeros(4)),
    "fused-mask-of-other-tokens": lambda: fused(mask=np.ones((2, 3, 4), "bool")),
    "fused-label-is-no-class": lambda: fused(labels=np.array([[1, 2, 5], [0, -1, 5]])),
    "fused-without-a-model": lambda: lm.LinearCrossEntropy("lm_head")(LABELS, zeros(2, 3, 5)),
    "fused-mask-of-wrong-axes": lambda: model(
        lm.LinearCrossEntropy("lm_head", "b t, b t [c]", mask=lm.masks.Field("y:mask", "b u")),
        {"y": LABELS, "mask": np.ones((2, 3), "bool")},
    ),
    "fused-labels-of-classes": lambda: lm.LinearCrossEntropy("lm_head", "b t [c], b t [c]"),
    "fused-labels-of-other-tokens": lambda: model(lm.LinearCrossEntropy("lm_head"), zeros(2, 3, 4)),
    "fused-metric": lambda: lm.LinearCrossEntropy("lm_head", metrics=["auc"]),
    "fused-weight-of-the-prediction": lambda: lm.LinearCrossEntropy(
        "lm_head", weights=lm.weights.Outside(0.0, 1.0, factor=2.0)
    ),
    "fused-layer-that-is-not-there": lambda: model(lm.LinearCrossEntropy("lm_hed")),
    "fused-layer-with-an-activation": lambda: model(
        lm.LinearCrossEntropy("lm_head"), activation="softmax"
    ),
    "fused-layer-of-another-kind": lambda: lm.Model(
        x := keras.Input((3, 4)), keras.layers.LSTM(5, name="lm_head")(x)
    ).compile(loss=lm.LinearCrossEntropy("lm_head")),
}

ONE_BACKEND: dict[str, tuple[str, str]] = {
    "fused-labels-of-other-tokens": ("jax", "TensorFlow does not know the batch while it traces"),
}

NOT_RAISED: dict[str, str] = {}
