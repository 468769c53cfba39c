"""Errors of classes: cross-entropy and its relatives."""

from __future__ import annotations

from typing import ClassVar, Literal

from keras import config, ops

from lossmith.core.axes import Tensor
from lossmith.core.kinds import Error
from lossmith.core.ops import pick
from lossmith.core.part import Example, number, part


@part
class CrossEntropy(Error):
    """Cross-entropy over a class axis, for labels or for class probabilities.

    `-log p[label]`, or `-sum(target * log p)` where the target has the class axis too. From
    probabilities, they are first divided by their sum and kept Keras' epsilon away from 0 and 1.
    A label outside the classes at a position that counts gives NaN, on every backend.

    Args:
        from_logits: Whether the prediction is logits, instead of probabilities.
        label_smoothing: The share of the target that is spread evenly over all classes.

    Shapes:
        target: (...) integers, or (..., classes), prediction: (..., classes), returns (...).

    Raises:
        ArgumentError: If `label_smoothing` is not between 0 and 1.

    Example:
        >>> import lossmith as lm
        >>> loss = lm.Loss(lm.errors.CrossEntropy(), "b, b [c]")
        >>> round(float(loss([1, 0], [[0.5, 0.5], [0.25, 0.75]])), 4)  # (log 2 + log 4) / 2
        1.0397

    References:
        Szegedy et al., "Rethinking the Inception Architecture", 2016, for label smoothing.
    """

    from_logits: bool = False
    label_smoothing: float = 0.0
    fill: ClassVar = (0.0, 1.0)
    consumes: ClassVar = range(1, 2)
    target_consumes: ClassVar[Literal["either"]] = "either"
    integer_targets: ClassVar = True
    names: ClassVar = (
        "categorical_crossentropy",
        "sparse_categorical_crossentropy",
        "CategoricalCrossentropy",
        "SparseCategoricalCrossentropy",
    )
    EXAMPLES = (
        Example([1, 0], [[0.5, 0.5], [0.25, 0.75]], [0.6931472, 1.3862944], axes="b, b [c]"),
        Example([[0.5, 0.5]], [[0.25, 0.75]], [0.8369882], axes="b [c], b [c]"),
        Example([1], [[0.0, 0.0]], [0.6931472], {"from_logits": True}, axes="b, b [c]"),
        Example([1], [[0.25, 0.75]], [0.3975433], {"label_smoothing": 0.2}, axes="b, b [c]"),
    )

    def __post_init__(self) -> None:
        number(self.label_smoothing, "label_smoothing", low=0.0, high=1.0)

    def __call__(self, *inputs: Tensor) -> Tensor:
        target, prediction = inputs
        log_p = _log_probabilities(prediction, from_logits=self.from_logits)
        error = -_expected(log_p, target)
        if not self.label_smoothing:
            return error
        even = -ops.mean(log_p, axis=-1)
        return (1.0 - self.label_smoothing) * error + self.label_smoothing * even


@part
class Focal(Error):
    """Cross-entropy that counts well classified positions less: `-alpha (1 - p)^gamma log p`.

    Args:
        gamma: How much less; 0 is cross-entropy. At least 0.
        alpha: A factor for all classes; for one a class use `lm.weights.ByClass`.
        from_logits: Whether the prediction is logits, instead of probabilities.

    Shapes:
        target: (...) integers, or (..., classes), prediction: (..., classes), returns (...).

    Raises:
        ArgumentError: If `gamma` or `alpha` is negative.

    Example:
        >>> import lossmith as lm
        >>> loss = lm.Loss(lm.errors.Focal(alpha=1.0), "b, b [c]")
        >>> round(float(loss([1], [[0.5, 0.5]])), 4)  # log(2) / 4
        0.1733

    References:
        Lin et al., "Focal Loss for Dense Object Detection", 2017; `alpha` as in Keras.
    """

    gamma: float = 2.0
    alpha: float = 0.25
    from_logits: bool = False
    fill: ClassVar = (0.0, 1.0)
    consumes: ClassVar = range(1, 2)
    target_consumes: ClassVar[Literal["either"]] = "either"
    integer_targets: ClassVar = True
    names: ClassVar = ("focal", "categorical_focal_crossentropy", "CategoricalFocalCrossentropy")
    EXAMPLES = (
        Example([1], [[0.5, 0.5]], [0.1732868], config={"alpha": 1.0}, axes="b, b [c]"),
        Example([[0.0, 1.0]], [[0.5, 0.5]], [0.0433217], axes="b [c], b [c]"),
    )

    def __post_init__(self) -> None:
        number(self.gamma, "gamma", low=0.0)
        number(self.alpha, "alpha", low=0.0)

    def __call__(self, *inputs: Tensor) -> Tensor:
        target, prediction = inputs
        log_p = _log_probabilities(prediction, from_logits=self.from_logits)
        doubt = _power(-ops.expm1(log_p), self.gamma)
        return -self.alpha * _expected(doubt * log_p, target)


