"""The two losses that are compared: what people write, and ours."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

import lossmith as lm
from lossmith.demos.g2p.data import PAD


def hand_written(y_true: Any, y_pred: Any) -> Any:
    """Return the usual recipe: the masked losses are zero, and yet the mean divides by them."""
    mask = ops.cast(ops.not_equal(y_true, PAD), "float32")
    losses = keras.losses.sparse_categorical_crossentropy(y_true, y_pred, from_logits=True)
    return ops.mean(losses * mask)


def ours() -> lm.Loss:
    """Return the mean over the phonemes that are there."""
    return lm.Loss(
        lm.errors.CrossEntropy(from_logits=True),
        "b t, b t [c]",
        mask=lm.masks.NotEqual(PAD),
    )
