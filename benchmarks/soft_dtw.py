"""Claim: `lm.SoftDTW` takes 0.6 of pysdtw's CPU time, and no more where lengths differ.

The value and the gradient for the prediction of 16 pairs of sequences with 8 features, squared
distances and gamma 1, in float32: of 256 and of 1024 steps, all of them or from a quarter to all.
Compiled on JAX and TensorFlow, eager on PyTorch. pysdtw runs on PyTorch with Numba, which compiles
it, in the same process; it must be installed beside lossmith.

Memory is what a step adds to the peak of a fresh process that has made one of 16 steps before, as
a multiple of the grid of costs; on JAX what the compiler plans for temporaries and results. It and
the time are drawn as sequences grow.

    python benchmarks/soft_dtw.py [--rounds 5] [--json FILE]
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from _measure import arguments, in_fresh_process, in_turns, peak_of
from _report import Bars, Claim, Lines, Report, Table, cpu_ratios, run, timings

BATCH, FEATURES = 16, 8
STEPS = (256, 1024)
GROWTH = (128, 256, 512, 1024)
OURS, PEER = "lossmith", "pysdtw"
FULL, VARIED = "full", "varied"
LIMITS = {FULL: 0.6, VARIED: 1.0}


def data(steps: int, lengths: str) -> tuple[Any, Any, Any]:
    """Return targets, predictions, and the lengths of both."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, BATCH, steps, FEATURES)).astype("float32")
    least = steps if lengths == FULL else steps // 4
    return x, y, rng.integers(least, steps + 1, size=(2, BATCH)).astype("int32")


def ours(x: Any, y: Any, lengths: Any) -> Callable[[], Any]:
    """Return a step with `lm.SoftDTW`, compiled where the backend compiles."""
    from lossmith.backend import Program

    program = Program(loss(), "xla")
    return lambda: program.gradient(x, y, *lengths, at=[1])


def loss() -> Callable[..., Any]:
    """Return the total as a function of targets, predictions and both lengths."""
    import lossmith as lm

    own = lm.SoftDTW(lengths={"t": "y:t", "s": "y:s"}, reduce="sum")
    return lambda y, p, t, s: own({"y": y, "t": t, "s": s}, p)


def peer(x: Any, y: Any, lengths: Any) -> Callable[[], Any]:
    """Return a step with pysdtw, whose lengths are those of packed sequences."""
    import pysdtw
    import torch
    from torch.nn.utils.rnn import pack_padded_sequence as pack

    loss = pysdtw.SoftDTW(gamma=1.0, use_cuda=False)
    full = bool((lengths == x.shape[1]).all())

    def step() -> Any:
        target, prediction = torch.tensor(x), torch.tensor(y, requires_grad=True)
        given = [target, prediction]
        if not full:
            given = [
                pack(z, torch.tensor(n).long(), batch_first=True, enforce_sorted=False)
                for z, n in zip(given, lengths, strict=True)
            ]
        value = loss(*given).sum()
        return value.item(), torch.autograd.grad(value, prediction)[0].numpy()

    return step


def measure(rounds: int) -> dict[str, Any]:
    """Time both at each length, after holding them to each other."""
    found = {}
    for steps in STEPS:
        for lengths in LIMITS:
            given = data(steps, lengths)
            ways = {OURS: ours(*given), PEER: peer(*given)}
            (value, (gradient,)), (expected, slope) = (way() for way in ways.values())
            np.testing.assert_allclose(value, expected, rtol=1e-4)
            np.testing.assert_allclose(gradient, slope, atol=0.05 * np.abs(slope).max())
            timings = in_turns(ways, reference=PEER, rounds=rounds, warm_up=1)
            for way, timing in timings.items():
                found[f"{way}, {steps}, {lengths}"] = timing.__dict__
    return found


def grow(way: str, steps: int) -> None:
    """Print what a step at some length adds to the peak, in MiB, and its CPU time, in seconds."""
    import keras

    make = ours if way == OURS else peer
    make(*data(16, FULL))()
    step = make(*data(steps, FULL))
    added, _ = peak_of(step)
    if way == OURS and keras.config.backend() == "jax":
        added = planned(steps)
    start = time.process_time()
    step()
    print(json.dumps({"seconds": time.process_time() - start, "MiB": added / 2**20}))


def planned(steps: int) -> int:
    """Return the bytes that JAX' compiler plans for."""
    import jax

    x, y, lengths = data(steps, FULL)
    compiled = jax.jit(jax.value_and_grad(loss(), argnums=1)).lower(x, y, *lengths).compile()
    plan: Any = compiled.memory_analysis()
    return plan.temp_size_in_bytes + plan.output_size_in_bytes


def growth(backend: str) -> dict[str, dict[int, dict[str, float]]]:
    """Measure memory and time at each length, each in a process of its own."""
    return {
        way: {n: in_fresh_process(__file__, backend, "--grow", way, str(n)) for n in GROWTH}
        for way in ((OURS, PEER) if backend == "torch" else (OURS,))
    }


def report(found: dict[str, Any]) -> Report:
    """Hold the claims to what was found."""
    times = {backend: numbers["time"] for backend, numbers in found.items()}
    grown = {
        f"{backend}, {way}": [(int(n), found) for n, found in by_steps.items()]
        for backend, numbers in found.items()
        for way, by_steps in numbers["growth"].items()
    }
    rows = [
        [
            name,
            str(steps),
            f"{one['MiB']:.0f} MiB",
            f"{one['MiB'] / (BATCH * steps**2 / 2**18):.1f}",
            f"{one['seconds']:.3f} s",
        ]
        for name, points in grown.items()
        for steps, one in points
    ]
    head = ("way", "steps", "peak", "times the grid of costs", "CPU")
    claims = []
    for backend, ways in times.items():
        for steps in STEPS:
            for lengths, limit in LIMITS.items():
                ratio = ways[f"{OURS}, {steps}, {lengths}"]["cpu_ratio"]
                claim = (
                    f"{backend}, {steps} steps, {lengths}: at most {limit} x pysdtw: {ratio:.2f}"
                )
                claims.append(Claim(claim, ratio <= limit))
    tables = [timings("Value and gradient", times), Table("As sequences grow", head, rows)]
    charts = [
        Bars("CPU time over that of pysdtw", cpu_ratios(times), OURS),
        *(
            Lines(label, "steps", {k: [(n, one[unit]) for n, one in v] for k, v in grown.items()})
            for unit, label in (("seconds", "seconds of CPU"), ("MiB", "peak, MiB"))
        ),
    ]
    return Report(tables, claims, charts)


def both(backend: str, rounds: int) -> dict[str, Any]:
    """Measure growth, and then time."""
    return {"growth": growth(backend), "time": measure(rounds)}


def main() -> None:
    """Measure one backend here, or all of them in processes of their own."""
    if sys.argv[1:2] == ["--grow"]:
        grow(sys.argv[2], int(sys.argv[3]))
        return
    options = arguments(__doc__, rounds=5)
    run(__file__, options, lambda: both(options.backend, options.rounds), report)


if __name__ == "__main__":
    main()
