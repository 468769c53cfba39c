"""`lm.metrics`: error rates of written sequences, exact over an epoch."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from lossmith import backend
from lossmith.core.axes import Tensor, is_integer, shape_text
from lossmith.core.paths.classes import blank_class
from lossmith.core.paths.decode import closed_up, ctc_greedy
from lossmith.core.paths.edits import edit_distance
from lossmith.core.paths.order import counted_first
from lossmith.messages import ShapeError

__all__ = ["LabelErrorRate", "SequenceErrorRate"]

_SEQUENCES = 2
"""How many axes padded sequences have."""


class _ErrorRate(keras.metrics.Metric):
    """Errors over what could be wrong, both summed over all batches.

    Args:
        blank: The class that stands for no label.
        name: The name in logs.
        dtype: The dtype of the sums.
    """

    def __init__(self, blank: int, name: str | None, dtype: str | None) -> None:
        super().__init__(name=name, dtype=dtype)
        self.blank = blank
        self.errors = self.add_weight(shape=(), initializer="zeros", name="errors")
        self.count = self.add_weight(shape=(), initializer="zeros", name="count")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add the errors of a batch.

        Args:
            y_true: (B, S) integers, the labels; the blank and negative numbers are padding.
            y_pred: (B, T, classes) scores of frames, logits or log-probabilities, of which Keras'
                mask may leave some out; or (B, N) integers, labels as they were decoded.
            sample_weight: (B,) or (B, 1) how often each sample counts.

        Raises:
            ShapeError: If they have other axes.
        """
        mask, y_pred = backend.keras_mask(y_pred), ops.convert_to_tensor(y_pred)
        scored = not is_integer(y_pred)
        blank = blank_class(self.blank, y_pred.shape[-1]) if scored else self.blank
        reference, wanted = _labels(ops.convert_to_tensor(y_true), blank)
        hypothesis, written = _greedy(y_pred, mask, blank) if scored else _labels(y_pred, blank)
        different = reference[:, :, None] != hypothesis[:, None, :]
        errors, count = self.rate(edit_distance(different, wanted, written), wanted)
        if sample_weight is None:
            weight = ops.ones_like(wanted, dtype=self.dtype)
        else:
            weight = _of_samples(sample_weight, self.dtype)
        self.errors.assign_add(ops.sum(weight * ops.cast(errors, self.dtype)))
        self.count.assign_add(ops.sum(weight * ops.cast(count, self.dtype)))

    def rate(self, edits: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
        """Return the errors of each sample, and what could be wrong in it.

        Args:
            edits: (B,) the edit distance of each sample.
            wanted: (B,) how many labels its reference has.
        """
        raise NotImplementedError

    def result(self) -> Tensor:
        """Return the rate; 0 while there are no errors."""
        errors, count = (ops.convert_to_tensor(x) for x in (self.errors, self.count))
        return ops.where(errors == 0, errors, errors / count)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        return {**super().get_config(), "blank": self.blank}


@keras.saving.register_keras_serializable("lossmith")
class LabelErrorRate(_ErrorRate):
    """Edits over labels: the phoneme, character or word error rate, by what the labels are.

    Insertions, deletions and replacements that make the written labels of the reference, summed
    over an epoch and divided once by all labels of the references. It can be more than 1. Scores
    of frames are decoded greedily, as CTC has it.

    Args:
        blank: The class that stands for no label, and for padding; -1 is the last.
        name: The name in logs, such as `"phoneme_error_rate"`.
        dtype: The dtype of the sums; whole numbers in float32 are exact up to 16 million.

    Example:
        >>> import lossmith as lm
        >>> metric = lm.metrics.LabelErrorRate()
        >>> metric.update_state([[1, 2, 3], [4, 0, 0]], [[1, 3, 0], [4, 5, 0]])
        >>> float(metric.result())  # one label missing, one too many, of 4
        0.5
    """

    def __init__(
        self, blank: int = 0, name: str | None = "label_error_rate", dtype: str | None = None
    ) -> None:
        super().__init__(blank, name, dtype)

    def rate(self, edits: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
        """Return the edits and the labels."""
        return edits, wanted


@keras.saving.register_keras_serializable("lossmith")
class SequenceErrorRate(_ErrorRate):
    """The share of sequences with any error.

    Args:
        blank: The class that stands for no label, and for padding; -1 is the last.
        name: The name in logs.
        dtype: The dtype of the sums; whole numbers in float32 are exact up to 16 million.

    Example:
        >>> import lossmith as lm
        >>> metric = lm.metrics.SequenceErrorRate()
        >>> metric.update_state([[1, 2], [3, 0]], [[1, 2], [4, 0]])
        >>> float(metric.result())
        0.5
    """

    def __init__(
        self, blank: int = 0, name: str | None = "sequence_error_rate", dtype: str | None = None
    ) -> None:
        super().__init__(blank, name, dtype)

    def rate(self, edits: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
        """Return which sequences have an error, each of 1."""
        return edits > 0, ops.ones_like(wanted)


def _greedy(scores: Tensor, mask: Tensor | None, blank: int) -> tuple[Tensor, Tensor]:
    if mask is None:
        return ctc_greedy(scores, blank=blank)
    counted = ops.take_along_axis(scores, counted_first(mask)[:, :, None], axis=1)
    return ctc_greedy(counted, ops.sum(ops.cast(mask, "int32"), axis=1), blank)


def _labels(labels: Tensor, blank: int) -> tuple[Tensor, Tensor]:
    if len(labels.shape) != _SEQUENCES:
        raise ShapeError(
            "an error rate compares sequences of labels",
            got=f"labels of shape {shape_text(labels)}",
            expected="(batch, labels) integers",
            fix="labels[None] for one sample, ops.argmax(labels, axis=-1) for one-hot ones",
        )
    labels = ops.cast(labels, "int32")
    return closed_up(labels, ops.logical_and(labels >= 0, labels != blank))


def _of_samples(sample_weight: Any, dtype: str) -> Tensor:
    """Return one weight a sample, (B,)."""
    weight = ops.cast(sample_weight, dtype)
    if any(size not in (1, None) for size in weight.shape[1:]):
        raise ShapeError(
            "an error rate weighs whole sequences",
            got=f"sample_weight of shape {shape_text(weight)}",
            expected="(batch,) or (batch, 1)",
            fix="compile(metrics=[...]) in place of weighted_metrics, which takes no weights",
        )
    return ops.reshape(weight, (-1,))
