"""The run: one training, and two ways to read phonemes off the frames."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

import lossmith as lm
from lossmith.demos.g2p.data import PAD, Corpus, Dataset, Pronunciation, load
from lossmith.demos.g2p.outcome import Settings
from lossmith.demos.g2p.scores import Score, score
from lossmith.demos.g2p_ctc import report
from lossmith.demos.g2p_ctc.model import RATE, build, loss
from lossmith.demos.output import Output
from lossmith.demos.training import Batches, Trained, new_progress, train

WIDTH = 8
"""Beginnings that the beam search keeps."""


@dataclass(frozen=True)
class Reading:
    """What one way of decoding reads.

    Attributes:
        written: The phonemes of the held-out words.
        score: How good they are, each word against the nearest of its pronunciations.
    """

    written: list[Pronunciation]
    score: Score


@dataclass(frozen=True)
class Result:
    """Everything that is reported.

    Attributes:
        settings: What was asked for.
        dataset: The words that it used.
        trained: What the training logged.
        held_out: Phoneme error rate of held-out words after each epoch, read greedily, against the
            first pronunciation of each.
        readings: What each way of decoding reads.
        without_path: How many words to train on have more phonemes than their frames can say.
        seconds: How long everything took.
    """

    settings: Settings
    dataset: Dataset
    trained: Trained
    held_out: list[float]
    readings: dict[str, Reading]
    without_path: int
    seconds: float


def run(settings: Settings, output: Output) -> None:
    """Train, print what came out, and write it if there is somewhere to write to."""
    result = experiment(settings)
    report.show(result)
    if output:
        output.write(report.as_dict(result), report.curves(result))


def experiment(settings: Settings) -> Result:
    """Train the encoder and decode held-out words."""
    start = time.perf_counter()
    dataset = load(settings.words, settings.held_out, settings.seed)
    report.introduce(settings)
    model = build(dataset.lexicon.phonemes, settings.units, settings.seed)
    steps = settings.epochs * max(1, settings.words // settings.batch)
    rate = keras.optimizers.schedules.CosineDecay(settings.learning_rate, steps)
    model.compile(
        optimizer=keras.optimizers.Adam(rate),
        loss=loss(),
        metrics=[lm.metrics.LabelErrorRate(blank=PAD, name="phoneme_error_rate")],
    )
    samples = (dataset.training.spelling, phonemes(dataset.training))
    batches = Batches(samples, settings.batch, settings.seed)
    watch = HeldOut(dataset.held_out)
    with new_progress() as progress:
        trained = train(model, batches, settings.epochs, "CTC", progress, watch)
    readings = _readings(model, dataset)
    impossible = without_path(dataset.training)
    seconds = time.perf_counter() - start
    return Result(settings, dataset, trained, watch.rates, readings, impossible, seconds)


def phonemes(corpus: Corpus) -> np.ndarray:
    """Return the phonemes alone, without START and END."""
    return corpus.given[:, 1:]


def without_path(corpus: Corpus) -> int:
    """Count the words whose frames are too few for their phonemes and the blanks between equals."""
    labels = phonemes(corpus)
    frames = RATE * np.sum(corpus.spelling != PAD, axis=1)
    feasible = lm.ops.ctc_feasible(labels, np.sum(labels != PAD, axis=1), frames)
    return int(np.sum(~keras.ops.convert_to_numpy(feasible)))


class HeldOut(keras.callbacks.Callback):
    """Measures every epoch on held-out words."""

    def __init__(self, corpus: Corpus) -> None:
        super().__init__()
        self._corpus = corpus
        self.rates: list[float] = []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Measure."""
        del epoch, logs
        spelling, wanted = self._corpus.spelling, phonemes(self._corpus)
        found = self.model.evaluate(
            spelling, wanted, batch_size=len(wanted), verbose=0, return_dict=True
        )
        self.rates.append(float(found["phoneme_error_rate"]))


def _readings(model: keras.Model, dataset: Dataset) -> dict[str, Reading]:
    corpus, lexicon = dataset.held_out, dataset.lexicon
    logits = np.asarray(model.predict_on_batch(corpus.spelling))
    frames = RATE * np.sum(corpus.spelling != PAD, axis=1)
    labels, lengths = (
        keras.ops.convert_to_numpy(x) for x in lm.decode.ctc_greedy(logits, frames, blank=PAD)
    )
    greedy = [row[:length] for row, length in zip(labels, lengths, strict=True)]
    beams = lm.decode.ctc_beam(logits, frames, width=WIDTH, blank=PAD)
    written = {"greedy": greedy, f"beam of {WIDTH}": [beam[0].labels for beam in beams]}
    return {name: _reading(lexicon, corpus.words, rows) for name, rows in written.items()}


def _reading(lexicon: Any, words: list[str], rows: list[Any]) -> Reading:
    written = [lexicon.phonemes.decode(row) for row in rows]
    return Reading(written, score(lexicon, words, written))
