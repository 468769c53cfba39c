"""Claims: `lm.CTC` takes at most 0.7 of optax' time on JAX, and no more than PyTorch's own there.

Value and gradient with respect to the logits of 16 samples, 512 frames and up to 64 labels, both
of unequal length, among 1024 classes. On TensorFlow the peer is `tf.nn.ctc_loss`, which Keras uses.
All are compiled (`jax.jit`, `tf.function`); PyTorch runs eagerly, its own in float32, while ours
sums over alignments in float64 there.

The claims are held to CPU time, which a busy machine changes less than time on the clock.

    python benchmarks/ctc.py [--rounds 15] [--json FILE]
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from _measure import Timing, arguments, in_turns
from _report import Bars, Claim, Report, cpu_ratios, run, timings

BATCH, FRAMES, CLASSES, LABELS = 16, 512, 1024, 64
PEERS = {"jax": "optax.ctc_loss", "tensorflow": "tf.nn.ctc_loss", "torch": "torch ctc_loss"}
LIMITS = {"jax": 0.7, "tensorflow": 1.0, "torch": 1.0}
OURS = "lm.CTC"

Step = Callable[[], tuple[Any, Any]]


def data() -> tuple[Any, ...]:
    """Return labels, logits, label lengths and frames."""
    rng = np.random.default_rng(0)
    labels = rng.integers(1, CLASSES, (BATCH, LABELS)).astype("int32")
    logits = rng.normal(size=(BATCH, FRAMES, CLASSES)).astype("float32")
    label_lengths = rng.integers(LABELS // 2, LABELS + 1, BATCH).astype("int32")
    frames = rng.integers(FRAMES * 3 // 4, FRAMES + 1, BATCH).astype("int32")
    return labels, logits, label_lengths, frames


def ours() -> Callable[[Any], Any]:
    """Return the total as a function of the logits."""
    import lossmith as lm

    labels, _, label_lengths, frames = data()
    y = {"y": labels, "labels": label_lengths, "frames": frames}
    loss = lm.CTC(lengths={"s": "y:labels", "t": "y:frames"}, reduce="sum")
    return lambda logits: loss(y, logits)


def in_jax() -> dict[str, Step]:
    """Return both ways on JAX."""
    import jax
    import optax

    labels, logits, label_lengths, frames = data()
    behind = (np.arange(FRAMES) >= frames[:, None]).astype("float32")
    unsaid = (np.arange(LABELS) >= label_lengths[:, None]).astype("float32")
    given = jax.numpy.asarray(logits)

    def peer(x: Any) -> Any:
        return optax.ctc_loss(x, behind, labels, unsaid).sum()

    def step(function: Callable[[Any], Any]) -> Step:
        compiled = jax.jit(jax.value_and_grad(function))
        return lambda: jax.block_until_ready(compiled(given))

    return {PEERS["jax"]: step(peer), OURS: step(ours())}


def in_tensorflow() -> dict[str, Step]:
    """Return both ways on TensorFlow."""
    import tensorflow as tf

    labels, logits, label_lengths, frames = data()
    given = tf.constant(logits)

    def peer(x: Any) -> Any:
        values = tf.nn.ctc_loss(
            labels, x, label_lengths, frames, logits_time_major=False, blank_index=0
        )
        return tf.reduce_sum(values)

    def step(function: Callable[[Any], Any]) -> Step:
        @tf.function(autograph=False)
        def compiled(x: Any) -> Any:
            with tf.GradientTape() as tape:
                tape.watch(x)
                value = function(x)
            return value, tape.gradient(value, x)

        return lambda: compiled(given)

    return {PEERS["tensorflow"]: step(peer), OURS: step(ours())}


def in_torch() -> dict[str, Step]:
    """Return both ways on PyTorch."""
    import torch

    labels, logits, label_lengths, frames = map(torch.as_tensor, data())

    def peer(x: Any) -> Any:
        logs = torch.log_softmax(x, dim=-1).transpose(0, 1)
        return torch.nn.functional.ctc_loss(logs, labels, frames, label_lengths, reduction="sum")

    def step(function: Callable[[Any], Any]) -> Step:
        def run() -> tuple[Any, Any]:
            x = logits.detach().requires_grad_()
            value = function(x)
            return value.detach(), torch.autograd.grad(value, x)[0]

        return run

    return {PEERS["torch"]: step(peer), OURS: step(ours())}


def check(ways: dict[str, Step]) -> None:
    """Hold both to each other before anything is timed."""
    (value, gradient), (other, other_gradient) = (way() for way in ways.values())
    np.testing.assert_allclose(np.asarray(other), np.asarray(value), rtol=1e-4)
    np.testing.assert_allclose(np.asarray(other_gradient), np.asarray(gradient), atol=1e-2)


def measure(backend: str, rounds: int) -> dict[str, Timing]:
    """Time ours and the peer of a backend in turns."""
    ways = {"jax": in_jax, "tensorflow": in_tensorflow, "torch": in_torch}[backend]()
    check(ways)
    return in_turns(ways, reference=PEERS[backend], rounds=rounds, warm_up=1)


def report(found: dict[str, Any]) -> Report:
    """Hold the claims to what was found."""
    size = f"{BATCH} x {FRAMES} frames x {CLASSES} classes, up to {LABELS} labels"
    claims = []
    for backend, limit in LIMITS.items():
        ratio = found[backend][OURS]["cpu_ratio"]
        claim = f"{backend}: at most {limit} x the CPU time of {PEERS[backend]}: {ratio:.2f}"
        claims.append(Claim(claim, ratio <= limit))
    chart = Bars("CPU time over that of the peer", cpu_ratios(found), OURS, LIMITS)
    return Report([timings(size, found)], claims, [chart])


def main() -> None:
    """Measure one backend here, or all of them in processes of their own."""
    options = arguments(__doc__, rounds=15)
    run(__file__, options, lambda: measure(options.backend, options.rounds), report)


if __name__ == "__main__":
    main()
