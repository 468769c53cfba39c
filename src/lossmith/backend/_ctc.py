"""The sum over alignments where a framework has a better one than `keras.ops` can write."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from lossmith.backend._host import Tensor

Score = Callable[[Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Any]]
Posterior = Callable[[Any], Tensor]


def alignments(score: Score, posterior: Posterior) -> tuple[Score, Posterior]:
    """Return what sums over alignments, and gives their posteriors: PyTorch's own, or as given.

    PyTorch's CTC loss runs in float64 here: its float32 is off by 1e-2 at a thousand frames, and
    with the columns of the labels alone the double costs little.

    Args:
        score: From log-probabilities of the blank and of each label (B, T, S + 1), whether the next
            label is the same (B, S - 1), label lengths (B,) and live frames (B, T) to the
            log-probability of each sample's labels, and what `posterior` needs.
        posterior: From that to probabilities (B, T, S + 1).
    """
    own = keras.backend.backend() == "torch"
    return (_score, _posterior) if own else (score, posterior)


def _score(
    taken: Tensor, repeats: Tensor, label_lengths: Tensor, live: Tensor
) -> tuple[Tensor, Any]:
    import torch

    double = torch.float32 if taken.device.type == "mps" else torch.float64
    new = torch.nn.functional.pad(~repeats, (1, 0), value=True)
    place = torch.arange(1, new.shape[1] + 1, device=new.device)
    targets = torch.where(new, place, 0).cummax(dim=1).values
    lengths = (live.sum(dim=1), label_lengths.long())
    with torch.enable_grad():
        scores = taken.detach().to(double).transpose(0, 1).requires_grad_()
        value = torch.nn.functional.ctc_loss(scores, targets, *lengths, reduction="none")
    return -value.detach().to(taken.dtype), (scores, value, taken.dtype)


def _posterior(kept: Any) -> Tensor:
    import torch

    scores, value, dtype = kept
    (gradient,) = torch.autograd.grad(value, scores, torch.ones_like(value), retain_graph=True)
    # PyTorch takes a softmax for granted: its gradient is exp(score) less the posterior.
    return (scores.detach().exp() - gradient).transpose(0, 1).to(dtype)


def log_columns(logits: Tensor, columns: Tensor, *, softmax: bool) -> tuple[Tensor, Any]:
    """Return some columns of `log_softmax(logits)`, and what their gradient needs.

    Args:
        logits: (B, T, classes).
        columns: (B, N) integers; one may come several times.
        softmax: Whether to take it; otherwise these are columns of the logits.

    Returns:
        (B, T, N), and the second argument of `weighted_softmax_less`.
    """
    if keras.backend.backend() == "torch":
        logs = logits.log_softmax(dim=-1) if softmax else logits
        return logs.gather(2, _over_frames(columns, logits)), softmax
    normaliser = ops.logsumexp(logits, axis=-1, keepdims=True) if softmax else None
    taken = ops.take_along_axis(logits, columns[:, None, :], axis=2)
    return (taken - normaliser if softmax else taken), normaliser


def weighted_softmax_less(  # noqa: PLR0913, PLR0917
    logits: Tensor, normaliser: Any, weight: Tensor, mask: Tensor, columns: Tensor, amounts: Tensor
) -> Tensor:
    """Return `weight * softmax(logits)` less amounts at some columns; 0 where the mask is False.

    On PyTorch one tensor of that size is made, and changed in place.

    Args:
        logits: (B, T, classes); where the mask is False anything.
        normaliser: What `log_columns` returned; without its softmax there is none here either.
        weight: (B, 1, 1).
        mask: (B, T, 1) booleans.
        columns: (B, N) integers; one may come several times.
        amounts: (B, T, N), 0 where the mask is False.
    """
    if keras.backend.backend() == "torch":
        whole = logits.softmax(dim=-1) if normaliser else ops.zeros_like(logits)
        whole = whole.mul_(weight).masked_fill_(~mask, 0.0)
        return whole.scatter_add_(2, _over_frames(columns, logits), -amounts)
    softmax = ops.zeros_like(logits) if normaliser is None else ops.exp(logits - normaliser)
    whole = ops.where(mask, weight * softmax, 0.0)
    if keras.backend.backend() == "jax":
        sample = ops.arange(logits.shape[0])[:, None]
        return whole.at[sample, :, columns].add(-ops.transpose(amounts, (0, 2, 1)))
    return _tensorflow(whole, columns, amounts)


def _over_frames(columns: Tensor, logits: Tensor) -> Tensor:
    return columns.long()[:, None].expand(-1, logits.shape[1], -1)


def _tensorflow(whole: Tensor, columns: Tensor, amounts: Tensor) -> Tensor:
    import tensorflow as tf

    shape = tf.shape(whole)
    rows = shape[0] * shape[1]
    place = tf.repeat(columns, shape[1], axis=0)
    row = tf.broadcast_to(tf.range(rows)[:, None], tf.shape(place))
    flat = tf.reshape(whole, (rows, shape[2]))
    amounts = tf.reshape(amounts, tf.shape(place))
    less = tf.tensor_scatter_nd_sub(flat, tf.stack([row, place], axis=-1), amounts)
    return tf.reshape(less, shape)
