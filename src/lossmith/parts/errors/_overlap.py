"""Errors of overlapping regions: one value for all positions they are taken over."""

from __future__ import annotations

from typing import ClassVar, Literal

from keras import config, ops

from lossmith.core.axes import Tensor
from lossmith.core.kinds import Error
from lossmith.core.part import Example, number, part


@part
class Dice(Error):
    """One minus the Dice overlap of two regions: `1 - 2 I / (sum target + sum prediction)`.

    `I` is `sum(target * prediction)`; Keras' epsilon is added to both sides of the ratio. The
    brackets say over what: `"b [h w], b [h w]"` gives one value a sample, `"[b h w], [b h w]"`
    one value a batch, which couples samples and takes no sample weights. A mask may stand on the
    axes in brackets: masked positions belong to neither region.

    Shapes:
        target, prediction: (..., positions), returns (...).

    Example:
        >>> import lossmith as lm
        >>> loss = lm.Loss("dice", "b [x], b [x]")
        >>> round(float(loss([[1.0, 1.0, 0.0]], [[1.0, 0.0, 0.0]])), 4)  # 1 - 2 / 3
        0.3333

    References:
        Milletari et al., "V-Net", 2016. Formula as in Keras' `Dice`.
    """

    consumes: ClassVar = range(1, 64)
    target_consumes: ClassVar[Literal["same"]] = "same"
    flattens: ClassVar = True
    names: ClassVar = ("dice", "Dice")
    EXAMPLES = (
        Example([[1.0, 1.0, 0.0]], [[1.0, 0.0, 0.0]], [0.3333333], axes="b [x], b [x]"),
        Example([[1.0], [0.0]], [[1.0], [1.0]], 0.3333333, axes="[b x], [b x]"),
    )

    def __call__(self, *inputs: Tensor) -> Tensor:
        target, prediction = inputs
        shared = ops.sum(target * prediction, axis=-1)
        total = ops.sum(target, axis=-1) + ops.sum(prediction, axis=-1)
        return 1.0 - (2.0 * shared + config.epsilon()) / (total + config.epsilon())


@part
class Tversky(Error):
    """One minus the Tversky overlap: Dice with prices of its own for the two kinds of miss.

    `1 - I / (I + alpha * false positives + beta * false negatives)`, with Keras' epsilon on both
    sides of the ratio. Axes and masks as for `Dice`.

    Args:
        alpha: The price of false positives. At least 0.
        beta: The price of false negatives. At least 0.

    Shapes:
        target, prediction: (..., positions), returns (...).

    Raises:
        ArgumentError: If `alpha` or `beta` is negative.

    Example:
        >>> import lossmith as lm
        >>> loss = lm.Loss(lm.errors.Tversky(alpha=0.5, beta=1.0), "b [x], b [x]")
        >>> float(loss([[1.0, 1.0, 0.0]], [[1.0, 0.0, 0.0]]))  # 1 - 1 / (1 + 1)
        0.5

    References:
        Salehi et al., "Tversky Loss Function for Image Segmentation", 2017.
    """

    alpha: float = 0.5
    beta: float = 0.5
    consumes: ClassVar = range(1, 64)
    target_consumes: ClassVar[Literal["same"]] = "same"
    flattens: ClassVar = True
    names: ClassVar = ("tversky", "Tversky")
    EXAMPLES = (
        Example(
            [[1.0, 1.0, 0.0]],
            [[1.0, 0.0, 0.0]],
            [0.5],
            config={"alpha": 0.5, "beta": 1.0},
            axes="b [x], b [x]",
        ),
        Example([[0.0, 1.0]], [[1.0, 1.0]], [0.3333333], axes="b [x], b [x]"),
    )

    def __post_init__(self) -> None:
        number(self.alpha, "alpha", low=0.0)
        number(self.beta, "beta", low=0.0)

    def __call__(self, *inputs: Tensor) -> Tensor:
        target, prediction = inputs
        shared = ops.sum(target * prediction, axis=-1)
        false_positives = ops.sum((1.0 - target) * prediction, axis=-1)
        false_negatives = ops.sum(target * (1.0 - prediction), axis=-1)
        total = shared + self.alpha * false_positives + self.beta * false_negatives
        return 1.0 - (shared + config.epsilon()) / (total + config.epsilon())
