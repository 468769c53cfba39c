"""Connectionist temporal classification: the probability of a label sequence, over all alignments.

An alignment gives each frame a label or the blank; repeats without a blank between them are one
label. The sum over alignments runs frame by frame over nodes: node `n` has said `n` labels, and
either rests in a blank or still says label `n`. Scores are held relative to the largest of their
frame, so that float32 stays accurate however many frames there are.

For the gradient each node keeps two numbers, the shares of its probability that came from where it
could come from. On the way back they divide the posterior of a node among its predecessors.

Of the logits only the columns of the labels and of the blank are taken, each less the frame's
`logsumexp`.

Source: A. Graves et al., "Connectionist temporal classification", 2006.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras import ops

from lossmith import backend
from lossmith.core.axes import Tensor
from lossmith.core.labels import legal_labels as labels_of_classes
from lossmith.core.ops import ctc_feasible, lengths_to_mask

_IMPOSSIBLE = 1e29


@backend.compiled_once
def ctc(  # noqa: PLR0913
    labels: Tensor,
    logits: Tensor,
    label_lengths: Tensor,
    frames: Tensor,
    *,
    blank: int = 0,
    from_logits: bool = True,
) -> Tensor:
    """Return minus the log-probability of each sample's labels.

    What stands behind the lengths, NaN included, reaches neither the value nor the gradient. The
    gradient itself cannot be differentiated.

    Args:
        labels: (B, S) classes, integers or floats that hold integers.
        logits: (B, T, classes) scores in float32 or float64.
        label_lengths: (B,) how many of the S labels count.
        frames: (B,) how many of the T frames count.
        blank: The class that stands for no label.
        from_logits: Whether a softmax is to be taken; otherwise `logits` are log-probabilities.

    Returns:
        (B,) in the dtype of the logits. Infinite, with gradient 0, where no alignment has a
        probability. NaN where a label that counts is the blank or no class, and where a length is
        more than there is. 0 without frames and labels.
    """
    label_lengths, frames = (ops.cast(x, "int32") for x in (label_lengths, frames))
    sizes = ops.shape(labels)[1], ops.shape(logits)[1]
    inside = [
        (n >= 0) & (n <= most) for n, most in zip((label_lengths, frames), sizes, strict=True)
    ]
    label_lengths, frames = ops.clip(label_lengths, 0, sizes[0]), ops.clip(frames, 0, sizes[1])
    said = lengths_to_mask(label_lengths, ops.shape(labels)[1])
    live = lengths_to_mask(frames, ops.shape(logits)[1])
    wrong = ops.logical_and(said, ops.logical_not(legal_labels(labels, logits.shape[-1], blank)))
    usable = ops.logical_and(said, ops.logical_not(wrong))
    classes = ops.cast(ops.where(usable, labels, ops.full_like(labels, blank)), "int32")
    repeats = ops.equal(classes[:, 1:], classes[:, :-1])
    fits = ctc_feasible(classes, label_lengths, frames)
    columns = ops.pad(classes, ((0, 0), (1, 0)), constant_values=blank)

    def forward(logits: Tensor, *given: Tensor) -> tuple[tuple[Tensor], Any]:
        columns, repeats, label_lengths, live, fits = given
        taken, normaliser = backend.log_columns(logits, columns, softmax=from_logits)
        taken = ops.where(live[:, :, None], ops.maximum(taken, backend.NEVER), 0.0)
        score, kept = _SCORE(taken, repeats, label_lengths, live)
        possible = ops.logical_and(fits, ops.logical_not(score < -_IMPOSSIBLE))
        value = ops.where(possible, -score, float("inf"))
        return (value,), (logits, normaliser, columns, live, possible, kept)

    def backward(of_forward: Any, upstream: Sequence[Tensor]) -> tuple[Tensor | None, ...]:
        logits, normaliser, columns, live, possible, kept = of_forward
        scale = upstream[0][:, None, None]
        moves = ops.logical_and(possible[:, None], live)[:, :, None]
        amounts = ops.where(moves, scale * _POSTERIOR(kept), 0.0)
        gradient = backend.weighted_softmax_less(logits, normaliser, scale, moves, columns, amounts)
        return gradient, None, None, None, None, None

    loss = backend.custom_gradient(forward, backward)
    (value,) = loss(logits, columns, repeats, label_lengths, live, fits)
    legal = inside[0] & inside[1] & ~ops.any(wrong, axis=1)
    return ops.where(legal, value, float("nan"))


def legal_labels(labels: Tensor, classes: int, blank: int) -> Tensor:
    """Return which labels are classes other than the blank, (B, S) booleans."""
    legal, index = labels_of_classes(labels, classes)
    return ops.logical_and(legal, index != blank)


def _score(
    taken: Tensor, repeats: Tensor, label_lengths: Tensor, live: Tensor
) -> tuple[Tensor, Any]:
    """Return the log-probability of each sample's labels.

    Args:
        taken: (B, T, S + 1) log-probabilities of the blank and of each label.
        repeats: (B, S - 1) whether the next label is the same.
        label_lengths: (B,) integers.
        live: (B, T) booleans.

    Returns:
        (B,), and what `_posterior` needs.
    """
    nodes = ops.shape(taken)[2]
    repeats = ops.pad(repeats, ((0, 0), (1, 1)))
    live = ops.transpose(live)[:, :, None]

    def step(carry: Any, frame: Any) -> Any:
        rests, says, total = carry
        scores, is_live = frame
        both, from_rest = _joined(rests, says)
        enters = _moved(ops.where(repeats, rests, both), 1, backend.NEVER)
        stays, from_same = _joined(says, enters)
        rests, says = both + scores[:, :1], stays + scores
        top = ops.max(ops.maximum(rests, says), axis=1, keepdims=True)
        return _where(is_live, (rests - top, says - top, total + top), carry), (
            from_rest,
            from_same,
            total,
        )

    never = ops.full_like(taken[:, 0], backend.NEVER)
    nothing = ops.zeros_like(never[:, :1])
    start = (ops.concatenate([nothing, never[:, 1:]], axis=1), never, nothing)
    (rests, says, total), (from_rest, from_same, _) = ops.scan(
        step, start, (ops.transpose(taken, (1, 0, 2)), live)
    )
    both, rest = _joined(rests, says)
    last = ops.equal(ops.arange(nodes, dtype="int32"), label_lengths[:, None])
    score = total[:, 0] + ops.sum(ops.where(last, both, 0.0), axis=1)
    end = (ops.where(last, rest, 0.0), ops.where(last, 1.0 - rest, 0.0))
    return score, (end, repeats, (from_rest, from_same, live))


def _posterior(kept: Any) -> Tensor:
    """Return how likely the blank and each label are at each frame, given all labels.

    Returns:
        (B, T, S + 1) probabilities.
    """
    end, repeats, by_frame = kept

    def step(carry: Any, frame: Any) -> Any:
        rests, says = carry
        from_rest, from_same, is_live = frame
        enters = _moved(says * (1.0 - from_same), -1, 0.0)
        both = rests + ops.where(repeats, 0.0, enters)
        rests = both * from_rest + ops.where(repeats, enters, 0.0)
        says = says * from_same + both * (1.0 - from_rest)
        return _where(is_live, (rests, says), carry), carry

    _, (rests, says) = ops.scan(step, end, by_frame, reverse=True)
    blank = ops.sum(rests, axis=2, keepdims=True)
    return ops.transpose(ops.concatenate([blank, says[:, :, 1:]], axis=2), (1, 0, 2))


_SCORE, _POSTERIOR = backend.alignments(_score, _posterior)


def _where(mask: Tensor, new: tuple[Tensor, ...], old: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return tuple(ops.where(mask, a, b) for a, b in zip(new, old, strict=True))


def _joined(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Return `log(exp(a) + exp(b))`, and the share of `a` in it."""
    less = ops.exp(-ops.abs(a - b))
    whole = 1.0 + less
    return ops.maximum(a, b) + ops.log(whole), ops.where(a > b, 1.0, less) / whole


def _moved(x: Tensor, by: int, fill: float) -> Tensor:
    """Move nodes up by one or down by one."""
    edge = ops.full_like(x[:, :1], fill)
    kept = [edge, x[:, :-1]] if by > 0 else [x[:, 1:], edge]
    return ops.concatenate(kept, axis=1)
