"""`lm.CTC`: labels against frames, over all alignments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from lossmith import backend
from lossmith.core.axes import Tensor
from lossmith.core.paths.classes import blank_class, check_labels
from lossmith.core.paths.ctc import ctc
from lossmith.losses._path import PathLoss
from lossmith.messages import ArgumentError

_NEAR_ONE = 0.1  # what bfloat16 leaves of a softmax


@keras.saving.register_keras_serializable("lossmith")
class CTC(PathLoss):
    """Connectionist temporal classification: labels whose frames are not known.

    The prediction scores every class and a blank at each frame. The loss is minus the
    log-probability of the labels, summed over all ways to spread them over the frames. It is
    infinite, with gradient 0, for a sample with too few frames for its labels, and NaN where a
    label that counts is the blank or no class; where values are known (PyTorch, eager calls) such
    a label is an error instead. Frames and labels behind the lengths may be anything.

    Args:
        axes: The axes of labels and prediction, in either order: `[ ]` around the classes.
        of: Where labels and prediction come from, the prediction last.
        lengths: How many frames and labels count, by axis: a source of lengths (batch,), or a part
            of `lm.masks`. An axis without an entry counts whole. Keras' automatic mask of the
            prediction holds for its frames besides.
        blank: The class that stands for no label; -1 is the last.
        from_logits: Whether a softmax is to be taken; otherwise the prediction is
            log-probabilities.
        zero_infinity: Leave samples without any possible alignment out of sum and count.
            `lm.ops.ctc_feasible` tells which they are.
        reduce: As for `lm.Loss`. `"mean"` is over samples; `"mean s, mean b"` divides each sample
            by its number of labels first, `"mean b s"` divides the total by all labels.
        name: The name of the loss, and of its term in logs; None: `"ctc"`.
        dtype: What to compute in, `"float32"` or `"float64"`; None: the prediction's dtype, and
            at least float32.

    Raises:
        NotationError: If `axes` or `reduce` cannot be read or do not fit.
        ArgumentError: If an argument is out of its domain, or a label is no class.
        ShapeError: Where tensors do not line up, or a length is beyond them.
        SourceError: If a source has an unknown name, or is not there.

    Example:
        >>> import numpy as np, lossmith as lm
        >>> loss = lm.CTC(lengths={"s": "y:lengths"})
        >>> y = {"y": [[1, 0]], "lengths": [1]}
        >>> value = loss(y, np.zeros((1, 2, 3)))  # 11, 01 and 10 of 9 paths
        >>> round(float(value), 4)
        1.0986
    """

    LAYOUTS: ClassVar = ("b s, b t [c]",)

    def __init__(  # noqa: PLR0913
        self,
        axes: str | None = None,
        *,
        of: Sequence[str] = ("y", "output"),
        lengths: Mapping[str, Any] | None = None,
        blank: int = 0,
        from_logits: bool = True,
        zero_infinity: bool = False,
        reduce: str = "mean",
        name: str | None = None,
        dtype: str | None = None,
    ) -> None:
        self.blank, self.from_logits, self.zero_infinity = blank, from_logits, zero_infinity
        super().__init__(axes, of=of, lengths=lengths, reduce=reduce, name=name, dtype=dtype)

    def losses(
        self, inputs: Sequence[Tensor], lengths: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor | None]:
        """Return the loss of each sample, and with `zero_infinity` which of them are finite."""
        labels, logits = inputs
        label_lengths, frames = lengths
        classes = logits.shape[-1]
        blank = blank_class(self.blank, classes)
        check_labels(labels, label_lengths, classes, blank, self.pipeline.paths[0])
        if not self.from_logits:
            _check_log_probabilities(logits, frames)
        values = ctc(
            labels, logits, label_lengths, frames, blank=blank, from_logits=self.from_logits
        )
        return values, ops.logical_not(ops.isinf(values)) if self.zero_infinity else None

    def _arguments(self) -> dict[str, Any]:
        own = {
            "blank": self.blank,
            "from_logits": self.from_logits,
            "zero_infinity": self.zero_infinity,
        }
        return {**super()._arguments(), **own}


def _check_log_probabilities(scores: Tensor, frames: Tensor) -> None:
    """Refuse what is not normalised in the first frame of a sample, where it is known."""
    if not (backend.known(scores) and backend.known(frames)) or 0 in scores.shape:
        return
    total = backend.to_numpy(ops.stop_gradient(ops.logsumexp(scores[:, 0], axis=-1)))
    off = (np.abs(total) > _NEAR_ONE) & (backend.to_numpy(frames) > 0)
    if np.any(off):
        raise ArgumentError(
            "the prediction is not log-probabilities",
            got=f"probabilities that add up to {np.exp(total[off][0]):.3g} at the first frame of "
            f"sample {np.flatnonzero(off)[0]}, with from_logits=False",
            expected="the logarithms of probabilities that add up to 1",
            fix="leave from_logits=False out for scores; take keras.ops.log of probabilities",
        )
