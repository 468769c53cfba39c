"""Claim: a masked squared error costs what the best hand-written one costs.

Value and gradient with respect to the prediction of `lm.Loss("mse", "b t f, b t f", mask=...)`,
under each backend's compiler, against the form a careful user writes by hand (one `where` on the
difference, so that NaN in the padding reaches neither value nor gradient), and against Keras' own
`MeanSquaredError` with sample weights, which is not safe from NaN and divides by all positions.

The claim is held to CPU time, which a busy machine changes less than time on the clock. Whether it
is the same program, `same_program.py` counts exactly.

    python benchmarks/masked_elementwise.py [--rounds 40] [--json FILE]
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from _measure import Timing, arguments, each_backend, hand_back, in_turns
from _report import Bars, Claim, Report, cpu_ratios, finish, timings

SHAPE = BATCH, STEPS, FEATURES = 64, 512, 64
LIMIT = 1.03
HAND, OURS, KERAS = "hand-written", "lossmith", "keras"

Array = np.ndarray
Ways = dict[str, Callable[[], Any]]
Loss = Callable[[Any, Any, Any], Any]


def data() -> tuple[Array, Array, Array]:
    """Return prediction, target and a mask with half of the steps on average."""
    rng = np.random.default_rng(0)
    prediction, target = rng.normal(size=(2, *SHAPE)).astype("float32")
    lengths = rng.integers(1, STEPS, BATCH)
    return prediction, target, np.arange(STEPS) < lengths[:, None]


def hand_jax(p: Any, y: Any, m: Any) -> Any:
    """Write it by hand, in JAX."""
    import jax.numpy as jnp

    difference = jnp.where(m[..., None], p - y, 0.0)
    return jnp.sum(jnp.square(difference)) / (jnp.sum(m) * p.shape[-1])


def hand_tensorflow(p: Any, y: Any, m: Any) -> Any:
    """Write it by hand, in TensorFlow."""
    import tensorflow as tf

    difference = tf.where(m[..., tf.newaxis], p - y, 0.0)
    count = tf.reduce_sum(tf.cast(m, p.dtype)) * p.shape[-1]
    return tf.reduce_sum(tf.square(difference)) / count


def hand_torch(p: Any, y: Any, m: Any) -> Any:
    """Write it by hand, in PyTorch."""
    import torch

    difference = torch.where(m[..., None], p - y, 0.0)
    return difference.square().sum() / (m.sum() * p.shape[-1])


def losses(hand: Loss) -> dict[str, Loss]:
    """Return the three, each a function of prediction, target and mask."""
    import keras

    import lossmith as lm

    masked = lm.Loss("mse", "b t f, b t f", mask=lm.masks.Field("y:mask", "b t"))
    squared = keras.losses.MeanSquaredError()
    return {
        HAND: hand,
        OURS: lambda p, y, m: masked({"y": y, "mask": m}, p),
        KERAS: lambda p, y, m: squared(y, p, sample_weight=keras.ops.cast(m, "float32")),
    }


def on_jax() -> Ways:
    """Compile with `jax.jit`."""
    import jax

    arrays = [jax.numpy.asarray(x) for x in data()]

    def way(loss: Loss) -> Callable[[], Any]:
        step = jax.jit(jax.value_and_grad(loss))
        return lambda: jax.block_until_ready(step(*arrays))

    return {name: way(loss) for name, loss in losses(hand_jax).items()}


def on_tensorflow() -> Ways:
    """Compile with `tf.function`, without and with XLA."""
    import tensorflow as tf

    arrays = [tf.constant(x) for x in data()]

    def way(loss: Loss, *, xla: bool) -> Callable[[], Any]:
        @tf.function(jit_compile=xla)
        def step(p: Any, y: Any, m: Any) -> Any:
            with tf.GradientTape() as tape:
                tape.watch(p)
                value = loss(p, y, m)
            return value, tape.gradient(value, p)

        return lambda: [x.numpy() for x in step(*arrays)]

    return {
        name + suffix: way(loss, xla=xla)
        for suffix, xla in (("", False), (", XLA", True))
        for name, loss in losses(hand_tensorflow).items()
    }


def on_torch() -> Ways:
    """Run eagerly, and with `torch.compile` where there is a C++ compiler."""
    import torch

    p, y, m = (torch.tensor(x) for x in data())
    p.requires_grad_()

    def way(loss: Loss) -> Callable[[], Any]:
        def step() -> Any:
            value = loss(p, y, m)
            return value, torch.autograd.grad(value, p)[0]

        return step

    ways = {name: way(loss) for name, loss in losses(hand_torch).items()}
    if compiles():
        compiled = {name: torch.compile(loss) for name, loss in losses(hand_torch).items()}
        ways.update({f"{name}, compiled": way(loss) for name, loss in compiled.items()})
    return ways


def compiles() -> bool:
    """Whether `torch.compile` finds a C++ compiler."""
    import shutil

    return any(shutil.which(name) for name in ("g++", "clang++", "c++"))


def check(ways: Ways) -> None:
    """Hold ours to the hand-written value and gradient before anything is timed."""
    found = {name: [np.asarray(_numpy(x)) for x in way()] for name, way in ways.items()}
    for name, (value, gradient) in found.items():
        if not name.startswith(KERAS):
            np.testing.assert_allclose(value, found[HAND][0], rtol=1e-4)
            np.testing.assert_allclose(gradient, found[HAND][1], rtol=1e-4, atol=1e-10)


def _numpy(x: Any) -> Any:
    return x.detach().numpy() if hasattr(x, "detach") else x


def measure(backend: str, rounds: int) -> dict[str, Timing]:
    """Time all ways of one backend, each against the hand-written one under the same compiler."""
    ways = {"jax": on_jax, "tensorflow": on_tensorflow, "torch": on_torch}[backend]()
    check(ways)
    suffixes = dict.fromkeys(name[len(HAND) :] for name in ways if name.startswith(HAND))
    timings: dict[str, Timing] = {}
    for suffix in suffixes:
        group = {name + suffix: ways[name + suffix] for name in (HAND, OURS, KERAS)}
        timings.update(in_turns(group, reference=HAND + suffix, rounds=rounds))
    return timings


def report(found: dict[str, Any]) -> Report:
    """Hold the claims to what was found."""
    claims = []
    for backend, ways in found.items():
        for way, timing in ways.items():
            if way.startswith(OURS):
                ratio = timing["cpu_ratio"]
                claim = f"{backend}, {way}: at most {LIMIT} x the CPU time of hand-written"
                claims.append(Claim(f"{claim}: {ratio:.3f}", ratio <= LIMIT))
    chart = Bars(
        "CPU time over that of the hand-written form",
        cpu_ratios(found),
        OURS,
        dict.fromkeys(found, LIMIT),
    )
    title = f"Masked squared error, value and gradient, {SHAPE}"
    return Report([timings(title, found)], claims, [chart])


def main() -> None:
    """Measure one backend here, or all of them in processes of their own."""
    options = arguments(__doc__, rounds=40)
    if options.backend:
        hand_back(measure(options.backend, options.rounds))
        return
    finish(options.json, each_backend(__file__, options), report)


if __name__ == "__main__":
    main()
