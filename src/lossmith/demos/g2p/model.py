"""The encoder-decoder, and the words it writes."""

from __future__ import annotations

import random

import keras
import numpy as np
from keras import layers, ops

from lossmith.demos.g2p.data import LETTER, PAD, START, STEPS, Vocabulary


def build(phonemes: Vocabulary, units: int, seed: int) -> keras.Model:
    """Return a model from spellings and the phonemes so far to logits of the next phoneme.

    The encoder's padding is masked by its embedding. The decoder reads from left to right and is
    padded on the right, so it needs no mask: only the loss has to know which steps count.

    Args:
        phonemes: What is written.
        units: The size of every hidden state.
        seed: Decides the first weights.
    """
    random.seed(seed)  # where layers without a seed of their own draw one
    spelling = keras.Input((None,), dtype="int32", name="spelling")
    given = keras.Input((None,), dtype="int32", name="given")
    letters = layers.Embedding(len(LETTER), units, mask_zero=True)(spelling)
    onwards = layers.GRU(units // 2, return_sequences=True)(letters)
    back = layers.GRU(units // 2, return_sequences=True, go_backwards=True)(letters)
    read = ops.concatenate([onwards, ops.flip(back, axis=1)], axis=-1)
    heard = layers.Embedding(len(phonemes), units)(given)
    state = layers.GRU(units, return_sequences=True)(heard)
    context = layers.Attention()([state, read], mask=[None, ops.not_equal(spelling, PAD)])
    joined = layers.Concatenate()([state, context])
    hidden = layers.Dense(units, activation="tanh")(joined)
    logits = layers.Dense(len(phonemes), name="logits")(hidden)
    return keras.Model([spelling, given], logits, name="g2p")


def greedy(model: keras.Model, spelling: np.ndarray) -> np.ndarray:
    """Write the likeliest phoneme, step by step, for all words at once.

    Each step runs the whole model over what was written so far. That is more arithmetic than
    carrying the decoder's state along, but one compiled function of one shape, shared with
    whatever else is computed for these words.

    Returns:
        Numbers of phonemes, `(words, STEPS)`; what follows END means nothing.
    """
    given = np.zeros((len(spelling), STEPS + 1), "int32")
    given[:, 0] = START
    for step in range(STEPS):
        logits = model.predict_on_batch([spelling, given[:, :STEPS]])
        given[:, step + 1] = np.argmax(logits[:, step], axis=-1)
    return given[:, 1:]