@part
class BinaryCrossEntropy(Error):
    """Cross-entropy of a yes or no at each position.

    `-(target log p + (1 - target) log(1 - p))`. Probabilities are kept Keras' epsilon away from
    0 and 1.

    Args:
        from_logits: Whether the prediction is logits, instead of probabilities.
        label_smoothing: How far targets are moved towards one half.

    Shapes:
        target, prediction: (...), returns (...).

    Raises:
        ArgumentError: If `label_smoothing` is not between 0 and 1.

    Example:
        >>> import lossmith as lm
        >>> round(float(lm.Loss("binary_crossentropy", "b, b")([1.0, 0.0], [0.5, 0.75])), 4)
        1.0397

    References:
        Formula as in Keras' `BinaryCrossentropy`.
    """

    from_logits: bool = False
    label_smoothing: float = 0.0
    fill: ClassVar = (0.5, 0.5)
    names: ClassVar = ("bce", "binary_crossentropy", "BCE", "BinaryCrossentropy")
    EXAMPLES = (
        Example([1.0, 0.0], [0.5, 0.75], [0.6931472, 1.3862944]),
        Example([1.0], [0.0], [0.6931472], config={"from_logits": True}),
        Example([1.0], [0.75], [0.3975433], config={"label_smoothing": 0.2}),
    )

    def __post_init__(self) -> None:
        number(self.label_smoothing, "label_smoothing", low=0.0, high=1.0)

    def __call__(self, *inputs: Tensor) -> Tensor:
        target, prediction = inputs
        target = target * (1.0 - self.label_smoothing) + 0.5 * self.label_smoothing
        log_p, log_not_p = _log_binary(prediction, from_logits=self.from_logits)
        return -(target * log_p + (1.0 - target) * log_not_p)


@part
class BinaryFocal(Error):
    """Binary cross-entropy that counts well classified positions less.

    `(1 - p_t)^gamma` times the cross-entropy, where `p_t` is the probability given to the target.

    Args:
        gamma: How much less; 0 is binary cross-entropy. At least 0.
        alpha: The weight of positives, `1 - alpha` that of negatives; None: no weights.
        from_logits: Whether the prediction is logits, instead of probabilities.

    Shapes:
        target, prediction: (...), returns (...).

    Raises:
        ArgumentError: If `gamma` is negative, or `alpha` not between 0 and 1.

    Example:
        >>> import lossmith as lm
        >>> loss = lm.Loss(lm.errors.BinaryFocal(), "b, b")
        >>> round(float(loss([1.0], [0.5])), 4)  # log(2) / 4
        0.1733

    References:
        Lin et al., "Focal Loss for Dense Object Detection", 2017.
    """

    gamma: float = 2.0
    alpha: float | None = None
    from_logits: bool = False
    fill: ClassVar = (0.5, 0.5)
    names: ClassVar = ("binary_focal_crossentropy", "BinaryFocalCrossentropy")
    EXAMPLES = (
        Example([1.0, 0.0], [0.5, 0.5], [0.1732868, 0.1732868]),
        Example([1.0, 0.0], [0.5, 0.5], [0.0433217, 0.1299651], config={"alpha": 0.25}),
    )

    def __post_init__(self) -> None:
        number(self.gamma, "gamma", low=0.0)
        if self.alpha is not None:
            number(self.alpha, "alpha", low=0.0, high=1.0)

    def __call__(self, *inputs: Tensor) -> Tensor:
        target, prediction = inputs
        log_p, log_not_p = _log_binary(prediction, from_logits=self.from_logits)
        p, not_p = ops.exp(log_p), ops.exp(log_not_p)
        unlikely = target * not_p + (1.0 - target) * p
        error = -(target * log_p + (1.0 - target) * log_not_p)
        error = _power(unlikely, self.gamma) * error
        if self.alpha is None:
            return error
        return error * (target * self.alpha + (1.0 - target) * (1.0 - self.alpha))


