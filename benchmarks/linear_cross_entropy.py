"""Claim: fused cross-entropy costs the counted tokens in time, and a chunk in memory.

Value and gradients, with respect to hidden states and kernel, of the mean over counted tokens:
`lm.ops.linear_cross_entropy` against Keras' own, the product with the kernel and
`SparseCategoricalCrossentropy(reduction="mean_with_sample_weight")`; both compiled except on
PyTorch. 256 features, float32, the counted tokens a prefix of each row of 256.

Beside them run what each framework offers: on PyTorch `F.cross_entropy` and
`F.linear_cross_entropy`, which takes full logits unless it is given options; with its default
options; with the best length of a chunk we know; and with that on the counted tokens alone, picked
out by hand. On JAX optax, and jax-cce where it is installed, which has no mask and averages over
all tokens. Those that no claim is about are timed at the smaller size alone.

The limit is the three products of matrices that nothing can do without, of the counted tokens alone
and in one piece each, in the same framework.

Memory is by how much the peak of a fresh process rises over what its inputs take, compilation
included.

The claims are held to CPU time, which a busy machine changes less than time on the clock.

    python benchmarks/linear_cross_entropy.py [--rounds 3] [--small] [--json FILE]
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import numpy as np
from _linear import (
    JAX_CCE,
    KERAS,
    LIMIT,
    OURS,
    ROW,
    TUNED,
    data,
    limit_of,
    step_of,
    ways,
)
from _measure import arguments, in_fresh_process, in_turns, peak_of
from _report import Bars, Claim, Report, Table, cpu_ratios, run, timings

FEATURES = 256
SMALL, LARGE = (2048, 8192), (8192, 32768)
SHARES = (1.0, 0.5, 0.25)
HELD = {KERAS, OURS, TUNED}
"""What a claim is about; the other peers are timed at the smaller size alone."""

TIME = {
    "jax": dict(zip(SHARES, (0.75, 0.42, 0.22), strict=True)),
    "tensorflow": dict(zip(SHARES, (1.0, 0.55, 0.30), strict=True)),
    "torch": dict(zip(SHARES, (0.75, 0.42, 0.22), strict=True)),
}
OF_LIMIT = {"jax": 0.85, "tensorflow": 0.85, "torch": 0.90}
OF_TUNED = {1.0: 1.0, 0.25: 0.30}
MEMORY = {"jax": 0.06, "tensorflow": 0.20, "torch": 0.03}


def value_of(found: Any) -> float:
    """Return the value of a step, whatever comes with it."""
    return float(found[0] if isinstance(found, tuple) else found)


def measure(backend: str, sizes: list[tuple[int, int]], rounds: int) -> dict[str, Any]:
    """Time all ways for each size and share, and take the memory of each for the largest size."""
    times = {
        f"{size[0]} x {size[1]}, share {share}": timed(backend, size, share, rounds)
        for size in sizes
        for share in SHARES
    }
    return {
        "times": times,
        "memory": {name: elsewhere(backend, name, sizes[-1]) for name in ways(backend)},
    }


def timed(
    backend: str, size: tuple[int, int], share: float, rounds: int
) -> dict[str, dict[str, float]]:
    """Time what runs at that size and share, after holding the values to each other."""
    hidden, kernel, _, mask = arrays = data(*size, FEATURES, share)
    steps = {
        name: step_of(backend, way, arrays)
        for name, way in ways(backend).items()
        if size == SMALL or name in HELD
    }
    values = {name: value_of(step()) for name, step in steps.items()}
    for name, value in values.items():
        if name != JAX_CCE or share == 1:
            np.testing.assert_allclose(value, values[KERAS], rtol=1e-4, err_msg=name)
    steps[LIMIT] = limit_of(backend, hidden, kernel, mask)
    steps[LIMIT]()  # the others have been called
    more = rounds if size == LARGE else 3 * rounds
    timings = in_turns(steps, reference=KERAS, rounds=more, warm_up=0)
    return {name: asdict(timing) for name, timing in timings.items()}


def elsewhere(backend: str, name: str, size: tuple[int, int]) -> float:
    """Take the memory of one way in a process of its own."""
    given = ["--backend", backend, "--memory", name]
    given += ["--tokens", str(size[0]), "--classes", str(size[1])]
    return in_fresh_process(__file__, backend, *given)


def peak(backend: str, name: str, tokens: int, classes: int) -> float:
    """Return by how many MiB one step raises the peak of this process."""
    step = step_of(backend, ways(backend)[name], data(tokens, classes, FEATURES, 1.0))
    small = step_of(backend, ways(backend)[name], data(ROW, 64, FEATURES, 1.0))
    small()  # what the framework itself loads at the first step
    return peak_of(step)[0] / 2**20


def report(found: dict[str, Any]) -> Report:
    """Hold the claims to what was found."""
    cases = list(next(iter(found.values()))["times"])
    times = {case: {name: f["times"][case] for name, f in found.items()} for case in cases}
    memory = {backend: f["memory"] for backend, f in found.items()}
    claims = []
    for case, by_backend in times.items():
        share = float(case.rpartition(" ")[2])
        for backend, taken in cpu_ratios(by_backend).items():
            claims += time_claims(f"{backend}, {case}", backend, taken, share)
    for backend, peaks in memory.items():
        ratio, limit = peaks[OURS] / peaks[KERAS], MEMORY[backend]
        text = f"{backend}: at most {limit} of Keras' peak memory: {ratio:.3f}"
        claims.append(Claim(text, ratio <= limit))
    rows = [
        [backend, way, f"{taken:.0f} MiB", f"{taken / peaks[KERAS]:.3f}"]
        for backend, peaks in memory.items()
        for way, taken in peaks.items()
    ]
    tables = [timings(f"{FEATURES} features, {case}", f) for case, f in times.items()]
    tables.append(Table("Peak memory", ("backend", "way", "peak", "of Keras'"), rows))
    return Report(tables, claims, [chart(times), Bars("peak memory in MiB", memory, OURS)])


def chart(times: dict[str, Any]) -> Bars:
    """Draw the times at the largest size beside those of Keras, which are 1."""
    size = list(times)[-1].partition(",")[0]
    values, targets = {}, {}
    for backend in TIME:
        for share in SHARES:
            taken = cpu_ratios(times[f"{size}, share {share}"])[backend]
            group = f"{backend}, {share:.0%} counted"
            values[group] = {name: taken[name] for name in taken if name != KERAS}
            targets[group] = TIME[backend][share]
    return Bars(f"CPU time over Keras', {size}", values, OURS, targets)


def time_claims(case: str, backend: str, taken: dict[str, float], share: float) -> list[Claim]:
    """Hold the time of one size and share to Keras', to the limit and to PyTorch's own."""
    limit, mine = TIME[backend][share], taken[OURS]
    claims = [Claim(f"{case}: at most {limit} of Keras' CPU time: {mine:.3f}", mine <= limit)]
    reached, least = taken[LIMIT] / mine, OF_LIMIT[backend]
    text = f"{case}: at least {least} of the speed of the three products alone: {reached:.2f}"
    claims.append(Claim(text, reached >= least))
    if TUNED in taken and share in OF_TUNED:
        ratio, most = mine / taken[TUNED], OF_TUNED[share]
        text = f"{case}: at most {most} of the CPU time of {TUNED}: {ratio:.2f}"
        claims.append(Claim(text, ratio <= most))
    return claims


def main() -> None:
    """Measure one backend here, or all of them in processes of their own."""
    options = arguments(
        __doc__,
        rounds=3,
        memory={"help": "take the memory of this way alone"},
        tokens={"type": int, "default": 0},
        classes={"type": int, "default": 0},
        small={"action": "store_true", "help": "the smaller size only"},
    )
    if options.memory:
        print(json.dumps(peak(options.backend, options.memory, options.tokens, options.classes)))
        return
    sizes = [SMALL] if options.small else [SMALL, LARGE]
    run(
        __file__,
        options,
        lambda: measure(options.backend, sizes, options.rounds),
        report,
        *(["--small"] if options.small else []),
    )


if __name__ == "__main__":
    main()
