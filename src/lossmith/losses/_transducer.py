"""`lm.Transducer`: the loss of models that read frames and write labels (RNN-T)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import keras
from keras import ops

from lossmith.core.axes import Tensor, shape_text
from lossmith.core.paths.classes import blank_class, check_labels
from lossmith.core.paths.transducer import transducer
from lossmith.losses._path import PathLoss
from lossmith.messages import ShapeError


@keras.saving.register_keras_serializable("lossmith")
class Transducer(PathLoss):
    """The transducer loss: labels against frames, with scores that know the labels before (RNN-T).

    The prediction scores, at each frame and after each number of labels, the next label or the
    blank, which leads to the next frame: its axis `u` is one longer than the labels. The loss is
    minus the log-probability of the labels, summed over all ways to spread them over the frames.
    Any number of labels has a path, as long as there is a frame; without one the loss is infinite,
    with gradient 0. A label that counts and is the blank or no class gives NaN; where values are
    known (PyTorch, eager calls) it is an error instead. Frames and labels behind the lengths may be
    anything.

    The log-softmax is inside, and of the size of the prediction only its gradient is made.

    Source: A. Graves, "Sequence Transduction with Recurrent Neural Networks", 2012.

    Args:
        axes: The axes of labels and prediction, in either order: frames before labels, `[ ]` around
            the classes.
        of: Where labels and prediction come from, the prediction last.
        lengths: How many frames and labels count, by axis, as in `{"t": "x:lengths", "s":
            "y:lengths"}`: a source of lengths (batch,), or a part of `lm.masks`. An axis without
            an entry counts whole. Keras' automatic mask of the prediction holds for its frames
            besides.
        blank: The class that stands for no label; -1 is the last.
        reduce: As for `lm.Loss`. `"mean"` is over samples; `"mean s, mean b"` divides each sample
            by its number of labels first, `"mean b s"` divides the total by all labels.
        name: The name of the loss, and of its term in logs; None: `"transducer"`.
        dtype: What to compute in, `"float32"` or `"float64"`; None: the prediction's dtype, and
            at least float32.

    Raises:
        NotationError: If `axes` or `reduce` cannot be read or do not fit.
        ArgumentError: If an argument is out of its domain, or a label is no class.
        ShapeError: Where tensors do not line up, or a length is beyond them.
        SourceError: If a source has an unknown name, or is not there.

    Example:
        >>> import numpy as np, lossmith as lm
        >>> loss = lm.Transducer()
        >>> logits = np.zeros((1, 2, 2, 4))  # 2 frames, 1 label, 4 classes, all as likely
        >>> round(float(loss([[3]], logits)), 4) == round(float(-np.log(2 / 4**3)), 4)  # 2 paths
        True
    """

    LAYOUTS: ClassVar = ("b s, b t u [c]",)

    def __init__(  # noqa: PLR0913
        self,
        axes: str | None = None,
        *,
        of: Sequence[str] = ("y", "output"),
        lengths: Mapping[str, Any] | None = None,
        blank: int = 0,
        reduce: str = "mean",
        name: str | None = None,
        dtype: str | None = None,
    ) -> None:
        self.blank = blank
        super().__init__(axes, of=of, lengths=lengths, reduce=reduce, name=name, dtype=dtype)

    def losses(
        self, inputs: Sequence[Tensor], lengths: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor | None]:
        """Return the loss of each sample; one without frames and labels does not count."""
        labels, logits = inputs
        label_lengths, frames, _ = lengths
        classes = logits.shape[-1]
        blank = blank_class(self.blank, classes)
        _check_lattice(labels, logits)
        check_labels(labels, label_lengths, classes, blank, self.pipeline.paths[0])
        values = transducer(labels, logits, label_lengths, frames, blank=blank)
        return values, ops.maximum(frames, label_lengths) > 0

    def _arguments(self) -> dict[str, Any]:
        return {**super()._arguments(), "blank": self.blank}


def _check_lattice(labels: Tensor, logits: Tensor) -> None:
    most, width = labels.shape[1], logits.shape[2]
    if most is not None and width not in (None, most + 1):
        raise ShapeError(
            "the scores are not those of no label to all labels",
            got=f"labels {shape_text(labels)} and scores {shape_text(logits)}",
            expected=f"{most + 1} places along the third axis of the scores: one more than labels",
            fix="let the part that reads the labels begin with a start symbol",
        )
