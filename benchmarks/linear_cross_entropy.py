"""Claim: fused cross-entropy costs the counted tokens in time, and a chunk in memory.

Value and gradients, with respect to hidden states and kernel, of the mean over counted tokens:
`lm.ops.linear_cross_entropy` against Keras' own, the product with the kernel and
`SparseCategoricalCrossentropy(reduction="mean_with_sample_weight")`; both compiled except on
PyTorch. There `torch.nn.functional.cross_entropy` and `linear_cross_entropy`, with the best chunk
we know, run too. 256 features, float32, the counted tokens a prefix of each row of 256.

Memory is by how much the peak of a fresh process rises over what its inputs take, compilation
included.

The claims are held to CPU time, which a busy machine changes less than time on the clock.

    python benchmarks/linear_cross_entropy.py [--rounds 5] [--small] [--json FILE]
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
from _measure import arguments, each_backend, in_fresh_process, in_turns, peak_of
from _report import Bars, Claim, Report, cpu_ratios, finish, timings

FEATURES, ROW = 256, 256
SMALL, LARGE = (2048, 8192), (8192, 32768)
SHARES = (1.0, 0.5, 0.25)
OURS, KERAS = "lm.ops.linear_cross_entropy", "Keras"
TORCH, TORCH_FUSED = "F.cross_entropy", "F.linear_cross_entropy"
CHUNK_OF_TORCH = 512
TIME = {
    "torch": dict(zip(SHARES, (0.75, 0.42, 0.22), strict=True)),
    "jax": dict(zip(SHARES, (0.75, 0.42, 0.22), strict=True)),
    "tensorflow": dict(zip(SHARES, (1.0, 0.55, 0.30), strict=True)),
}
MEMORY = {"torch": 0.03, "jax": 0.06, "tensorflow": 0.20}

Step = Callable[[], Any]


def data(tokens: int, classes: int, share: float) -> tuple[Any, Any, Any, Any]:
    """Return hidden states, kernel, labels and a mask of exactly that share."""
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(tokens, FEATURES)).astype("float32")
    kernel = (rng.normal(size=(FEATURES, classes)) / FEATURES**0.5).astype("float32")
    labels = rng.integers(0, classes, tokens).astype("int32")
    rows = tokens // ROW
    lengths = np.floor(np.linspace(0, 2 * share * ROW, rows)) if share < 1 else np.full(rows, ROW)
    lengths[rows // 2] += share * tokens - lengths.sum()
    mask = np.arange(ROW) < lengths[:, None]
    return hidden, kernel, labels, mask.reshape(-1)


def ours(hidden: Any, kernel: Any, labels: Any, mask: Any) -> Any:
    """Compute the mean over counted tokens."""
    import lossmith as lm

    return lm.ops.linear_cross_entropy(hidden, kernel, labels, mask=mask)


def by_keras(hidden: Any, kernel: Any, labels: Any, mask: Any) -> Any:
    """Compute the same from the logits."""
    import keras

    loss = keras.losses.SparseCategoricalCrossentropy(
        from_logits=True, reduction="mean_with_sample_weight"
    )
    return loss(labels, keras.ops.matmul(hidden, kernel), sample_weight=mask)


def of_torch(hidden: Any, kernel: Any, labels: Any, mask: Any) -> Any:
    """Compute the same with PyTorch's own loss."""
    import torch

    labels = torch.where(mask, labels.long(), -100)
    return torch.nn.functional.cross_entropy(hidden @ kernel, labels)


def fused_by_torch(hidden: Any, kernel: Any, labels: Any, mask: Any) -> Any:
    """Compute the same with PyTorch's fused loss."""
    import torch

    labels = torch.where(mask, labels.long(), -100)
    return torch.nn.functional.linear_cross_entropy(
        hidden,
        kernel.t(),
        labels,
        ignore_index=-100,
        options=torch.nn.LinearCrossEntropyOptions(batch_chunk_size=CHUNK_OF_TORCH),
    )


def ways(backend: str) -> dict[str, Callable[..., Any]]:
    """Return what is measured, Keras' own way first."""
    both: dict[str, Callable[..., Any]] = {KERAS: by_keras, OURS: ours}
    peers = {TORCH: of_torch, TORCH_FUSED: fused_by_torch}
    return {**both, **peers} if backend == "torch" else both


