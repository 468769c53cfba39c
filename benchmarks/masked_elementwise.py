"""Claims: a masked squared error costs what the best hand-written one and Keras' without mask cost.

Value and gradient with respect to the prediction of `lm.Loss("mse", "b t f, b t f", mask=...)`,
under each backend's compiler, against the form a careful user writes by hand (one `where` on the
difference, so that NaN in the padding reaches neither value nor gradient), and against Keras' own
`MeanSquaredError`: with sample weights, which is not safe from NaN and divides by all positions,
and without, which counts the padding.

The claims are held to CPU time, which a busy machine changes less than time on the clock. Whether
it is the same program, `same_program.py` counts exactly. That NaN in the padding changes nothing in
ours is held before anything is timed.

    python benchmarks/masked_elementwise.py [--rounds 40] [--json FILE]
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from _measure import Timing, arguments, in_turns
from _report import Bars, Claim, Report, cpu_ratios, run, timings

SHAPE = BATCH, STEPS, FEATURES = 64, 512, 64
LIMIT = 1.03
COMPILED, EAGER = 1.05, 0.60
"""The limits where Keras without a mask is the peer."""

HAND, OURS, KERAS, UNMASKED = "hand-written", "lossmith", "keras", "keras, no mask"

Array = np.ndarray
Given = tuple[Array, Array, Array]
Ways = dict[str, Callable[[], Any]]
Loss = Callable[[Any, Any, Any], Any]


def data(padding: float | None = None) -> Given:
    """Return prediction, target and a mask with half of the steps on average.

    Args:
        padding: What stands where nothing counts; None: numbers like all others.
    """
    rng = np.random.default_rng(0)
    prediction, target = rng.normal(size=(2, *SHAPE)).astype("float32")
    lengths = rng.integers(1, STEPS, BATCH)
    mask = np.arange(STEPS) < lengths[:, None]
    if padding is not None:
        prediction[~mask] = target[~mask] = padding
    return prediction, target, mask


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
        UNMASKED: lambda p, y, _: squared(y, p),
    }


def on_jax(given: Given) -> Ways:
    """Compile with `jax.jit`."""
    import jax

    arrays = [jax.numpy.asarray(x) for x in given]

    def way(loss: Loss) -> Callable[[], Any]:
        step = jax.jit(jax.value_and_grad(loss))
        return lambda: jax.block_until_ready(step(*arrays))

    return {name: way(loss) for name, loss in losses(hand_jax).items()}


def on_tensorflow(given: Given) -> Ways:
    """Compile with `tf.function`, without and with XLA."""
    import tensorflow as tf

    arrays = [tf.constant(x) for x in given]

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


def on_torch(given: Given) -> Ways:
    """Run eagerly, and with `torch.compile` where there is a C++ compiler."""
    import torch

    p, y, m = (torch.tensor(x) for x in given)
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


def check(ways: Ways, with_nan: Ways) -> None:
    """Hold ours to the hand-written value and gradient, also where the padding is NaN."""
    for name in (name for name in ways if name.startswith(OURS)):
        for way in (ways[name], with_nan[name]):
            pairs = zip(way(), ways[HAND](), strict=True)
            for found, wanted in pairs:
                np.testing.assert_allclose(
                    _numpy(found), _numpy(wanted), rtol=1e-4, atol=1e-10, err_msg=name
                )


def _numpy(x: Any) -> Any:
    return x.detach().numpy() if hasattr(x, "detach") else x


def measure(backend: str, rounds: int) -> dict[str, Timing]:
    """Time all ways of one backend, each against the hand-written one under the same compiler."""
    make = {"jax": on_jax, "tensorflow": on_tensorflow, "torch": on_torch}[backend]
    ways = make(data())
    check(ways, make(data(np.nan)))
    suffixes = dict.fromkeys(name[len(HAND) :] for name in ways if name.startswith(HAND))
    timings: dict[str, Timing] = {}
    for suffix in suffixes:
        group = {name + suffix: ways[name + suffix] for name in (HAND, OURS, KERAS, UNMASKED)}
        timings.update(in_turns(group, reference=HAND + suffix, rounds=rounds))
    return timings


def report(found: dict[str, Any]) -> Report:
    """Hold the claims to what was found."""
    claims = []
    for backend, taken in cpu_ratios(found).items():
        for way, ratio in taken.items():
            if not way.startswith(OURS):
                continue
            suffix = way.removeprefix(OURS)
            claim = f"{backend}, {way}: at most {LIMIT} x the CPU time of hand-written"
            claims.append(Claim(f"{claim}: {ratio:.2f}", ratio <= LIMIT))
            of_keras = ratio / taken[UNMASKED + suffix]
            limit = EAGER if backend == "torch" and not suffix else COMPILED
            claim = f"{backend}, {way}: at most {limit} x the CPU time of {UNMASKED}"
            claims.append(Claim(f"{claim}: {of_keras:.2f}", of_keras <= limit))
    label = "CPU time over that of the hand-written form"
    chart = Bars(label, cpu_ratios(found), OURS, dict.fromkeys(found, LIMIT))
    title = f"Masked squared error, value and gradient, {SHAPE}"
    return Report([timings(title, found)], claims, [chart])


def main() -> None:
    """Measure one backend here, or all of them in processes of their own."""
    options = arguments(__doc__, rounds=40)
    run(__file__, options, lambda: measure(options.backend, options.rounds), report)


if __name__ == "__main__":
    main()
