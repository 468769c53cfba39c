"""Claim: fused cross-entropy grows in time with tokens and classes, in memory with no tokens.

Value and gradients of `lm.ops.linear_cross_entropy`, 128 features, float32, all tokens counted:
1024 to 65536 tokens among 8192 classes, and 8192 to 131072 classes of 1024 tokens. Each size has a
fresh process: the first step, with its compilation, raises the peak of its memory; the time is the
median of three more.

The results, the gradients of hidden states and kernel, have to be held and are taken off the
memory. What remains is the chunk, which is at least 256 tokens long (512 on TensorFlow), and copies
of the kernel's gradient. Beside it stands what the logits alone would take.

    python benchmarks/growth.py [--rounds 3] [--json FILE]
"""

from __future__ import annotations

import json
import math
import statistics
import time
from collections.abc import Sequence
from typing import Any

from _linear import ROW, data, ours, step_of
from _measure import arguments, in_fresh_process, peak_of
from _report import Claim, Lines, Report, Table, run

FEATURES = 128
BY_TOKENS = [(tokens, 8192) for tokens in (1024, 4096, 16384, 65536)]
BY_CLASSES = [(1024, classes) for classes in (8192, 32768, 65536, 131072)]
SLOPE, FLAT = (0.85, 1.15), 1.25
MIB = 2**20


def measure(backend: str, rounds: int) -> dict[str, Any]:
    """Measure each size in a process of its own."""
    found = {}
    for tokens, classes in sorted({*BY_TOKENS, *BY_CLASSES}):
        given = ["--backend", backend, "--rounds", str(rounds)]
        given += ["--tokens", str(tokens), "--classes", str(classes)]
        found[f"{tokens} x {classes}"] = in_fresh_process(__file__, backend, *given)
    return found


def one_size(backend: str, tokens: int, classes: int, rounds: int) -> dict[str, float]:
    """Take the memory of the first step, above its results, and the time of those after it."""
    step_of(backend, ours, data(ROW, 64, FEATURES, 1.0))()  # what the framework itself loads
    step = step_of(backend, ours, data(tokens, classes, FEATURES, 1.0))
    peak, _ = peak_of(step)
    taken = []
    for _ in range(rounds):
        start, start_cpu = time.perf_counter(), time.process_time()
        step()
        taken.append((time.perf_counter() - start, time.process_time() - start_cpu))
    wall, cpu = (statistics.median(column) for column in zip(*taken, strict=True))
    results = 4 * FEATURES * (tokens + classes)
    return {"wall": wall, "cpu": cpu, "MiB": (peak - results) / MIB}


def slope(sizes: Sequence[float], times: Sequence[float]) -> float:
    """Return the exponent by which times grow with sizes: the slope between the two ends."""
    return math.log(times[-1] / times[0]) / math.log(sizes[-1] / sizes[0])


def report(found: dict[str, Any]) -> Report:
    """Hold the claims to what was found."""
    rows, claims, charts = [], [], []
    for what, place, sizes in (("tokens", 0, BY_TOKENS), ("classes", 1, BY_CLASSES)):
        along = [size[place] for size in sizes]
        logits = [4 * tokens * classes / MIB for tokens, classes in sizes]
        time_lines, memory_lines = {}, {"logits alone": list(zip(along, logits, strict=True))}
        for backend, numbers in found.items():
            points = [numbers[f"{tokens} x {classes}"] for tokens, classes in sizes]
            cpu, peaks = ([point[key] for point in points] for key in ("cpu", "MiB"))
            time_lines[backend] = list(zip(along, cpu, strict=True))
            memory_lines[backend] = list(zip(along, peaks, strict=True))
            power, (low, high) = slope(along, cpu), SLOPE
            text = (
                f"{backend}: CPU time grows with {what} by a power of {low} to {high}: {power:.2f}"
            )
            claims.append(Claim(text, low <= power <= high))
            if what == "tokens":
                growth = peaks[-1] / peaks[1]
                text = (
                    f"{backend}: 16 times the tokens take at most {FLAT} x the memory: {growth:.2f}"
                )
                claims.append(Claim(text, growth <= FLAT))
            rows += [
                [
                    backend,
                    f"{n} x {v}",
                    f"{p['cpu']:.2f} s",
                    f"{p['MiB']:.0f} MiB",
                    f"{full:.0f} MiB",
                ]
                for (n, v), p, full in zip(sizes, points, logits, strict=True)
            ]
        charts.append(Lines("seconds of CPU", what, time_lines))
        charts.append(Lines("peak above results, MiB", what, memory_lines))
    head = ("backend", "tokens x classes", "CPU", "peak above results", "logits alone")
    return Report([Table(f"Growth, {FEATURES} features", head, rows)], claims, charts)


def main() -> None:
    """Measure one size or backend here, or all of them in processes of their own."""
    options = arguments(
        __doc__,
        rounds=3,
        tokens={"type": int, "default": 0},
        classes={"type": int, "default": 0},
    )
    if options.tokens:
        numbers = one_size(options.backend, options.tokens, options.classes, options.rounds)
        print(json.dumps(numbers))
    else:
        run(__file__, options, lambda: measure(options.backend, options.rounds), report)


if __name__ == "__main__":
    main()
