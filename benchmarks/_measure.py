"""How the benchmarks measure: turns, medians, ratios, peaks, one process a backend."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BACKENDS = ("jax", "tensorflow", "torch")

# Threads that wait must sleep: spinning ones would be counted as CPU time.
QUIET = {
    "OMP_WAIT_POLICY": "PASSIVE",
    "KMP_BLOCKTIME": "0",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_ENABLE_ONEDNN_OPTS": "0",
}


@dataclass(frozen=True)
class Timing:
    """One way of doing a thing, over all rounds. Times in seconds, ratios against another way.

    Attributes:
        wall: Median time on the clock.
        cpu: Median time of all threads.
        ratio: Median over rounds of the wall time divided by that of the reference in the round.
        low: The quartile below that median.
        high: The quartile above it.
        cpu_ratio: The same as `ratio` for CPU time.
        best: The shortest wall time divided by the shortest of the reference.
    """

    wall: float
    cpu: float
    ratio: float
    low: float
    high: float
    cpu_ratio: float
    best: float


def in_turns(
    ways: Mapping[str, Callable[[], Any]], *, reference: str, rounds: int, warm_up: int = 3
) -> dict[str, Timing]:
    """Time several ways of doing one thing, one call of each a round.

    A busy machine then slows all alike. The order turns from round to round.
    """
    for _ in range(warm_up):
        for way in ways.values():
            way()
    wall: dict[str, list[float]] = {name: [] for name in ways}
    cpu: dict[str, list[float]] = {name: [] for name in ways}
    names = list(ways)
    for place in range(rounds):
        shift = place % len(names)
        for name in names[shift:] + names[:shift]:
            start, start_cpu = time.perf_counter(), time.process_time()
            ways[name]()
            cpu[name].append(time.process_time() - start_cpu)
            wall[name].append(time.perf_counter() - start)
    return {name: _timing(name, reference, wall, cpu) for name in ways}


def _timing(
    name: str, reference: str, wall: Mapping[str, list[float]], cpu: Mapping[str, list[float]]
) -> Timing:
    ratios = _ratios(wall[name], wall[reference])
    low, middle, high = statistics.quantiles(ratios, n=4)
    return Timing(
        wall=statistics.median(wall[name]),
        cpu=statistics.median(cpu[name]),
        ratio=middle,
        low=low,
        high=high,
        cpu_ratio=statistics.median(_ratios(cpu[name], cpu[reference])),
        best=min(wall[name]) / max(min(wall[reference]), 1e-9),
    )


def _ratios(times: Iterable[float], reference: Iterable[float]) -> list[float]:
    return [a / max(b, 1e-9) for a, b in zip(times, reference, strict=True)]


def arguments(doc: str | None, *, rounds: int, **more: dict[str, Any]) -> argparse.Namespace:
    """Read the command line that all benchmarks over backends have, and more options by name."""
    parser = argparse.ArgumentParser(description=doc)
    parser.add_argument("--backend", choices=BACKENDS, help="this one only, in this process")
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--json", type=Path, help="write the numbers there")
    for name, option in more.items():
        parser.add_argument(f"--{name}", **option)
    found = parser.parse_args()
    if found.backend:
        os.environ["KERAS_BACKEND"] = found.backend  # Keras is not imported yet
    return found


def each_backend(script: str, options: argparse.Namespace, *more: str) -> dict[str, Any]:
    """Run the script once a backend, each in a process of its own, and collect what it prints.

    Args:
        script: The path of the benchmark.
        options: Its command line.
        *more: What else stands on the command line of each process.
    """
    found = {}
    for backend in BACKENDS:
        given = ["--backend", backend, "--rounds", str(options.rounds), *more]
        found[backend] = in_fresh_process(script, backend, *given)
    return found


def in_fresh_process(script: str, backend: str, *given: str) -> Any:
    """Run the script in a process of its own, and return what it prints last.

    Args:
        script: The path of the benchmark.
        backend: What Keras runs on there.
        *given: The command line.
    """
    environment = {**os.environ, **QUIET, "KERAS_BACKEND": backend}
    done = subprocess.run(  # noqa: S603 - this very script
        [sys.executable, script, *given],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{script} could not measure on {backend}")
    return json.loads(done.stdout.splitlines()[-1])


def peak_of(step: Callable[[], Any]) -> tuple[int, Any]:
    """Return by how many bytes a step raises the peak of this process, and its result; on Linux."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = _resident("VmRSS")
    result = step()
    return _resident("VmHWM") - before, result


def _resident(field: str) -> int:
    rows = dict(row.split(":") for row in Path("/proc/self/status").read_text().splitlines())
    return int(rows[field].split()[0]) * 1024
