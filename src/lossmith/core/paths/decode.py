"""`lm.decode`: labels from the scores of frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from lossmith.core.axes import Tensor, shape_text
from lossmith.core.ops import lengths_to_mask
from lossmith.core.paths.classes import blank_class
from lossmith.core.paths.order import counted_first
from lossmith.messages import ArgumentError, ShapeError

__all__ = ["Hypothesis", "ctc_beam", "ctc_greedy"]

_NO_LABEL = -1
_RANK = 3


def ctc_greedy(scores: Any, lengths: Any = None, blank: int = 0) -> tuple[Tensor, Tensor]:
    """Take the likeliest class of each frame, and drop repetitions and blanks.

    It is made of `keras.ops`, and can be compiled.

    Args:
        scores: (B, T, classes) logits or log-probabilities.
        lengths: (B,) how many frames count; None: all.
        blank: The class that stands for no label; -1 is the last.

    Returns:
        The labels, (B, T) integers, -1 behind the last; and how many there are, (B,).

    Raises:
        ShapeError: If `scores` has not three axes.
        ArgumentError: If `blank` is no class.

    Example:
        >>> import keras, lossmith as lm
        >>> scores = keras.ops.one_hot([[1, 1, 0, 1, 2]], 3)
        >>> labels, lengths = lm.decode.ctc_greedy(scores)
        >>> keras.ops.convert_to_numpy(labels).tolist()
        [[1, 1, 2, -1, -1]]
    """
    scores = ops.convert_to_tensor(scores)
    blank = _checked_blank(scores, blank)
    best = ops.cast(ops.argmax(scores, axis=-1), "int32")
    before = ops.pad(best[:, :-1], ((0, 0), (1, 0)), constant_values=blank)
    kept = ops.logical_and(best != blank, best != before)
    if lengths is not None:
        kept = ops.logical_and(kept, lengths_to_mask(lengths, ops.shape(best)[1]))
    return closed_up(best, kept)


def closed_up(labels: Tensor, kept: Tensor) -> tuple[Tensor, Tensor]:
    """Return the labels that are kept, moved together, and how many there are.

    Args:
        labels: (B, T) integers.
        kept: (B, T) booleans.

    Returns:
        (B, T) integers, -1 behind the last; and (B,).
    """
    count = ops.sum(ops.cast(kept, "int32"), axis=1)
    together = ops.take_along_axis(labels, counted_first(kept), axis=1)
    within = lengths_to_mask(count, ops.shape(labels)[1])
    return ops.where(within, together, _NO_LABEL), count


@dataclass(frozen=True)
class Hypothesis:
    """Labels that a sample may have.

    Attributes:
        labels: The labels.
        log_probability: The logarithm of the sum over all paths to them that the search kept.
    """

    labels: tuple[int, ...]
    log_probability: float


def ctc_beam(
    scores: Any, lengths: Any = None, *, width: int = 16, blank: int = 0
) -> list[list[Hypothesis]]:
    """Search for the likeliest labels, over all paths that give them.

    A prefix beam search: after each frame the `width` likeliest beginnings are kept. It runs in
    NumPy and float64 on the host, sample by sample, so it is for evaluation and not inside a
    compiled step. A beginning that is dropped takes its probability along: log-probabilities are
    exact where the beam holds everything, and lower bounds otherwise.

    Source: A. Graves, "Supervised Sequence Labelling with Recurrent Neural Networks", 2012, and
    A. Hannun et al., "First-Pass Large Vocabulary Continuous Speech Recognition", 2014.

    Args:
        scores: (B, T, classes) logits or log-probabilities.
        lengths: (B,) how many frames count; None: all.
        width: How many beginnings are kept.
        blank: The class that stands for no label; -1 is the last.

    Returns:
        At most `width` hypotheses for each sample, the likeliest first.

    Raises:
        ShapeError: If `scores` has not three axes.
        ArgumentError: If `blank` is no class, or `width` is below 1.

    Example:
        >>> import numpy as np, lossmith as lm
        >>> probabilities = [[[0.6, 0.4], [0.6, 0.4]]]  # two frames; blank, and the class 1
        >>> best, *others = lm.decode.ctc_beam(np.log(probabilities))[0]
        >>> best.labels, round(float(np.exp(best.log_probability)), 2)
        ((1,), 0.64)
    """
    scores = np.asarray(ops.convert_to_numpy(scores), "float64")
    blank = _checked_blank(scores, blank)
    if width < 1:
        raise ArgumentError(
            "a beam holds at least one hypothesis",
            got=f"width={width!r}",
            expected="a whole number from 1",
            fix="width=16",
        )
    frames = [scores.shape[1]] * len(scores) if lengths is None else ops.convert_to_numpy(lengths)
    samples = zip(scores, frames, strict=True)
    return [_search(_log_softmax(x[:steps]), width, blank) for x, steps in samples]


@dataclass(frozen=True)
class _Beam:
    """Beginnings, with the log-probability of their paths that end in a blank, or a label."""

    prefixes: list[tuple[int, ...]]
    in_blank: np.ndarray
    in_label: np.ndarray

    @property
    def total(self) -> np.ndarray:
        return np.logaddexp(self.in_blank, self.in_label)


def _search(log_probabilities: np.ndarray, width: int, blank: int) -> list[Hypothesis]:
    beam = _Beam([()], np.zeros(1), np.full(1, -np.inf))
    for frame in log_probabilities:
        beam = _pruned(_extended(beam, frame, blank), width)
    order = np.argsort(-beam.total, kind="stable")
    return [Hypothesis(beam.prefixes[at], float(beam.total[at])) for at in order]


def _extended(beam: _Beam, frame: np.ndarray, blank: int) -> tuple[_Beam, np.ndarray]:
    """Return the beginnings as they are after a frame, and the scores of those one label longer."""
    last = np.array([prefix[-1] if prefix else blank for prefix in beam.prefixes])
    rows = np.arange(len(last))
    longer = beam.total[:, None] + frame
    longer[rows, last] = beam.in_blank + frame[last]  # a label again, with a blank between
    longer[:, blank] = -np.inf
    again = np.where(last == blank, -np.inf, beam.in_label + frame[last])
    places = {prefix: row for row, prefix in enumerate(beam.prefixes)}
    for prefix, row in places.items():
        parent = places.get(prefix[:-1]) if prefix else None
        if parent is not None:  # it is there already
            again[row] = np.logaddexp(again[row], longer[parent, prefix[-1]])
            longer[parent, prefix[-1]] = -np.inf
    return _Beam(beam.prefixes, beam.total + frame[blank], again), longer


def _pruned(found: tuple[_Beam, np.ndarray], width: int) -> _Beam:
    beam, longer = found
    stay = len(beam.prefixes)
    scores = np.concatenate([beam.total, longer.ravel()])
    best = np.argsort(-scores, kind="stable")[:width]
    best = best[scores[best] > -np.inf]
    parents, labels = np.divmod(best - stay, longer.shape[1])
    return _Beam(
        [
            beam.prefixes[at] if at < stay else (*beam.prefixes[parent], int(label))
            for at, parent, label in zip(best, parents, labels, strict=True)
        ],
        np.array([beam.in_blank[at] if at < stay else -np.inf for at in best]),
        np.array([beam.in_label[at] if at < stay else scores[at] for at in best]),
    )


def _log_softmax(scores: np.ndarray) -> np.ndarray:
    centred = scores - scores.max(axis=-1, keepdims=True)
    return centred - np.log(np.exp(centred).sum(axis=-1, keepdims=True))


def _checked_blank(scores: Any, blank: int) -> int:
    if len(scores.shape) != _RANK:
        raise ShapeError(
            "the scores of frames have three axes",
            got=f"shape {shape_text(scores)}",
            expected="(batch, frames, classes)",
            fix="scores[None] for one sample",
        )
    return blank_class(blank, scores.shape[-1])
