"""The run: the same model trained twice, and what came out."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import keras

import lossmith as lm
from lossmith.demos.g2p import report
from lossmith.demos.g2p.data import Dataset, load
from lossmith.demos.g2p.losses import hand_written, ours
from lossmith.demos.g2p.model import build, greedy
from lossmith.demos.g2p.outcome import OURS, THEIRS, Outcome, Result, Settings
from lossmith.demos.g2p.scores import HeldOut, padding_effect, score
from lossmith.demos.output import Output
from lossmith.demos.training import Batches, Trained, new_progress, train

Loss = Callable[[Any, Any], Any]


def run(settings: Settings, output: Output) -> None:
    """Train twice, print what came out, and write it if there is somewhere to write to."""
    sinks = [lm.sinks.JsonLines(output.run)] if output else []
    result = experiment(settings, sinks)
    report.show(result)
    if output:
        output.write(report.as_dict(result), report.curves(result))
        report.say_where(output.write_page("Spelling to phonemes"))


def experiment(settings: Settings, sinks: Sequence[lm.sinks.Sink] = ()) -> Result:
    """Train the same model with both losses and measure it on held-out words.

    Args:
        settings: What to run.
        sinks: Where the training with our loss is written down.
    """
    start = time.perf_counter()
    dataset = load(settings.words, settings.held_out, settings.seed)
    report.introduce(settings)
    losses: dict[str, Loss] = {THEIRS: hand_written, OURS: ours()}
    model = build(dataset.lexicon.phonemes, settings.units, settings.seed)
    untrained = model.get_weights()
    samples = (dataset.training.inputs, dataset.training.wanted)
    outcomes = {}
    with new_progress() as progress:
        for name, loss in losses.items():
            model.set_weights(untrained)
            _compile(model, loss, settings)
            own_sinks = sinks if name == OURS else ()
            watch = HeldOut(dataset.held_out, own_sinks)
            callbacks = [watch, lm.callbacks.LossMonitor(own_sinks)]
            batches = Batches(samples, settings.batch, settings.seed)
            trained = train(model, batches, settings.epochs, name, progress, *callbacks)
            outcomes[name] = _outcome(model, dataset, trained, watch.nats)
    padding = padding_effect(model, dataset.held_out, losses)
    return Result(settings, dataset, outcomes, padding, time.perf_counter() - start)


def _compile(model: keras.Model, loss: Loss, settings: Settings) -> None:
    steps = settings.epochs * max(1, settings.words // settings.batch)
    rate = keras.optimizers.schedules.CosineDecay(settings.learning_rate, steps)
    model.compile(optimizer=keras.optimizers.Adam(rate), loss=loss)


def _outcome(model: keras.Model, dataset: Dataset, trained: Trained, nats: list[float]) -> Outcome:
    lexicon, words = dataset.lexicon, dataset.held_out.words
    rows = greedy(model, dataset.held_out.spelling).tolist()
    written = [lexicon.phonemes.decode(row) for row in rows]
    return Outcome(trained, nats, written, score(lexicon, words, written))
