"""How good the written phonemes are, and what padding does to a loss."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from lossmith.demos.g2p.data import PAD, Corpus, Lexicon, Pronunciation
from lossmith.look.sinks import Sink

SHOWN = 32
"""Held-out words of which every phoneme is written down."""

EXTREMES = 10
"""How many of the hardest words are, and how many of the easiest."""


def edits(written: Sequence[str], reference: Sequence[str]) -> int:
    """Return the Levenshtein distance: insertions, deletions and replacements."""
    above = list(range(len(reference) + 1))
    for row, symbol in enumerate(written, 1):
        line = [row]
        for column, other in enumerate(reference, 1):
            replaced = above[column - 1] + (symbol != other)
            line.append(min(above[column] + 1, line[-1] + 1, replaced))
        above = line
    return above[-1]


@dataclass(frozen=True)
class Score:
    """Errors of written words, each against the nearest of its pronunciations.

    Attributes:
        errors: Edits of each word.
        lengths: Phonemes of the pronunciation that the edits were counted against.
    """

    errors: np.ndarray
    lengths: np.ndarray

    @property
    def phoneme_error_rate(self) -> float:
        """Edits over phonemes, of all words together."""
        return float(self.errors.sum() / self.lengths.sum())

    @property
    def word_error_rate(self) -> float:
        """The share of words that have an error."""
        return float(np.mean(self.errors > 0))


def score(lexicon: Lexicon, words: Sequence[str], written: Sequence[Pronunciation]) -> Score:
    """Compare written words with the dictionary."""
    nearest = [
        min((edits(phonemes, entry), len(entry)) for entry in lexicon.words[word])
        for word, phonemes in zip(words, written, strict=True)
    ]
    errors, lengths = np.array(nearest).T
    return Score(errors, lengths)


def difference(one: Score, other: Score) -> tuple[float, float]:
    """Return how much lower the second error rate is, and the standard error of that.

    The words are the same, so their errors are compared word by word. The standard error is that
    of the choice of words; it knows nothing of how another seed would have trained.
    """
    change = one.errors - other.errors
    gain = one.phoneme_error_rate - other.phoneme_error_rate
    spread = np.std(change) * np.sqrt(len(change)) / one.lengths.sum()
    return gain, float(spread)


def nats_per_phoneme(logits: np.ndarray, wanted: np.ndarray) -> float:
    """Return the mean cross-entropy of the phonemes that are there, in NumPy and float64."""
    return float(nats(logits, wanted)[wanted != PAD].mean())


def nats(logits: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return the cross-entropy at each step, also where there is no phoneme."""
    logits = logits.astype("float64")
    top = logits.max(axis=-1, keepdims=True)
    norm = np.log(np.exp(logits - top).sum(axis=-1)) + top[..., 0]
    return norm - np.take_along_axis(logits, wanted[..., None], axis=-1)[..., 0]


class HeldOut(keras.callbacks.Callback):
    """Measures every epoch on held-out words, with one yardstick for all losses.

    Args:
        corpus: The words.
        sinks: Where the nats of each phoneme go, and which words are hardest.
    """

    def __init__(self, corpus: Corpus, sinks: Iterable[Sink] = ()) -> None:
        super().__init__()
        self._corpus = corpus
        self._sinks = list(sinks)
        self.nats: list[float] = []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Measure."""
        wanted = self._corpus.wanted
        logits = self.model.predict_on_batch(list(self._corpus.inputs))
        losses, mask = nats(np.asarray(logits), wanted), wanted != PAD
        self.nats.append(float(losses[mask].mean()))
        if logs is not None:
            logs["val_nats_per_phoneme"] = self.nats[-1]
        of_words = losses.mean(axis=1, where=mask)
        order = np.argsort(of_words)
        ends = (order[::-1][:EXTREMES], order[:EXTREMES])
        extremes = [[{"index": i, "loss": of_words[i]} for i in end] for end in ends]
        for sink in self._sinks:
            sink.maps(epoch, "nats of held-out phonemes", losses[:SHOWN], mask[:SHOWN], "word step")
            sink.samples(epoch, *extremes)


def padding_effect(
    model: keras.Model, corpus: Corpus, losses: dict[str, Callable[[Any, Any], Any]]
) -> dict[str, dict[str, float]]:
    """Return the value of each loss for a batch, and for the batch padded to twice the length."""
    values: dict[str, dict[str, float]] = {name: {} for name in losses}
    for length, times in (("batch", 1), ("padded", 2)):
        spelling, given, wanted = (
            np.pad(array, ((0, 0), (0, (times - 1) * array.shape[1])), constant_values=PAD)
            for array in (*corpus.inputs, corpus.wanted)
        )
        logits = keras.ops.convert_to_tensor(model.predict_on_batch([spelling, given]))
        for name, loss in losses.items():
            values[name][length] = float(loss(keras.ops.convert_to_tensor(wanted), logits))
    return values
