"""Ways from hidden states and a kernel to the cross-entropy of labels, on each backend."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np

ROW = 256
OURS, KERAS, LIMIT = "lm.ops.linear_cross_entropy", "Keras", "the three products alone"
TORCH, PLAIN = "F.cross_entropy", "F.linear_cross_entropy"
CHUNKED, TUNED, PICKED = f"{PLAIN}, options", f"{PLAIN}, tuned", f"{PLAIN}, tuned, counted tokens"
OPTAX, JAX_CCE = "optax", "jax-cce"
CHUNK_OF_TORCH = 512

Step = Callable[[], Any]
Way = Callable[..., Any]


def data(tokens: int, classes: int, features: int, share: float) -> tuple[Any, Any, Any, Any]:
    """Return hidden states, kernel, labels and a mask of exactly that share."""
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(tokens, features)).astype("float32")
    kernel = (rng.normal(size=(features, classes)) / features**0.5).astype("float32")
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


def fused_by_torch(options: Any = None, *, picked: bool = False) -> Way:
    """Return PyTorch's fused loss with these options, on the counted tokens alone or on all."""
    import torch

    def loss(hidden: Any, kernel: Any, labels: Any, mask: Any) -> Any:
        if picked:
            hidden, labels = hidden[mask], labels[mask].long()
        else:
            labels = torch.where(mask, labels.long(), -100)
        return torch.nn.functional.linear_cross_entropy(
            hidden, kernel.t(), labels, ignore_index=-100, options=options
        )

    return loss


def by_optax(hidden: Any, kernel: Any, labels: Any, mask: Any) -> Any:
    """Compute the same with optax."""
    import jax.numpy as jnp
    import optax

    errors = optax.softmax_cross_entropy_with_integer_labels(hidden @ kernel, labels)
    return jnp.sum(jnp.where(mask, errors, 0)) / jnp.sum(mask)


def by_jax_cce(hidden: Any, kernel: Any, labels: Any, mask: Any) -> Any:
    """Average over all tokens with jax-cce, which has no mask."""
    import jax_cce

    del mask
    return jax_cce.linear_cross_entropy(hidden, kernel.T, labels)


def ways(backend: str) -> dict[str, Way]:
    """Return what is measured, Keras' own way first."""
    found: dict[str, Way] = {KERAS: by_keras, OURS: ours}
    if backend == "torch":
        import torch

        tuned = torch.nn.LinearCrossEntropyOptions(batch_chunk_size=CHUNK_OF_TORCH)
        found |= {TORCH: of_torch, PLAIN: fused_by_torch()}
        found |= {CHUNKED: fused_by_torch(torch.nn.LinearCrossEntropyOptions())}
        found |= {TUNED: fused_by_torch(tuned), PICKED: fused_by_torch(tuned, picked=True)}
    if backend == "jax":
        found[OPTAX] = by_optax
        if importlib.util.find_spec("jax_cce"):
            found[JAX_CCE] = by_jax_cce
    return found


def step_of(backend: str, way: Way, arrays: tuple[Any, ...]) -> Step:
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


def limit_of(backend: str, hidden: Any, kernel: Any, mask: Any) -> Step:
    """Return a function that makes the three products of the counted tokens."""
    hidden = hidden[mask]

    def products(x: Any, kernel: Any) -> Any:
        logits = x @ kernel
        return logits @ kernel.T, x.T @ logits

    if backend == "jax":
        import jax

        run, given = jax.jit(products), [jax.numpy.asarray(x) for x in (hidden, kernel)]
        return lambda: jax.block_until_ready(run(*given))
    if backend == "tensorflow":
        import tensorflow as tf

        @tf.function(autograph=False)
        def step(x: Any, kernel: Any) -> Any:
            logits = tf.matmul(x, kernel)
            back = tf.matmul(logits, kernel, transpose_b=True)
            return back, tf.matmul(x, logits, transpose_a=True)

        tensors = [tf.constant(x) for x in (hidden, kernel)]
        return lambda: step(*tensors)
    import torch

    x, matrix = torch.tensor(hidden), torch.tensor(kernel)
    logits, back, total = (
        torch.empty(s) for s in ((len(x), matrix.shape[1]), x.shape, matrix.shape)
    )

    def run_torch() -> None:
        torch.mm(x, matrix, out=logits)
        torch.mm(logits, matrix.t(), out=back)
        torch.mm(x.t(), logits, out=total)

    return run_torch
