"""Claim: `lm.Transducer` needs one tensor as large as its logits, where autodiff keeps several.

Value and gradient of the transducer loss: `lm.Transducer`, against the same sum written with
`keras.ops.log_softmax` and a loop over the frames, which the backend differentiates itself.

Memory is what a call adds at its peak, as a multiple of the logits: on JAX what the compiler plans
for temporaries and results, elsewhere the resident size of a fresh process that has made a small
call before; that needs Linux. The gradient, which both return, is one of these multiples. Time is
measured in turns.

    python benchmarks/transducer.py [--rounds 5] [--json FILE]
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
from _measure import arguments, in_fresh_process, in_turns, peak_of
from _report import Bars, Claim, Report, Table, run, timings

BATCH, LABELS, CLASSES = 4, 24, 2048
FRAMES = (64, 128, 256)
OURS, PLAIN = "lossmith", "autodiff"
LIMITS = {"jax": 1.2, "tensorflow": 2.2, "torch": 1.2}
NEVER = -1e30


def data(frames: int) -> tuple[Any, Any]:
    """Return labels and logits."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(BATCH, frames, LABELS + 1, CLASSES)).astype("float32")
    return rng.integers(1, CLASSES, (BATCH, LABELS)).astype("int32"), logits


def autodiff(labels: Any, logits: Any) -> Any:
    """Return the sum of the losses, as it is written down, diagonal by diagonal."""
    from keras import ops

    from lossmith.backend import skew

    shape = ops.shape(logits)[:-1]
    scores = ops.log_softmax(logits, axis=-1)
    following = ops.broadcast_to(ops.pad(labels, ((0, 0), (0, 1)))[:, None], shape)
    emitted = ops.take_along_axis(scores, following[..., None], axis=-1)[..., 0]
    diagonals = skew(scores[..., 0]), skew(emitted)

    def step(carry: Any, diagonal: Any) -> Any:
        by_blank, by_label = carry
        reached = ops.logaddexp(by_blank, by_label)
        blank, label = (reached + x for x in diagonal)
        moved = ops.concatenate([ops.full_like(label[:, :1], NEVER), label[:, :-1]], axis=-1)
        return (blank, moved), (blank, moved)

    never = ops.full_like(scores[:, 0, :, 0], NEVER)
    start = ops.concatenate([ops.zeros_like(never[:, :1]), never[:, 1:]], axis=-1)
    (last, _), _ = ops.scan(step, (start, never), diagonals)
    return -ops.sum(last[:, -1])


def value_and_gradient(way: str) -> Any:
    """Return a compiled function of labels and logits on the backend that runs."""
    import keras

    import lossmith as lm

    loss = lm.Transducer(reduce="sum") if way == OURS else autodiff
    if keras.config.backend() == "jax":
        import jax

        return jax.jit(jax.value_and_grad(loss, argnums=1))
    if keras.config.backend() == "tensorflow":
        import tensorflow as tf

        @tf.function(autograph=False)
        def graph(labels: Any, logits: Any) -> Any:
            with tf.GradientTape() as tape:
                tape.watch(logits)
                value = loss(labels, logits)
            return value, tape.gradient(value, logits)

        return graph
    import torch

    def eager(labels: Any, logits: Any) -> Any:
        logits = logits.detach().requires_grad_()
        value = loss(labels, logits)
        return value.detach(), torch.autograd.grad(value, logits)[0]

    return eager


def tensors(frames: int) -> list[Any]:
    """Return labels and logits as tensors."""
    from keras import ops

    return [ops.convert_to_tensor(x) for x in data(frames)]


def memory(way: str, frames: int) -> None:
    """Print what a call adds at its peak, as a multiple of the logits."""
    import keras

    step, given = value_and_gradient(way), tensors(frames)
    if keras.config.backend() == "jax":
        planned = step.lower(*given).compile().memory_analysis()
        added = planned.temp_size_in_bytes + planned.output_size_in_bytes
        value = step(*given)[0]
    else:
        step(*tensors(2))
        added, (value, _) = peak_of(lambda: step(*given))
    multiple = added / data(frames)[1].nbytes
    print(json.dumps({"multiple": multiple, "value": float(value)}))


def memory_of(way: str, frames: int, backend: str) -> dict[str, float]:
    """Measure the memory of a way in a process of its own."""
    return in_fresh_process(__file__, backend, "--memory", way, str(frames))


def measure(backend: str, rounds: int) -> dict[str, Any]:
    """Measure memory and time of both ways on one backend."""
    taken = {f: {way: memory_of(way, f, backend) for way in (OURS, PLAIN)} for f in FRAMES}
    for ways in taken.values():
        np.testing.assert_allclose(ways[OURS]["value"], ways[PLAIN]["value"], rtol=1e-4)
    given = tensors(FRAMES[0])
    steps = {way: value_and_gradient(way) for way in (OURS, PLAIN)}
    calls = {way: lambda step=step: float(step(*given)[0]) for way, step in steps.items()}
    timings = in_turns(calls, reference=PLAIN, rounds=rounds, warm_up=1)
    multiples = {
        way: {str(frames): ways[way]["multiple"] for frames, ways in taken.items()}
        for way in (OURS, PLAIN)
    }
    return {way: {**timing.__dict__, "memory": multiples[way]} for way, timing in timings.items()}


def report(found: dict[str, Any]) -> Report:
    """Hold the claims to what was found."""
    shape = f"batch {BATCH}, {FRAMES[0]} frames, {LABELS} labels, {CLASSES} classes"
    most = {
        backend: {way: max(n["memory"].values()) for way, n in ways.items()}
        for backend, ways in found.items()
    }
    rows = [
        [backend, way, *(f"{n['memory'][str(frames)]:.2f}" for frames in FRAMES)]
        for backend, ways in found.items()
        for way, n in ways.items()
    ]
    head = ("backend", "way", *(f"{frames} frames" for frames in FRAMES))
    claims = []
    for backend in found:
        limit = LIMITS[backend]
        least = min(found[backend][PLAIN]["memory"].values())
        claim = f"{backend}: at most {limit} x the logits: {most[backend][OURS]:.2f}"
        claim += f", where autodiff takes {least:.2f} or more"
        claims.append(Claim(claim, most[backend][OURS] <= limit))
    title = "Memory of a call, as a multiple of the logits"
    tables = [timings(f"Value and gradient, {shape}", found), Table(title, head, rows)]
    return Report(tables, claims, [Bars("memory over that of the logits", most, OURS, LIMITS)])


def main() -> None:
    """Measure one way or backend here, or all of them in processes of their own."""
    if sys.argv[1:2] == ["--memory"]:
        memory(sys.argv[2], int(sys.argv[3]))
        return
    options = arguments(__doc__, rounds=5)
    run(__file__, options, lambda: measure(options.backend, options.rounds), report)


if __name__ == "__main__":
    main()
