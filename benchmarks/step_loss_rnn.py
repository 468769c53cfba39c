"""Claim: `lm.layers.StepLossRNN` trains in a fraction of the plain form's memory.

A training step (`train_on_batch`, SGD) of a GRU with a softmax over 8192 classes at each of 256
steps: with the loss inside the time loop, against the plain form, `keras.layers.RNN` -> `Dense` ->
loss, with `lm.Loss` and with Keras' own `SparseCategoricalCrossentropy`.

Memory is the peak resident size of a fresh process for each way, less the peak that the same
process had after a step on sequences of length 2: what the libraries and the compiler take. Time is
measured in turns. The loop pays with time: it computes each step's output twice, and as 256 small
products instead of one large one.

    python benchmarks/step_loss_rnn.py [--rounds 5] [--json FILE]
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from _measure import arguments, in_fresh_process, in_turns
from _report import Bars, Claim, Report, Table, run, timings

BATCH, STEPS, FEATURES, UNITS, VOCABULARY = 16, 256, 32, 128, 8192
# Of the cheaper of the two plain forms: TensorFlow has a cross-entropy that keeps one copy.
LIMITS = {"jax": 0.15, "tensorflow": 0.75, "torch": 0.25}
KERAS, PLAIN, OURS = "keras", "lossmith, plain", "lossmith, in the loop"
GRAPH = ", no XLA"


def ways(backend: str) -> list[str]:
    """Return the ways of a backend; TensorFlow has each with and without XLA."""
    suffixes = ["", GRAPH] if backend == "tensorflow" else [""]
    return [way + suffix for suffix in suffixes for way in (KERAS, PLAIN, OURS)]


def data(steps: int) -> tuple[Any, Any]:
    """Return inputs and labels."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(BATCH, steps, FEATURES)).astype("float32")
    return x, rng.integers(0, VOCABULARY, (BATCH, steps)).astype("int32")


def train(way: str) -> Callable[[int], float]:
    """Return a function that takes a training step on sequences of some length."""
    import keras

    import lossmith as lm
    from lossmith.model.layers import StepLossRNN

    keras.utils.set_random_seed(0)
    loss = lm.Loss(lm.errors.CrossEntropy(from_logits=True), "b t, b t [c]")
    cell, head = keras.layers.GRUCell(UNITS), keras.layers.Dense(VOCABULARY)
    x, y = keras.Input((None, FEATURES)), keras.Input((None,), dtype="int32")
    compiler = {"optimizer": "sgd", "jit_compile": False if way.endswith(GRAPH) else "auto"}
    if way.startswith(OURS):
        model = keras.Model([x, y], StepLossRNN(cell, loss, head=head)(x, y=y))
        model.compile(**compiler)
        return lambda steps: float(model.train_on_batch(list(data(steps))))
    model = keras.Model(x, head(keras.layers.RNN(cell, return_sequences=True)(x)))
    own = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(loss=own if way.startswith(KERAS) else loss, **compiler)
    return lambda steps: float(model.train_on_batch(*data(steps)))


def memory(way: str) -> None:
    """Print the memory that three training steps add to the peak, in MB, and their losses."""
    step = train(way)
    step(2)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    losses = [step(STEPS) for _ in range(3)]
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"MB": (after - before) / 1024, "losses": losses}))


def memory_of(way: str, backend: str) -> dict[str, Any]:
    """Measure the memory of a way in a process of its own."""
    return in_fresh_process(__file__, backend, "--memory", way)


def measure(backend: str, rounds: int) -> dict[str, Any]:
    """Measure memory and time of all ways of one backend."""
    taken = {way: memory_of(way, backend) for way in ways(backend)}
    for found in taken.values():
        np.testing.assert_allclose(found["losses"], taken[KERAS]["losses"], rtol=1e-4)
    steps = {way: train(way) for way in ways(backend)}
    timings = {}
    for suffix in dict.fromkeys(way.partition(GRAPH)[1] for way in steps):
        group = {
            way: lambda step=steps[way]: step(STEPS)
            for way in (n + suffix for n in (KERAS, PLAIN, OURS))
        }
        timings.update(in_turns(group, reference=PLAIN + suffix, rounds=rounds, warm_up=1))
    return {way: {**timing.__dict__, "MB": taken[way]["MB"]} for way, timing in timings.items()}


def report(found: dict[str, Any]) -> Report:
    """Hold the claims to what was found."""
    shape = f"batch {BATCH}, {STEPS} steps, {UNITS} units, {VOCABULARY} classes"
    ratios = {backend: {way: _ratio(ways, way) for way in ways} for backend, ways in found.items()}
    rows = [
        [backend, way, f"{numbers['MB']:.0f} MB", f"{ratios[backend][way]:.3f}"]
        for backend, ways in found.items()
        for way, numbers in ways.items()
    ]
    head = ("backend", "way", "peak", "ratio to the cheaper plain form")
    claims = []
    for backend, limit in LIMITS.items():
        for way, ratio in ratios[backend].items():
            if way.startswith(OURS):
                claim = f"{backend}, {way}: at most {limit} x the memory of the plain forms"
                claims.append(Claim(f"{claim}: {ratio:.3f}", ratio <= limit))
    tables = [timings(f"A training step, {shape}", found), Table("Memory of a step", head, rows)]
    label = "memory over that of the cheaper plain form"
    return Report(tables, claims, [Bars(label, ratios, OURS, LIMITS)])


def _ratio(found: dict[str, Any], way: str) -> float:
    """Divide the memory of a way by that of the cheaper plain form."""
    suffix = way.partition(GRAPH)[1]
    return found[way]["MB"] / min(found[plain + suffix]["MB"] for plain in (KERAS, PLAIN))


def main() -> None:
    """Measure one way or backend here, or all of them in processes of their own."""
    if sys.argv[1:2] == ["--memory"]:
        memory(sys.argv[2])
        return
    options = arguments(__doc__, rounds=5)
    run(__file__, options, lambda: measure(options.backend, options.rounds), report)


if __name__ == "__main__":
    main()
