"""Errors of distributions and of directions."""

from __future__ import annotations

from typing import ClassVar, Literal

from keras import config, ops

from lossmith.core.axes import Tensor
from lossmith.core.kinds import Error
from lossmith.core.part import Example, part


@part
class KL(Error):
    """Kullback-Leibler divergence over a class axis: `sum(target * log(target / prediction))`.

    Both are kept between Keras' epsilon and 1.

    Shapes:
        target, prediction: (..., classes), returns (...).

    Example:
        >>> import lossmith as lm
        >>> loss = lm.Loss("kl_divergence", "b [c], b [c]")
        >>> round(float(loss([[0.5, 0.5]], [[0.25, 0.75]])), 4)
        0.1438

    References:
        Kullback and Leibler, "On Information and Sufficiency", 1951.
    """

    fill: ClassVar = (1.0, 1.0)
    consumes: ClassVar = range(1, 2)
    target_consumes: ClassVar[Literal["same"]] = "same"
    names: ClassVar = ("kld", "kl_divergence", "KLD", "KLDivergence")
    EXAMPLES = (
        Example([[0.5, 0.5]], [[0.25, 0.75]], [0.1438410], axes="b [c], b [c]"),
        Example([[0.25, 0.75]], [[0.25, 0.75]], [0.0], axes="b [c], b [c]"),
    )

    def __call__(self, *inputs: Tensor) -> Tensor:
        target, prediction = (ops.clip(x, config.epsilon(), 1.0) for x in inputs)
        return ops.sum(target * ops.log(target / prediction), axis=-1)


@part
class Poisson(Error):
    """Negative log-likelihood of counts, without its constant: `p - target * log(p)`.

    `p` is the predicted rate; Keras' epsilon is added to it inside the logarithm.

    Shapes:
        target, prediction: (...), returns (...).

    Example:
        >>> import lossmith as lm
        >>> round(float(lm.Loss("poisson", "b, b")([2.0], [3.0])), 4)  # 3 - 2 log 3
        0.8028

    References:
        Formula as in Keras' `Poisson`.
    """

    fill: ClassVar = (1.0, 1.0)
    names: ClassVar = ("poisson", "Poisson")
    EXAMPLES = (Example([2.0, 0.0], [3.0, 0.5], [0.8027754, 0.5]),)

    def __call__(self, *inputs: Tensor) -> Tensor:
        target, prediction = inputs
        return prediction - target * ops.log(prediction + config.epsilon())


@part
class GaussianNLL(Error):
    """Negative log-likelihood under a predicted normal distribution, without its constant.

    The prediction holds two numbers a position: the mean `m` and the logarithm of the variance
    `v`, which may be any number. The value is `(v + (target - m)^2 * exp(-v)) / 2`.

    Shapes:
        target: (...), prediction: (..., 2), returns (...).

    Example:
        >>> import lossmith as lm
        >>> float(lm.Loss(lm.errors.GaussianNLL(), "b, b [p]")([1.0], [[3.0, 0.0]]))
        2.0

    References:
        Nix and Weigend, "Estimating the Mean and Variance of the Target Distribution", 1994.
    """

    consumes: ClassVar = range(1, 2)
    target_consumes: ClassVar[Literal["none"]] = "none"
    names: ClassVar = ("gaussian_nll",)
    EXAMPLES = (
        Example([1.0], [[3.0, 0.0]], [2.0], axes="b, b [p]"),
        Example([1.0], [[1.0, 0.5]], [0.25], axes="b, b [p]"),
    )

    def __call__(self, *inputs: Tensor) -> Tensor:
        target, prediction = inputs
        mean, log_variance = prediction[..., 0], prediction[..., 1]
        return 0.5 * (log_variance + ops.square(target - mean) * ops.exp(-log_variance))


@part
class Cosine(Error):
    """Negative cosine similarity over an axis: -1 for the same direction, 1 for the opposite.

    A vector of zeros has similarity 0 with everything, and a gradient that is not NaN.

    Shapes:
        target, prediction: (..., features), returns (...).

    Example:
        >>> import lossmith as lm
        >>> loss = lm.Loss("cosine_similarity", "b [f], b [f]")
        >>> round(float(loss([[1.0, 0.0]], [[3.0, 4.0]])), 4)
        -0.6

    References:
        Sign as in Keras' `CosineSimilarity`.
    """

    fill: ClassVar = (1.0, 1.0)
    consumes: ClassVar = range(1, 2)
    target_consumes: ClassVar[Literal["same"]] = "same"
    names: ClassVar = ("cosine_similarity", "CosineSimilarity")
    EXAMPLES = (
        Example([[1.0, 0.0]], [[3.0, 4.0]], [-0.6], axes="b [f], b [f]"),
        Example([[1.0, 0.0]], [[0.0, 0.0]], [0.0], axes="b [f], b [f]"),
    )

    def __call__(self, *inputs: Tensor) -> Tensor:
        target, prediction = (_unit(x) for x in inputs)
        return -ops.sum(target * prediction, axis=-1)


def _unit(x: Tensor) -> Tensor:
    """Scale to length one; below a length of 1e-6 the divisor, and so the slope, is bounded."""
    square = ops.sum(ops.square(x), axis=-1, keepdims=True)
    return x * ops.rsqrt(ops.maximum(square, 1e-12))
