"""Claim: a masked squared error makes a program with no more work than the one written by hand.

Nothing is timed, so a busy machine changes nothing. For value and gradient of the three losses of
`masked_elementwise.py`: on JAX the floating point operations and bytes of the compiled program, on
TensorFlow (graph) how many operations give an array as large as the prediction, and on PyTorch
(eager) how many numbers new arrays hold, in predictions.

    python benchmarks/same_program.py [--json FILE]
"""

from __future__ import annotations

import math
from typing import Any

from _measure import arguments
from _report import Claim, Report, Table, run
from masked_elementwise import (
    HAND,
    OURS,
    SHAPE,
    Loss,
    data,
    hand_jax,
    hand_tensorflow,
    hand_torch,
    losses,
)

LARGE = math.prod(SHAPE)
SLACK = 1e-3
"""Scalars such as the divisor may differ: a share of the work."""

Work = dict[str, float]


def on_jax(loss: Loss) -> Work:
    """Ask XLA what its program costs."""
    import jax

    arrays = [jax.numpy.asarray(x) for x in data()]
    cost = jax.jit(jax.value_and_grad(loss)).lower(*arrays).compile().cost_analysis()
    cost = cost[0] if isinstance(cost, list) else cost
    return {"floating point operations": cost["flops"], "bytes": cost["bytes accessed"]}


def on_tensorflow(loss: Loss) -> Work:
    """Count the operations of the graph with a large result."""
    import tensorflow as tf

    @tf.function
    def step(p: Any, y: Any, m: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(p)
            value = loss(p, y, m)
        return value, tape.gradient(value, p)

    graph = step.get_concrete_function(*(tf.constant(x) for x in data())).graph
    computing = [op for op in graph.get_operations() if op.type not in {"Placeholder", "Identity"}]
    shapes = [out.shape for op in computing for out in op.outputs if out.shape.is_fully_defined()]
    large = sum(shape.num_elements() >= LARGE for shape in shapes)
    return {"operations on large arrays": large}


def on_torch(loss: Loss) -> Work:
    """Count the numbers in the arrays that are made."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    sizes: list[int] = []

    class Count(TorchDispatchMode):
        def __torch_dispatch__(self, op: Any, _: Any, args: Any = (), kwargs: Any = None) -> Any:
            found = op(*args, **(kwargs or {}))
            given = {x.data_ptr() for x in args if isinstance(x, torch.Tensor)}
            if isinstance(found, torch.Tensor) and found.data_ptr() not in given:
                sizes.append(found.numel())
            return found

    p, y, m = (torch.tensor(x) for x in data())
    p.requires_grad_()
    with Count():
        torch.autograd.grad(loss(p, y, m), p)
    return {"times the prediction in new arrays": sum(sizes) / LARGE}


WAYS = {
    "jax": (on_jax, hand_jax),
    "tensorflow": (on_tensorflow, hand_tensorflow),
    "torch": (on_torch, hand_torch),
}


def measure(backend: str) -> dict[str, Work]:
    """Count the work of all ways."""
    count, hand = WAYS[backend]
    return {name: count(loss) for name, loss in losses(hand).items()}


def report(found: dict[str, Any]) -> Report:
    """Hold the claims to what was found."""
    rows = [
        [backend, name, ", ".join(f"{_said(value)} {what}" for what, value in work.items())]
        for backend, works in found.items()
        for name, work in works.items()
    ]
    title = f"Masked squared error, value and gradient, {SHAPE}"
    claims = [
        Claim(f"{backend}: no more work than by hand", _at_most(works[OURS], works[HAND]))
        for backend, works in found.items()
    ]
    return Report([Table(title, ("backend", "way", "work"), rows)], claims)


def _said(value: float) -> str:
    return f"{value:.3g}" if value < 100 else f"{value:,.0f}"


def _at_most(work: Work, other: Work) -> bool:
    return all(value <= other[what] * (1 + SLACK) for what, value in work.items())


def main() -> None:
    """Count on one backend here, or on all of them in processes of their own."""
    options = arguments(__doc__, rounds=1)
    run(__file__, options, lambda: measure(options.backend), report)


if __name__ == "__main__":
    main()
