"""Claim: compiled, `lm.SoftDTW` takes 0.6 of pysdtw's time, and no more where lengths differ.

PyTorch runs eagerly, a few small operations a diagonal, and does not reach it at these sizes.

The value and the gradient for the prediction of 16 pairs of sequences with 8 features, squared
distances and gamma 1, in float32: of 256 and of 1024 steps, all of them or from a quarter to all.
pysdtw runs on PyTorch with Numba, in the same process; it must be installed beside lossmith.

Memory is the peak resident size of a fresh process at each length less that at 16 steps, as a
multiple of the grid of costs.

    python benchmarks/soft_dtw.py [--rounds 5] [--json FILE]
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from _measure import arguments, each_backend, in_fresh_process, in_turns
from _report import Bars, Claim, Report, Table, cpu_ratios, finish, timings

BATCH, FEATURES = 16, 8
STEPS = (256, 1024)
MEMORY_STEPS = (256, 512, 1024)
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
    import lossmith as lm
    from lossmith.backend import Program

    loss = lm.SoftDTW(lengths={"t": "y:t", "s": "y:s"}, reduce="sum")
    program = Program(lambda y, p, t, s: loss({"y": y, "t": t, "s": s}, p), "xla")
    return lambda: program.gradient(x, y, *lengths, at=[1])


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


def memory(steps: int) -> None:
    """Print the peak that a step at some length adds to one at 16 steps, in MB."""
    ours(*data(16, FULL))()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ours(*data(steps, FULL))()
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps((after - before) / 1024))


def memory_of(steps: int, backend: str) -> float:
    """Measure the memory in a process of its own."""
    return in_fresh_process(__file__, backend, "--memory", str(steps))


def report(found: dict[str, Any]) -> Report:
    """Hold the claims to what was found."""
    times = {backend: numbers["time"] for backend, numbers in found.items()}
    rows = [
        [backend, steps, f"{taken:.0f} MB", f"{taken / (BATCH * int(steps) ** 2 / 2**18):.1f}"]
        for backend, numbers in found.items()
        for steps, taken in numbers["MB"].items()
    ]
    head = ("backend", "steps", "peak", "times the grid of costs")
    claims = []
    for backend, ways in times.items():
        for steps in STEPS:
            for lengths, limit in LIMITS.items():
                ratio = ways[f"{OURS}, {steps}, {lengths}"]["cpu_ratio"]
                claim = (
                    f"{backend}, {steps} steps, {lengths}: at most {limit} x pysdtw: {ratio:.2f}"
                )
                claims.append(Claim(claim, ratio <= limit))
    tables = [timings("Value and gradient", times), Table("Memory", head, rows)]
    chart = Bars("CPU time over that of pysdtw", cpu_ratios(times), OURS)
    return Report(tables, claims, [chart])


def main() -> None:
    """Measure one backend here, or all of them in processes of their own."""
    if sys.argv[1:2] == ["--memory"]:
        memory(int(sys.argv[2]))
        return
    options = arguments(__doc__, rounds=5)
    if options.backend:
        taken = {steps: memory_of(steps, options.backend) for steps in MEMORY_STEPS}
        print(json.dumps({"time": measure(options.rounds), "MB": taken}))
        return
    finish(options.json, each_backend(__file__, options), report)


if __name__ == "__main__":
    main()