@part
class Hinge(Error):
    """Ask for a margin of one: `max(1 - target * prediction, 0)`.

    Targets above 0 are taken as 1, others as -1, so both 0/1 and -1/1 labels are right, also
    in a batch of one kind.

    Shapes:
        target, prediction: (...), returns (...).

    Example:
        >>> import lossmith as lm
        >>> float(lm.Loss("hinge", "b, b")([1.0, 0.0], [0.5, 0.5]))  # (0.5 + 1.5) / 2
        1.0

    References:
        Formula as in Keras' `Hinge`.
    """

    fill: ClassVar = (1.0, 0.0)
    names: ClassVar = ("hinge", "Hinge")
    EXAMPLES = (Example([1.0, 0.0, -1.0], [0.5, 0.5, -2.0], [0.5, 1.5, 0.0]),)

    def __call__(self, *inputs: Tensor) -> Tensor:
        target, prediction = inputs
        return _hinge(target, prediction)


@part
class SquaredHinge(Error):
    """Square what is missing from a margin of one: `max(1 - target * prediction, 0)^2`.

    Targets are read as `Hinge` reads them.

    Shapes:
        target, prediction: (...), returns (...).

    Example:
        >>> import lossmith as lm
        >>> float(lm.Loss("squared_hinge", "b, b")([1.0, 0.0], [0.5, 0.5]))  # (0.25 + 2.25) / 2
        1.25

    References:
        Formula as in Keras' `SquaredHinge`.
    """

    fill: ClassVar = (1.0, 0.0)
    names: ClassVar = ("squared_hinge", "SquaredHinge")
    EXAMPLES = (Example([1.0, 0.0], [0.5, 0.5], [0.25, 2.25]),)

    def __call__(self, *inputs: Tensor) -> Tensor:
        target, prediction = inputs
        return ops.square(_hinge(target, prediction))


@part
class CategoricalHinge(Error):
    """Ask the right class to lead by one: `max(best wrong score - right score + 1, 0)`.

    Shapes:
        target, prediction: (..., classes), returns (...).

    Example:
        >>> import lossmith as lm
        >>> loss = lm.Loss("categorical_hinge", "b [c], b [c]")
        >>> float(loss([[0.0, 1.0]], [[0.5, 1.0]]))
        0.5

    References:
        Formula as in Keras' `CategoricalHinge`.
    """

    consumes: ClassVar = range(1, 2)
    target_consumes: ClassVar[Literal["same"]] = "same"
    names: ClassVar = ("categorical_hinge", "CategoricalHinge")
    EXAMPLES = (Example([[0.0, 1.0]], [[0.5, 1.0]], [0.5], axes="b [c], b [c]"),)

    def __call__(self, *inputs: Tensor) -> Tensor:
        target, prediction = inputs
        right = ops.sum(target * prediction, axis=-1)
        wrong = ops.max((1.0 - target) * prediction, axis=-1)
        return ops.relu(wrong - right + 1.0)


def _hinge(target: Tensor, prediction: Tensor) -> Tensor:
    one = ops.ones_like(target)
    sign = ops.where(target > 0, one, ops.where(target <= 0, -one, target))  # NaN stays NaN
    return ops.relu(1.0 - sign * prediction)


def _power(probability: Tensor, exponent: float) -> Tensor:
    """Raise to a power, with a finite slope at 0 also where the exponent is below 1."""
    return ops.power(ops.maximum(probability, 1e-30), exponent)


def _log_probabilities(prediction: Tensor, *, from_logits: bool) -> Tensor:
    if from_logits:
        return ops.log_softmax(prediction, axis=-1)
    p = prediction / ops.sum(prediction, axis=-1, keepdims=True)
    return ops.log(ops.clip(p, config.epsilon(), 1.0 - config.epsilon()))


def _log_binary(prediction: Tensor, *, from_logits: bool) -> tuple[Tensor, Tensor]:
    if from_logits:
        return ops.log_sigmoid(prediction), ops.log_sigmoid(-prediction)
    p = ops.clip(prediction, config.epsilon(), 1.0 - config.epsilon())
    return ops.log(p), ops.log(1.0 - p)


def _expected(values: Tensor, target: Tensor) -> Tensor:
    """Return the value at the label, or the mean of the values under the target."""
    if len(target.shape) == len(values.shape):
        return ops.sum(ops.cast(target, values.dtype) * values, axis=-1)
    return pick(values, target)
