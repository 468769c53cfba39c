"""Claim: five taps whose means are read cost at most 5% of a training step.

An epoch of `fit`, eight steps, of the model and the loss of the demo `g2p` (spelling to phonemes:
three GRUs, attention, a masked cross-entropy), in an `lm.Model` that is compiled as Keras does by
default. The reference has no tap. The taps are the outputs of five layers, from the embedding to
the logits.

Two ways of reading them are measured: the mean of each, which is what `taps=[...]` logs and what
the claim is about, and the six numbers of a summary of each, which no claim is made for.

It is held to CPU time, which a busy machine changes less than time on the clock.

    python benchmarks/taps.py [--rounds 25] [--json FILE]
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from _measure import Timing, arguments, in_turns
from _report import Bars, Claim, Report, cpu_ratios, run, timings

BATCHES, BATCH, UNITS = 8, 128, 96
LIMIT = 1.05
NONE, MEANS, SUMMARIES = "no tap", "five means", "five summaries"
LEVELS = {MEANS: "mean", SUMMARIES: "summary"}
TAPPED = ("embedding", "gru_2", "attention", "dense", "logits")
"""The layers whose outputs are tapped."""


def model(level: str | None) -> Any:
    """Return the model of the demo, compiled with its loss; with a level, its taps too."""
    import keras

    import lossmith as lm
    from lossmith.demos.g2p.data import read_lexicon
    from lossmith.demos.g2p.losses import ours
    from lossmith.demos.g2p.model import build

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        output = layer(*args, **kwargs)
        return lm.tap(layer.name, output) if level and layer.name in TAPPED else output

    keras.utils.clear_session()
    plain = build(read_lexicon().phonemes, UNITS, seed=0)
    tapped = keras.models.clone_model(plain, call_function=call)
    for layer in plain.layers:
        tapped.get_layer(layer.name).set_weights(layer.get_weights())
    whole = lm.Model(tapped)
    taps = dict.fromkeys(TAPPED, level) if level else None
    whole.compile(keras.optimizers.Adam(1e-3), ours(), taps=taps)
    return whole


def epoch_of(whole: Any) -> Callable[[], dict[str, float]]:
    """Return a function that trains for an epoch and returns its logs."""
    from lossmith.demos.g2p.data import load

    words = load(BATCHES * BATCH, 1, seed=0).training

    def run() -> dict[str, float]:
        history = whole.fit(
            list(words.inputs), words.wanted, batch_size=BATCH, shuffle=False, verbose=0
        ).history
        return {name: values[0] for name, values in history.items()}

    return run


def check(ways: dict[str, Callable[[], dict[str, float]]]) -> None:
    """Hold the ways to each other over an epoch, before anything is timed."""
    logs = {name: way() for name, way in ways.items()}
    for name, found in logs.items():
        np.testing.assert_allclose(found["loss"], logs[NONE]["loss"], rtol=1e-4, err_msg=name)
    for tap in TAPPED:
        mean = f"tap/{tap}/mean"
        np.testing.assert_allclose(logs[SUMMARIES][mean], logs[MEANS][mean], rtol=1e-2, atol=1e-4)


def measure(rounds: int) -> dict[str, Timing]:
    """Time all ways."""
    ways = {NONE: epoch_of(model(None))}
    ways.update({name: epoch_of(model(level)) for name, level in LEVELS.items()})
    check(ways)
    return in_turns(ways, reference=NONE, rounds=rounds, warm_up=1)


def report(found: dict[str, Any]) -> Report:
    """Hold the claims to what was found."""
    claims = []
    for backend, ways in found.items():
        ratio = ways[MEANS]["cpu_ratio"]
        claim = f"{backend}, {MEANS}: at most {LIMIT} x the CPU time of {NONE}: {ratio:.3f}"
        claims.append(Claim(claim, ratio <= LIMIT))
    title = f"An epoch of {BATCHES} steps of g2p, batch {BATCH}"
    targets = dict.fromkeys(found, LIMIT)
    chart = Bars(f"CPU time over that with {NONE}", cpu_ratios(found), "five", targets)
    return Report([timings(title, found)], claims, [chart])


def main() -> None:
    """Measure one backend here, or all of them in processes of their own."""
    options = arguments(__doc__, rounds=25)
    run(__file__, options, lambda: measure(options.rounds), report)


if __name__ == "__main__":
    main()
