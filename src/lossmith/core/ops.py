"""The functions that the parts are made of, for use inside people's own losses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from keras import ops

from lossmith.core import axes as named_axes
from lossmith.core.axes import Tensor
from lossmith.core.elements import safe_divide
from lossmith.core.fused import linear_cross_entropy
from lossmith.core.labels import legal_labels
from lossmith.core.notation import parse_axes
from lossmith.core.paths.best import dtw_path
from lossmith.core.paths.soft_dtw import soft_dtw, soft_dtw_alignment, soft_dtw_penalty

__all__ = [
    "class_weight_for",
    "ctc_feasible",
    "dtw_path",
    "lengths_to_mask",
    "linear_cross_entropy",
    "masked_mean",
    "masked_sum",
    "pick",
    "repeat_to",
    "safe_divide",
    "safe_where",
    "soft_dtw",
    "soft_dtw_alignment",
    "soft_dtw_penalty",
]


def lengths_to_mask(lengths: Tensor, maxlen: int | Tensor) -> Tensor:
    """Return which positions lie before each length.

    Args:
        lengths: (...) integers.
        maxlen: How many positions there are.

    Returns:
        (..., maxlen) booleans.

    Example:
        >>> import keras, lossmith as lm
        >>> keras.ops.convert_to_numpy(lm.ops.lengths_to_mask([1, 2], 3)).tolist()
        [[True, False, False], [True, True, False]]
    """
    lengths = ops.expand_dims(ops.convert_to_tensor(lengths), -1)
    return ops.arange(maxlen, dtype="int32") < ops.cast(lengths, "int32")


def ctc_feasible(labels: Tensor, label_lengths: Tensor, input_lengths: Tensor) -> Tensor:
    """Return which samples have frames enough for their labels.

    CTC needs a frame for each label, and one more between two equal ones. What it says of the rest
    is infinite.

    Args:
        labels: (batch, labels); behind the lengths anything.
        label_lengths: (batch,) integers.
        input_lengths: (batch,) integers, how many frames there are.

    Returns:
        (batch,) booleans.

    Example:
        >>> import keras, lossmith as lm
        >>> found = lm.ops.ctc_feasible([[1, 2], [1, 1]], [2, 2], [2, 2])
        >>> keras.ops.convert_to_numpy(found).tolist()
        [True, False]
    """
    labels = ops.convert_to_tensor(labels)
    needed = ops.cast(ops.convert_to_tensor(label_lengths), "int32")
    later = lengths_to_mask(needed - 1, ops.shape(labels)[1] - 1)
    repeats = ops.logical_and(ops.equal(labels[:, 1:], labels[:, :-1]), later)
    needed = needed + ops.sum(ops.cast(repeats, "int32"), axis=1)
    return needed <= ops.cast(ops.convert_to_tensor(input_lengths), "int32")


def safe_where(
    mask: Tensor, function: Callable[..., Tensor], *inputs: Tensor, fill: float = 0.0
) -> Tensor:
    """Apply an elementwise function where `mask` is true; elsewhere the result is exactly 0.

    The inputs are replaced by `fill` before the function, so that what stands at masked
    places, NaN included, reaches neither the value nor the gradient.

    Args:
        mask: (...) booleans that broadcast against the inputs.
        function: From tensors to a tensor of their shape.
        *inputs: (...) tensors.
        fill: A number at which the function and its gradient are finite.

    Returns:
        (...) in the dtype of the function's result.

    Example:
        >>> import keras, lossmith as lm
        >>> x = keras.ops.convert_to_tensor([1.0, -1.0])
        >>> y = lm.ops.safe_where(x > 0, keras.ops.log, x, fill=1.0)
        >>> keras.ops.convert_to_numpy(y).tolist()
        [0.0, 0.0]
    """
    mask = ops.convert_to_tensor(mask, "bool")
    tensors = [ops.convert_to_tensor(x) for x in inputs]
    values = function(*(ops.where(mask, x, ops.full_like(x, fill)) for x in tensors))
    return ops.where(mask, values, ops.zeros_like(values))


def masked_sum(
    values: Tensor,
    mask: Tensor | None = None,
    weights: Tensor | None = None,
    axis: int | Sequence[int] | None = None,
) -> Tensor:
    """Sum `values` times `weights` where `mask` is true.

    Args:
        values: (...) numbers; at masked places they may be anything.
        mask: (...) booleans that broadcast against `values`; None: all count.
        weights: (...) numbers that broadcast against `values`; None: all 1.
        axis: The axes to sum over; None: all.

    Returns:
        The sum, in the dtype of `values`, at least float32.
    """
    values, mask, weights = _prepared(values, mask, weights)
    return ops.sum(_weighted(values, mask, weights), axis=axis)


def masked_mean(
    values: Tensor,
    mask: Tensor | None = None,
    weights: Tensor | None = None,
    axis: int | Sequence[int] | None = None,
) -> Tensor:
    """Average `values` times `weights` over the positions where `mask` is true.

    The divisor is the number of positions that count. Where none does, the mean is 0.

    Args:
        values: (...) numbers; at masked places they may be anything.
        mask: (...) booleans that broadcast against `values`; None: all count.
        weights: (...) numbers that broadcast against `values`; None: all 1.
        axis: The axes to average over; None: all.

    Returns:
        The mean, in the dtype of `values`, at least float32.

    Example:
        >>> import lossmith as lm
        >>> float(lm.ops.masked_mean([1.0, 3.0, float("nan")], [True, True, False]))
        2.0
    """
    values, mask, weights = _prepared(values, mask, weights)
    counted = ops.ones_like(values) if mask is None else ops.cast(mask, values.dtype)
    total = ops.sum(_weighted(values, mask, weights), axis=axis)
    return safe_divide(total, ops.sum(ops.broadcast_to(counted, ops.shape(values)), axis=axis))


def repeat_to(x: Tensor, axes: str, *, like: Tensor) -> Tensor:
    """Repeat a tensor along the axes it lacks, by name: a broadcast view.

    Args:
        x: The tensor to repeat.
        axes: The axes of `x` and of `like`, as in `"b t -> b t k"`.
        like: A tensor that has all the axes.

    Returns:
        `x` in the shape of `like`.

    Raises:
        NotationError: Where `axes` cannot be read.
        ShapeError: Where a name has two lengths.

    Example:
        >>> import keras, lossmith as lm
        >>> y = lm.ops.repeat_to([[1.0, 2.0]], "b t -> b t k", like=keras.ops.zeros((1, 2, 3)))
        >>> keras.ops.convert_to_numpy(y).tolist()
        [[[1.0, 1.0, 1.0], [2.0, 2.0, 2.0]]]
    """
    own, to = parse_axes(axes.replace("->", ",")).inputs
    tensors = {
        "x": named_axes.named(ops.convert_to_tensor(x), own, "x"),
        "like": named_axes.named(ops.convert_to_tensor(like), to, "like"),
    }
    binding = named_axes.bind(tensors)
    held = binding.hold(tensors["x"], "x")
    return named_axes.repeat(held, tensors["like"].axes, binding.sizes)


def class_weight_for(labels: Tensor, class_weights: Tensor) -> Tensor:
    """Return the weight of the class of each label.

    Args:
        labels: (...) integers; or (..., classes) floats, one-hot or probabilities, which give
            the weights' mean under the target.
        class_weights: (classes,) one weight a class.

    Returns:
        (...) in the dtype of `class_weights`. A label outside the classes gives NaN.

    Example:
        >>> import keras, lossmith as lm
        >>> keras.ops.convert_to_numpy(lm.ops.class_weight_for([1, 0], [0.25, 4.0])).tolist()
        [4.0, 0.25]
    """
    labels = ops.convert_to_tensor(labels)
    class_weights = ops.convert_to_tensor(class_weights)
    if not named_axes.is_integer(labels):
        return ops.sum(labels * class_weights, axis=-1)
    legal, index = legal_labels(labels, ops.shape(class_weights)[-1])
    weights = ops.take(class_weights, index, axis=0)
    return ops.where(legal, weights, ops.full_like(weights, float("nan")))


def pick(values: Tensor, labels: Tensor) -> Tensor:
    """Return, at each position, the value of its label along the last axis.

    Args:
        values: (..., classes).
        labels: (...) integers, or floats that hold integers.

    Returns:
        (...) in the dtype of `values`. A label outside the classes gives NaN.

    Example:
        >>> import keras, lossmith as lm
        >>> keras.ops.convert_to_numpy(lm.ops.pick([[1.0, 2.0], [3.0, 4.0]], [1, 0])).tolist()
        [2.0, 3.0]
    """
    values, labels = ops.convert_to_tensor(values), ops.convert_to_tensor(labels)
    legal, index = legal_labels(labels, ops.shape(values)[-1])
    picked = ops.squeeze(ops.take_along_axis(values, ops.expand_dims(index, -1), axis=-1), -1)
    return ops.where(legal, picked, ops.full_like(picked, float("nan")))


def _prepared(values: Any, mask: Any, weights: Any) -> tuple[Tensor, Tensor | None, Tensor | None]:
    values = ops.convert_to_tensor(values)
    dtype = "float64" if "float64" in str(values.dtype) else "float32"
    mask = None if mask is None else ops.convert_to_tensor(mask, "bool")
    weights = None if weights is None else ops.convert_to_tensor(weights, dtype)
    return ops.cast(values, dtype), mask, weights


def _weighted(values: Tensor, mask: Tensor | None, weights: Tensor | None) -> Tensor:
    def times(x: Tensor, w: Tensor) -> Tensor:
        return x * w

    if weights is None:
        return values if mask is None else ops.where(mask, values, ops.zeros_like(values))
    if mask is None:
        return values * weights
    return safe_where(mask, times, values, ops.broadcast_to(weights, ops.shape(values)))
