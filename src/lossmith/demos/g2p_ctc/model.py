"""The encoder: from letters to scores of phonemes at twice as many frames."""

from __future__ import annotations

import random
from typing import Any

import keras
from keras import layers, ops

import lossmith as lm
from lossmith.demos.g2p.data import LETTER, PAD, Vocabulary

RATE = 2
"""Frames a letter. The x of "tax" is two phonemes, and a phoneme said twice takes a blank between:
with one frame a letter, 1.7 % of the words would have no path; with two, one word in 10,000."""


class Frames(layers.Layer):
    """Make several frames of each step, and of its mask.

    Args:
        units: The size of a frame.
        rate: Frames a step.
    """

    def __init__(self, units: int, rate: int) -> None:
        super().__init__()
        self.supports_masking = True
        self.units, self.rate = units, rate
        self.dense = layers.Dense(units * rate)

    def build(self, input_shape: Any) -> None:
        """Build the layer inside."""
        self.dense.build(input_shape)

    def call(self, x: Any) -> Any:
        """Return (batch, rate * steps, units)."""
        batch, steps, _ = ops.shape(x)
        return ops.reshape(self.dense(x), (batch, steps * self.rate, self.units))

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Return the mask of the frames."""
        del inputs
        return None if mask is None else ops.repeat(mask, self.rate, axis=1)


def build(phonemes: Vocabulary, units: int, seed: int) -> keras.Model:
    """Return a model from spellings to scores of phonemes, PAD standing for the blank.

    Args:
        phonemes: What is written.
        units: The size of every hidden state.
        seed: Decides the first weights.
    """
    random.seed(seed)  # where layers without a seed of their own draw one
    spelling = keras.Input((None,), dtype="int32", name="spelling")
    letters = layers.Embedding(len(LETTER), units, mask_zero=True)(spelling)
    read = layers.Bidirectional(layers.GRU(units // 2, return_sequences=True))(letters)
    frames = Frames(units, RATE)(read)
    heard = layers.Bidirectional(layers.GRU(units // 2, return_sequences=True))(frames)
    return lm.Model(spelling, layers.Dense(len(phonemes), name="logits")(heard), name="g2p_ctc")


def loss() -> lm.CTC:
    """Return CTC over the frames that Keras' mask leaves, and the phonemes that are there."""
    return lm.CTC(
        "b s, b t [c]", lengths={"s": lm.masks.NotEqual(PAD)}, blank=PAD, zero_infinity=True
    )
