"""Cross-entropy from hidden states and the kernel of the last layer, without the logits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from keras import ops

from lossmith import backend
from lossmith.backend import Inputs, Recipe, Tokens
from lossmith.core.axes import Tensor, shape_text
from lossmith.core.elements import safe_divide
from lossmith.core.labels import legal_labels
from lossmith.core.part import number
from lossmith.core.pipeline import at_least_float32
from lossmith.messages import ArgumentError, ShapeError, listed

_REDUCTIONS = ("mean", "sum", "none")


def linear_cross_entropy(  # noqa: PLR0913
    hidden: Tensor,
    kernel: Tensor,
    labels: Tensor,
    *,
    bias: Tensor | None = None,
    mask: Tensor | None = None,
    weights: Tensor | None = None,
    transposed: bool = False,
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
    soft_cap: float | None = None,
    reduce: str = "mean",
    chunk_size: int | None = None,
) -> Tensor:
    """Return the cross-entropy of `hidden @ kernel + bias`, never holding these logits.

    They are made for a chunk of tokens at a time, of those that count alone, and each chunk gives
    its share of all gradients at once. Time is that of the counted tokens, memory that of a
    chunk and of the gradients. With `reduce="none"` the gradient makes the logits once more.

    Matrices are multiplied in the dtype of `hidden`; sums are in at least float32. There are first
    derivatives only.

    Args:
        hidden: (..., D) floats; at masked places they may be anything.
        kernel: (D, V).
        labels: (...) integers, or floats that hold integers. One that is no class is an error
            where it is known and NaN where it is traced; at a masked place it is nothing.
        bias: (V,).
        mask: (...) booleans, True where a token counts; None: all do.
        weights: (...) numbers that multiply the losses. Their gradient is the losses. For
            weights of classes: `lm.ops.class_weight_for(labels, class_weights)`.
        transposed: Whether the kernel is (V, D), as that of an embedding is.
        label_smoothing: The share of the target that is spread evenly over all classes.
        z_loss: The factor of the square of `logsumexp(logits)`, which is added to each loss.
        soft_cap: Squeeze the logits under it: `soft_cap * tanh(logits / soft_cap)`.
        reduce: `"mean"`, the sum over counted tokens / their number; `"sum"`; or `"none"`.
        chunk_size: How many tokens make a chunk; None: 256 to 1024, by the number of classes.

    Returns:
        A scalar, or (...), in at least float32. Where nothing counts it is 0.

    Raises:
        ShapeError: Where the shapes do not fit each other.
        ArgumentError: Where a number is out of its domain, or a label is known to be no class.

    Example:
        >>> import numpy as np, lossmith as lm
        >>> hidden, kernel = np.ones((2, 3, 4), "float32"), np.zeros((4, 10), "float32")
        >>> labels = np.array([[1, 2, -100], [3, -100, -100]])
        >>> loss = lm.ops.linear_cross_entropy(hidden, kernel, labels, mask=labels >= 0)
        >>> round(float(loss), 4)  # log(10)
        2.3026

    References:
        Wijmans et al., "Cut Your Losses in Large-Vocabulary Language Models", 2024. Hsu et al.,
        "Liger Kernel", 2024, for gradients in the forward pass. The z-loss is that of Chowdhery
        et al., "PaLM", 2022.
    """
    if reduce not in _REDUCTIONS:
        raise ArgumentError(
            "linear_cross_entropy has no such reduction",
            got=f"reduce={reduce!r}",
            expected=f"one of {listed(_REDUCTIONS)}",
            fix='write reduce="none" and reduce the losses further, as with lm.ops.masked_mean',
        )
    recipe = checked_recipe(
        label_smoothing=label_smoothing,
        z_loss=z_loss,
        soft_cap=soft_cap,
        chunk_size=chunk_size,
        transposed=transposed,
    )
    head = Head(_tensor(hidden), _tensor(kernel), _tensor(bias), recipe)
    labels, mask, weights = _tensor(labels), _tensor(mask), _tensor(weights)
    _check_shapes(head, {"labels": labels, "mask": mask, "weights": weights})
    if reduce == "none":
        losses = head.tokens(labels, mask).losses
        return losses if weights is None else _weighted(losses, weights, mask)
    total, tokens = head.total(labels, mask, weights)
    if reduce == "sum":
        return total
    counted = ops.ones_like(tokens.losses) if mask is None else ops.cast(mask, total.dtype)
    return safe_divide(total, ops.sum(counted))


@dataclass(frozen=True)
class Head:
    """The last layer of a model, and what it is given.

    Attributes:
        hidden: (..., D).
        kernel: (D, V), or (V, D) where the recipe says transposed.
        bias: (V,), or None.
        recipe: How a loss is made of the logits.
    """

    hidden: Tensor
    kernel: Tensor
    bias: Tensor | None
    recipe: Recipe

    @property
    def classes(self) -> int:
        """How many classes there are."""
        return self.recipe.classes(self.kernel)

    def under(self, recipe: Recipe) -> Head:
        """Return the head with a loss's recipe; what the layer does itself, it goes on doing."""
        own = self.recipe
        cap = recipe.soft_cap if own.soft_cap is None else own.soft_cap
        return replace(self, recipe=replace(recipe, transposed=own.transposed, soft_cap=cap))

    def total(
        self, labels: Tensor, mask: Tensor | None, weights: Tensor | None
    ) -> tuple[Tensor, Tokens]:
        """Return the weighted sum of the losses of counted tokens, and these without gradients.

        Args:
            labels: (...) numbers.
            mask: (...) booleans.
            weights: (...) numbers.
        """
        legal, index = self._flat_labels(labels, mask)
        dtype = at_least_float32(self.hidden)
        weights = ops.ones(ops.shape(index), dtype) if weights is None else _flat(weights, dtype)
        weights = ops.where(legal, weights, ops.full_like(weights, float("nan")))
        total, tokens = backend.linear_cross_entropy_sum(
            self._inputs, weights, index, _flat(mask, "bool"), self.recipe
        )
        return total, _shaped(tokens, legal, labels)

    def tokens(self, labels: Tensor, mask: Tensor | None) -> Tokens:
        """Return the losses of tokens, 0 where they do not count."""
        legal, index = self._flat_labels(labels, mask)
        tokens = backend.linear_cross_entropies(
            self._inputs, index, _flat(mask, "bool"), self.recipe
        )
        return _shaped(tokens, legal, labels)

    @property
    def _inputs(self) -> Inputs:
        hidden = ops.reshape(self.hidden, (-1, self.hidden.shape[-1]))
        return Inputs(hidden, self.kernel, self.bias)

    def _flat_labels(self, labels: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return which labels are classes or do not count, and all as classes."""
        labels = ops.reshape(labels, (-1,))
        legal, index = legal_labels(labels, self.classes)
        if mask is not None:
            legal = ops.logical_or(legal, ops.logical_not(_flat(mask, "bool")))
        _check_labels(labels, legal, self.classes)
        return legal, index


def _shaped(tokens: Tokens, legal: Tensor, labels: Tensor) -> Tokens:
    """Give tokens the shape of the labels, and NaN where a label that counts is no class."""

    def shaped(x: Tensor) -> Tensor:
        return ops.reshape(ops.where(legal, x, ops.full_like(x, float("nan"))), ops.shape(labels))

    return Tokens(*(shaped(x) for x in tokens))


def checked_recipe(  # noqa: PLR0913
    *,
    label_smoothing: float,
    z_loss: float,
    soft_cap: float | None,
    chunk_size: Any,
    transposed: bool = False,
    accuracy: bool = False,
) -> Recipe:
    """Return how a loss is made of logits.

    Raises:
        ArgumentError: If a number is out of its domain.
    """
    if chunk_size is not None and (
        isinstance(chunk_size, bool) or not isinstance(chunk_size, int) or chunk_size < 1
    ):
        raise ArgumentError(
            "a chunk is a number of tokens",
            got=f"chunk_size={chunk_size!r}",
            expected="a positive integer",
            fix="leave chunk_size out, or give a power of two such as chunk_size=512",
        )
    return Recipe(
        number(label_smoothing, "label_smoothing", low=0.0, high=1.0),
        number(z_loss, "z_loss", low=0.0),
        None if soft_cap is None else number(soft_cap, "soft_cap", above=0.0),
        transposed,
        accuracy,
        chunk_size,
    )


def _check_shapes(head: Head, tensors: dict[str, Tensor | None]) -> None:
    """Hold hidden, kernel, bias, and what each token has, to each other."""
    hidden, kernel, bias = head.hidden, head.kernel, head.bias
    layout = "(V, D)" if head.recipe.transposed else "(D, V)"
    side = 1 if head.recipe.transposed else 0
    if len(kernel.shape) != 2 or hidden.shape[-1] != kernel.shape[side]:  # noqa: PLR2004
        raise ShapeError(
            "the hidden states and the kernel have different feature sizes",
            got=f"hidden {shape_text(hidden)}, kernel {shape_text(kernel)} as {layout}",
            expected=f"hidden (..., D), kernel {layout}",
            fix=f"write transposed={not head.recipe.transposed}, or give the kernel that the "
            "hidden states are made for",
        )
    if bias is not None and tuple(bias.shape) != (head.classes,):
        raise ShapeError(
            "the bias has another number of classes than the kernel",
            got=f"bias {shape_text(bias)}, kernel {shape_text(kernel)} as {layout}",
            expected="bias (V,)",
            fix=f"give a bias of {head.classes} numbers, or none",
        )
    wanted = tuple(hidden.shape[:-1])
    for name, x in tensors.items():
        if x is not None and _differ(tuple(x.shape), wanted):
            raise ShapeError(
                f"{name} and hidden states are not of the same tokens",
                got=f"{name} {shape_text(x)}, hidden {shape_text(hidden)}",
                expected=f"{name} {wanted}",
                fix=f"give {name} one number for each token, without the feature axis",
            )


def _check_labels(labels: Tensor, legal: Tensor, classes: int) -> None:
    """Refuse labels that count and are no classes, where they are known."""
    if not (backend.known(labels) and backend.known(legal)):
        return
    wrong = backend.to_numpy(labels)[~backend.to_numpy(legal)]
    if len(wrong):
        raise ArgumentError(
            f"a label that counts is none of the {classes} classes of the kernel",
            got=f"label {wrong[0]}, one of {len(wrong)} such labels",
            expected=f"labels from 0 to {classes - 1}",
            fix=f"where it is padding, mask=labels != {wrong[0]}, or in a loss "
            f"mask=lm.masks.NotEqual({wrong[0]}); else give the last layer more classes",
        )


def _weighted(losses: Tensor, weights: Tensor, mask: Tensor | None) -> Tensor:
    weights = ops.cast(weights, losses.dtype)
    return losses * (weights if mask is None else ops.where(mask, weights, ops.zeros_like(weights)))


def _differ(a: tuple[int | None, ...], b: tuple[int | None, ...]) -> bool:
    return len(a) != len(b) or any(
        None not in pair and len({*pair}) > 1 for pair in zip(a, b, strict=True)
    )


def _tensor(x: Any) -> Any:
    return None if x is None else ops.convert_to_tensor(x)


def _flat(x: Tensor | None, dtype: str) -> Tensor | None:
    return None if x is None else ops.reshape(ops.cast(x, dtype), (-1,))