def step_of(backend: str, way: Callable[..., Any], arrays: tuple[Any, ...]) -> Step:
    """Return a function that computes value and gradients, and waits for them."""
    if backend == "jax":
        import jax

        run = jax.jit(jax.value_and_grad(way, argnums=(0, 1)))
        given = [jax.numpy.asarray(array) for array in arrays]
        return lambda: jax.block_until_ready(run(*given))
    if backend == "tensorflow":
        import tensorflow as tf

        @tf.function(autograph=False)
        def step(hidden: Any, kernel: Any, labels: Any, mask: Any) -> Any:
            with tf.GradientTape() as tape:
                tape.watch([hidden, kernel])
                value = way(hidden, kernel, labels, mask)
            return value, tape.gradient(value, [hidden, kernel])

        given = [tf.constant(array) for array in arrays]

        def run_tensorflow() -> float:
            return float(step(*given)[0])

        return run_tensorflow
    import torch

    hidden, kernel, *others = (torch.tensor(array) for array in arrays)
    watched = [hidden.requires_grad_(), kernel.requires_grad_()]

    def run_torch() -> Any:
        value = way(hidden, kernel, *others)
        return value.detach(), torch.autograd.grad(value, watched)

    return run_torch


def value_of(found: Any) -> float:
    """Return the value of a step, whatever comes with it."""
    return float(found[0] if isinstance(found, tuple) else found)


def measure(backend: str, sizes: list[tuple[int, int]], rounds: int) -> dict[str, Any]:
    """Time all ways for each size and share, and take the memory of each for the largest size."""
    found: dict[str, Any] = {}
    for tokens, classes in sizes:
        for share in SHARES:
            arrays = data(tokens, classes, share)
            steps = {name: step_of(backend, way, arrays) for name, way in ways(backend).items()}
            values = [value_of(step()) for step in steps.values()]
            np.testing.assert_allclose(values, values[0], rtol=1e-5)
            timings = in_turns(steps, reference=KERAS, rounds=rounds, warm_up=1)
            key = f"{tokens} x {classes}, share {share}"
            found[key] = {name: timing.__dict__ for name, timing in timings.items()}
    tokens, classes = sizes[-1]
    found["memory"] = {name: _elsewhere(backend, name, tokens, classes) for name in ways(backend)}
    return found


def _elsewhere(backend: str, name: str, tokens: int, classes: int) -> float:
    """Take the memory of one way in a process of its own."""
    given = ["--backend", backend, "--memory", name]
    given += ["--tokens", str(tokens), "--classes", str(classes)]
    return in_fresh_process(__file__, backend, *given)


def peak(backend: str, name: str, tokens: int, classes: int) -> float:
    """Return by how many MiB one step raises the peak of this process."""
    step = step_of(backend, ways(backend)[name], data(tokens, classes, 1.0))
    small = step_of(backend, ways(backend)[name], data(ROW, 64, 1.0))
    small()  # what the framework itself loads at the first step
    return peak_of(step)[0] / 2**20


def report(found: dict[str, Any]) -> Report:
    """Hold the claims to what was found."""
    cases = [case for case in next(iter(found.values())) if case != "memory"]
    times = {case: {backend: f[case] for backend, f in found.items()} for case in cases}
    memory = {backend: f["memory"] for backend, f in found.items()}
    claims, charts = [], []
    for case, by_backend in times.items():
        targets = {backend: TIME[backend][float(case.rpartition(" ")[2])] for backend in found}
        for backend, limit in targets.items():
            ratio = by_backend[backend][OURS]["cpu_ratio"]
            claim = f"{backend}, {case}: {ratio:.3f} of Keras' CPU time, target {limit}"
            claims.append(Claim(claim, ratio <= limit))
        charts.append(Bars(f"CPU time / Keras, {case}", cpu_ratios(by_backend), OURS, targets))
    for backend, limit in MEMORY.items():
        ratio = memory[backend][OURS] / memory[backend][KERAS]
        claims.append(
            Claim(f"{backend}: {ratio:.3f} of Keras' memory, target {limit}", ratio <= limit)
        )
    charts.append(Bars("peak memory in MiB", memory, OURS))
    return Report([timings(case, f) for case, f in times.items()], claims, charts)


def main() -> None:
    """Measure one backend here, or all of them in processes of their own."""
    options = arguments(
        __doc__,
        rounds=5,
        memory={"help": "take the memory of this way alone"},
        tokens={"type": int, "default": 0},
        classes={"type": int, "default": 0},
        small={"action": "store_true", "help": "the smaller size only"},
    )
    if options.memory:
        print(json.dumps(peak(options.backend, options.memory, options.tokens, options.classes)))
    elif options.backend:
        sizes = [SMALL] if options.small else [SMALL, LARGE]
        print(json.dumps(measure(options.backend, sizes, options.rounds)))
    else:
        found = each_backend(__file__, options, *(["--small"] if options.small else []))
        finish(options.json, found, report)


if __name__ == "__main__":
    main()
