"""The transducer loss (RNN-T): a sum over all ways to spread labels over frames.

A node `(t, u)` of the lattice stands for "at frame t, u labels are out". A blank leads to
`(t + 1, u)`, the next label to `(t, u + 1)`, and a last blank leaves the lattice. Each path meets
each anti-diagonal `t + u` once, so the recursion goes diagonal by diagonal. Its values are held
relative to the largest of their diagonal, so that float32 stays accurate however many frames there
are.

For the gradient each node keeps one number, the share of its probability that came by a blank. On
the way back, that share divides the posterior of a node between its two predecessors.

Source: A. Graves, "Sequence Transduction with Recurrent Neural Networks", 2012.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from keras import ops

from lossmith import backend
from lossmith.core.axes import Tensor
from lossmith.core.ops import lengths_to_mask
from lossmith.core.paths.ctc import legal_labels


@backend.compiled_once
def transducer(
    labels: Tensor, logits: Tensor, label_lengths: Tensor, frames: Tensor, *, blank: int = 0
) -> Tensor:
    """Return minus the log-probability of each sample's labels.

    The log-softmax is inside; of the size of the logits, only their gradient is made. What stands
    behind the lengths, NaN included, reaches neither the value nor the gradient. The gradient
    itself cannot be differentiated.

    Args:
        labels: (B, S) classes, integers or floats that hold integers.
        logits: (B, T, S + 1, classes) scores in float32 or float64.
        label_lengths: (B,) how many of the S labels count.
        frames: (B,) how many of the T frames count.
        blank: The class that stands for no label.

    Returns:
        (B,) in the dtype of the logits. Infinite, with gradient 0, where no path has a probability.
        NaN where a label that counts is the blank or no class, and where a length is more than
        there is. 0 without frames and labels.
    """
    labels, logits = (ops.convert_to_tensor(x) for x in (labels, logits))
    label_lengths, frames = (ops.cast(x, "int32") for x in (label_lengths, frames))
    said = lengths_to_mask(label_lengths, ops.shape(labels)[1])
    legal = legal_labels(labels, logits.shape[-1], blank)
    wrong = ops.any(ops.logical_and(said, ops.logical_not(legal)), axis=1)
    usable = ops.where(ops.logical_and(said, legal), ops.cast(labels, "int32"), blank)
    following = ops.pad(usable, ((0, 0), (0, 1)), constant_values=blank)[:, None]
    loss = backend.custom_gradient(partial(_loss, blank=blank), partial(_gradient, blank=blank))
    (value,) = loss(logits, following, label_lengths, frames)
    return ops.where(wrong, float("nan"), value)


def _loss(
    logits: Tensor, following: Tensor, label_lengths: Tensor, frames: Tensor, *, blank: int
) -> tuple[tuple[Tensor], tuple[Tensor, ...]]:
    """Return the value, and what its gradient needs."""
    frame, label = (ops.arange(size, dtype="int32") for size in ops.shape(logits)[1:3])
    frame, last_frame = frame[:, None], frames[:, None, None] - 1
    last_label = label_lengths[:, None, None]
    nodes = ops.logical_and(frame <= last_frame, label <= last_label)
    ends = backend.skew(ops.logical_and(frame == last_frame, label == last_label))
    normaliser = ops.logsumexp(logits, axis=-1)
    next_label = ops.broadcast_to(following, ops.shape(normaliser))
    emitted = ops.take_along_axis(logits, next_label[..., None], axis=-1)[..., 0]
    blanks = _cleaned(logits[..., blank] - normaliser, nodes)
    shares, totals = _forward(blanks, _cleaned(emitted - normaliser, nodes), nodes)
    score = ops.sum(ops.where(ends, totals, 0.0), axis=(0, 2))
    value = _value(score, ops.any(ends, axis=(0, 2)), label_lengths, frames)
    possible = ops.logical_not(ops.isinf(value))
    return (value,), (logits, normaliser, next_label, nodes, ends, shares, possible)


def _gradient(
    kept: tuple[Tensor, ...], upstream: tuple[Tensor, ...], *, blank: int
) -> tuple[Tensor | None, ...]:
    logits, normaliser, next_label, nodes, ends, shares, possible = kept
    scale = ops.where(possible, upstream[0], 0.0)[:, None, None]
    by_blank, by_label = (scale * backend.unskew(flow) for flow in _backward(shares, ends))
    gradient = backend.softmax_less_picked(
        logits,
        normaliser,
        weight=by_blank + by_label,
        mask=nodes,
        picked=[(ops.full_like(next_label, blank), by_blank), (next_label, by_label)],
    )
    return gradient, None, None, None


def _forward(blanks: Tensor, emitted: Tensor, nodes: Tensor) -> tuple[Tensor, Tensor]:
    """Return for each node the share that came by blank, and its score if the path left there.

    Args:
        blanks: (B, T, U) log-probabilities.
        emitted: (B, T, U) log-probabilities of the next label.
        nodes: (B, T, U) booleans.

    Returns:
        Both by diagonals, (T + U - 1, B, U).
    """

    def step(carry: Any, diagonal: Any) -> Any:
        by_blank, by_label, offset = carry
        blank, label, node = diagonal
        reached = ops.where(node, ops.logaddexp(by_blank, by_label), backend.NEVER)
        share = ops.where(node, ops.sigmoid(by_blank - by_label), 0.0)
        top = ops.max(reached, axis=-1, keepdims=True)
        reached, offset = reached - top, offset + top
        left = reached + blank
        return (left, _moved_right(reached + label), offset), (share, left + offset, offset)

    never = ops.full_like(blanks[:, 0], backend.NEVER)
    nothing = ops.zeros_like(never[:, :1])
    start = ops.concatenate([nothing, never[:, 1:]], axis=-1)
    given = tuple(backend.skew(x) for x in (blanks, emitted, nodes))
    _, (shares, totals, _) = ops.scan(step, (start, never, nothing), given)
    return shares, totals


def _backward(shares: Tensor, ends: Tensor) -> tuple[Tensor, Tensor]:
    """Return how likely each node is left by blank and by label, given the labels.

    Args:
        shares: (T + U - 1, B, U) what part of each node came by blank.
        ends: (T + U - 1, B, U) booleans.

    Returns:
        Both by diagonals, (T + U - 1, B, U).
    """

    def step(carry: Any, diagonal: Any) -> Any:
        by_blank, by_label = carry
        share, end = diagonal
        by_blank = by_blank + ops.cast(end, share.dtype)
        posterior = by_blank + by_label
        came_by_blank = posterior * share
        return (came_by_blank, _moved_left(posterior - came_by_blank)), (by_blank, by_label)

    nothing = ops.zeros_like(shares[0])
    _, flows = ops.scan(step, (nothing, nothing), (shares, ends), reverse=True)
    return flows


def _value(score: Tensor, ended: Tensor, label_lengths: Tensor, frames: Tensor) -> Tensor:
    value = ops.where(score < backend.NEVER / 2, float("inf"), -score)
    value = ops.where(ended, value, float("nan"))
    without_frames = ops.where(label_lengths == 0, 0.0, float("inf"))
    return ops.where(frames == 0, ops.cast(without_frames, value.dtype), value)


def _cleaned(log_probabilities: Tensor, nodes: Tensor) -> Tensor:
    """Return finite numbers, but for NaN at a node."""
    kept = ops.where(nodes, log_probabilities, 0.0)
    return ops.where(kept < backend.NEVER, backend.NEVER, kept)


def _moved_right(x: Tensor) -> Tensor:
    return ops.concatenate([ops.full_like(x[:, :1], backend.NEVER), x[:, :-1]], axis=-1)


def _moved_left(x: Tensor) -> Tensor:
    return ops.concatenate([x[:, 1:], ops.zeros_like(x[:, :1])], axis=-1)
