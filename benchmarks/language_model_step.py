"""Claim: with the fused loss a step of a language model takes less time and memory than Keras'.

`fit` with Adam of the decoder of `examples/language_model.py`, 256 features wide, over a vocabulary
of 32768 words. Text is the source code of Python's standard library, a row for each passage between
empty lines, and cut after 65 words: about half of a batch of 64 x 64 places is
padding. `lm.LinearCrossEntropy` in an `lm.Model`, against a `keras.Model` whose
`SparseCategoricalCrossentropy(ignore_class=...)` averages over the same words; both as `compile`
sets them up by default.

Memory is by how much the peak of a fresh process rises during a step after one on a single row,
compilation included. The model and its optimizer, which are there before, are not in it.

The claims are held to CPU time, which a busy machine changes less than time on the clock.

    python benchmarks/language_model_step.py [--rounds 5] [--json FILE]
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from _measure import arguments, in_fresh_process, in_turns, peak_of
from _report import Bars, Claim, Report, Table, cpu_ratios, run, timings

STEPS, WIDTH, WORDS, BATCH = 64, 256, 32768, 64
PADDING, UNKNOWN = 0, 1
OTHER = {"site-packages", "test"}
OURS, KERAS = "lm.LinearCrossEntropy", "Keras"
WAYS = (KERAS, OURS)


def data() -> tuple[Any, Any]:
    """Return words and the word that comes after each, padded."""
    library = Path(os.__file__).parent
    files = [path for path in sorted(library.rglob("*.py")) if not OTHER & {*path.parts}]
    text = "\n\n".join(path.read_text(encoding="utf-8", errors="ignore") for path in files)
    passages = [re.findall(r"[A-Za-z_]\w*|[^\w\s]", part) for part in text.split("\n\n")]
    frequent = Counter(word for passage in passages for word in passage).most_common(WORDS - 2)
    known = {word: place for place, (word, _) in enumerate(frequent, 2)}
    chosen = np.random.default_rng(0).permutation(len(passages))
    rows = [passages[place] for place in chosen if len(passages[place]) > 1]
    padded = np.full((BATCH, STEPS + 1), PADDING, "int32")
    for row, words in zip(padded, rows, strict=False):
        numbers = [known.get(word, UNKNOWN) for word in words[: STEPS + 1]]
        row[: len(numbers)] = numbers
    return padded[:, :-1], padded[:, 1:]


def model(way: str) -> Any:
    """Return the compiled model; both begin with the same weights."""
    import keras

    import lossmith as lm

    sys.path.append(str(Path(__file__).resolve().parents[1] / "examples"))
    from language_model import make_model

    keras.utils.set_random_seed(0)
    whole = make_model(WORDS, STEPS, WIDTH)
    loss: Any = lm.LinearCrossEntropy("lm_head", "b t, b t [c]", mask=lm.masks.NotEqual(PADDING))
    if way == KERAS:
        whole = keras.Model(whole.inputs, whole.outputs)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=PADDING)
    whole.compile(keras.optimizers.Adam(1e-3), loss=loss)
    return whole


def step_of(way: str) -> Callable[[], float]:
    """Return a function that trains for an epoch of one batch and returns the loss."""
    whole, (x, y) = model(way), data()
    return lambda: whole.fit(x, y, batch_size=BATCH, shuffle=False, verbose=0).history["loss"][0]


def measure(backend: str, rounds: int) -> dict[str, Any]:
    """Time both, after holding their losses to each other for two steps, and take their memory."""
    ways = {name: step_of(name) for name in WAYS}
    for _ in range(2):
        losses = [way() for way in ways.values()]
        np.testing.assert_allclose(*losses, rtol=1e-4)
    times = in_turns(ways, reference=KERAS, rounds=rounds, warm_up=0)
    return {
        "counted": float(np.mean(data()[1] != PADDING)),
        "times": {name: asdict(timing) for name, timing in times.items()},
        "memory": {
            name: in_fresh_process(__file__, backend, "--backend", backend, "--memory", name)
            for name in WAYS
        },
    }


def memory(way: str) -> float:
    """Return by how many MiB a step raises the peak of this process."""
    whole, (x, y) = model(way), data()
    whole.train_on_batch(x[:1], y[:1])
    return peak_of(lambda: whole.train_on_batch(x, y))[0] / 2**20


def report(found: dict[str, Any]) -> Report:
    """Hold the claims to what was found."""
    times = {backend: numbers["times"] for backend, numbers in found.items()}
    peaks = {backend: numbers["memory"] for backend, numbers in found.items()}
    claims = []
    for backend in found:
        shares = {
            "CPU time": times[backend][OURS]["cpu_ratio"],
            "peak memory": peaks[backend][OURS] / peaks[backend][KERAS],
        }
        for what, share in shares.items():
            claims.append(Claim(f"{backend}: less {what} than Keras: {share:.3f} of it", share < 1))
    counted = next(iter(found.values()))["counted"]
    title = f"A step of {BATCH} x {STEPS} places, {counted:.0%} of them counted"
    rows = [
        [backend, way, f"{taken:.0f} MiB", f"{taken / by_way[KERAS]:.3f}"]
        for backend, by_way in peaks.items()
        for way, taken in by_way.items()
    ]
    tables = [
        timings(title, times),
        Table("Peak memory of a step", ("backend", "way", "peak", "of Keras'"), rows),
    ]
    charts = [
        Bars("CPU time over Keras'", cpu_ratios(times), OURS),
        Bars("peak memory of a step in MiB", peaks, OURS),
    ]
    return Report(tables, claims, charts)


def main() -> None:
    """Measure one way or backend here, or all of them in processes of their own."""
    options = arguments(__doc__, rounds=5, memory={"help": "take the memory of this way alone"})
    if options.memory:
        print(json.dumps(memory(options.memory)))
    else:
        run(__file__, options, lambda: measure(options.backend, options.rounds), report)


if __name__ == "__main__":
    main()
