"""PyTorch: an eager loop over chunks in place, as one autograd function."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch

from lossmith.backend._linear_cross_entropy.recipe import Inputs, Recipe, Tokens

Tensor = Any


class Sought(NamedTuple):
    """What a pass differentiates: a sum with these weights, (N,), with respect to these inputs."""

    weights: Tensor
    inputs: tuple[bool, ...]


def summed(
    inputs: Inputs, weights: Tensor, labels: Tensor, mask: Tensor | None, recipe: Recipe
) -> tuple[Tensor, Tokens]:
    """See the package."""
    counted = _counted(labels, mask)
    total, *tokens = _Summed.apply(*inputs, weights, labels, counted, recipe, _wanted(inputs))
    return total, Tokens(*tokens)


def values(inputs: Inputs, labels: Tensor, mask: Tensor | None, recipe: Recipe) -> Tokens:
    """See the package."""
    counted = _counted(labels, mask)
    return Tokens(*_Values.apply(*inputs, labels, counted, recipe, _wanted(inputs)))


def _wanted(inputs: Inputs) -> tuple[bool, ...]:
    return tuple(torch.is_grad_enabled() and x is not None and x.requires_grad for x in inputs)


def _counted(labels: Tensor, mask: Tensor | None) -> Tensor:
    if mask is None or mask.is_meta:  # without values all might count
        return torch.arange(len(labels), device=labels.device)
    return mask.nonzero()[:, 0]


class _Summed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *given: Any) -> Any:
        *inputs, weights, labels, counted, recipe, wanted = given
        sought = Sought(weights, wanted)
        tokens, gradients = _pass(Inputs(*inputs), labels, counted, recipe, sought)
        ctx.mark_non_differentiable(*tokens)
        ctx.save_for_backward(*gradients, tokens.losses)
        return torch.dot(weights[counted], tokens.losses[counted]), *tokens

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *slopes: Any) -> Any:  # type: ignore[override]
        found = [None if x is None else slopes[0] * x for x in ctx.saved_tensors]
        return *found, None, None, None, None


class _Values(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *given: Any) -> Any:
        *inputs, labels, counted, recipe, wanted = given
        tokens, _ = _pass(Inputs(*inputs), labels, counted, recipe, None)
        ctx.mark_non_differentiable(tokens.surprise, tokens.correct)
        ctx.save_for_backward(*inputs, labels, counted)
        ctx.recipe, ctx.wanted = recipe, wanted
        return tuple(tokens)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *slopes: Any) -> Any:  # type: ignore[override]
        *inputs, labels, counted = ctx.saved_tensors
        sought = Sought(slopes[0], ctx.wanted)
        _, gradients = _pass(Inputs(*inputs), labels, counted, ctx.recipe, sought)
        return *gradients, None, None, None, None


def _pass(
    inputs: Inputs, labels: Tensor, counted: Tensor, recipe: Recipe, sought: Sought | None
) -> tuple[Tokens, Inputs]:
    """Go over the counted tokens once; return their losses, and the gradients that are sought."""
    hidden, kernel, bias = inputs
    sums = torch.promote_types(hidden.dtype, torch.float32)
    matrix = (kernel.t() if recipe.transposed else kernel).to(hidden.dtype)
    tokens = Tokens(*hidden.new_zeros((3, len(hidden)), dtype=sums))
    gradients = _none_yet(inputs, sums, sought)
    chunk = min(recipe.chunk(kernel, logits=2**23), max(len(counted), 1))
    room = hidden.new_empty((chunk, matrix.shape[1]))
    for at in counted.split(chunk):
        x, y = hidden[at], labels[at, None].long()
        logits = torch.mm(x, matrix, out=room[: len(at)]).to(sums)
        if bias is not None:
            logits += bias
        slope = _capped(logits, recipe.soft_cap)
        normaliser, found = _losses(logits, y, recipe)
        for whole, part in zip(tokens, found, strict=True):
            whole[at] = part
        if sought is not None and any(sought.inputs):
            steep = _slopes(logits, y, normaliser, slope, recipe)
            share = Share(at, x, steep, sought.weights[at, None] / normaliser.total)
            _add(gradients, share, matrix, recipe)
    pairs = zip(gradients, inputs, strict=True)
    return tokens, Inputs(*(None if x is None else x.to(given.dtype) for x, given in pairs))


def _none_yet(inputs: Inputs, sums: Any, sought: Sought | None) -> Inputs:
    """Return zeros for the gradients that are sought, and None for the others."""
    wanted = sought.inputs if sought is not None else (False, False, False)
    dtypes = (inputs.hidden.dtype, sums, sums)
    rows = zip(inputs, wanted, dtypes, strict=True)
    return Inputs(*(torch.zeros_like(x, dtype=dtype) if here else None for x, here, dtype in rows))


class Normaliser(NamedTuple):
    """The sum of `exp(logits - their maximum)`, (C, 1), and the logarithm of that of `exp`."""

    total: Tensor
    log: Tensor


def _capped(logits: Tensor, cap: float | None) -> Tensor | None:
    """Squeeze the logits in place, and return the slope of that."""
    if cap is None:
        return None
    slope = 1.0 - logits.div_(cap).tanh_().square()
    logits.mul_(cap)
    return slope


def _losses(logits: Tensor, y: Tensor, recipe: Recipe) -> tuple[Normaliser, Tokens]:
    """Return the losses of a chunk, and turn the logits into `exp(logits - their maximum)`."""
    if recipe.accuracy:
        most, best = logits.max(1, keepdim=True)
        correct = (best == y)[:, 0].to(logits.dtype)
    else:
        most, correct = logits.amax(1, keepdim=True), logits.new_zeros(len(logits))
    own = logits.gather(1, y)
    mean = logits.mean(1, keepdim=True) if recipe.label_smoothing else own
    total = logits.sub_(most).exp_().sum(1, keepdim=True)
    log = most + total.log()
    target = own + recipe.label_smoothing * (mean - own) if recipe.label_smoothing else own
    losses = log - target
    if recipe.z_loss:
        losses = losses + recipe.z_loss * log.square()
    return Normaliser(total, log), Tokens(losses[:, 0], (log - own)[:, 0], correct)


def _slopes(
    powers: Tensor, y: Tensor, normaliser: Normaliser, slope: Tensor | None, recipe: Recipe
) -> Tensor:
    """Turn `exp(logits - their maximum)` into `total` times the slopes of the losses, in place."""
    if recipe.z_loss:
        powers *= 1.0 + 2.0 * recipe.z_loss * normaliser.log
    if recipe.label_smoothing:
        powers -= recipe.label_smoothing / powers.shape[1] * normaliser.total
    powers.scatter_add_(1, y, (recipe.label_smoothing - 1.0) * normaliser.total)
    return powers if slope is None else powers.mul_(slope)


class Share(NamedTuple):
    """A chunk's share of the gradients.

    Attributes:
        at: (C,) its tokens.
        hidden: (C, D).
        steep: (C, V) the slopes of its losses, each row still to be multiplied by its scale.
        scale: (C, 1).
    """

    at: Tensor
    hidden: Tensor
    steep: Tensor
    scale: Tensor


def _add(gradients: Inputs, share: Share, matrix: Tensor, recipe: Recipe) -> None:
    """Add a chunk's share of the gradients.

    In full precision the scale multiplies the narrow side of each product. In low precision it
    multiplies the slopes before they are rounded, so that none of them underflows.
    """
    at, x, steep, scale = share
    if gradients.bias is not None:
        gradients.bias.addmv_(steep.t(), scale[:, 0])
    low = x.dtype != steep.dtype
    if low:
        steep = steep.mul_(scale).to(x.dtype)
    if gradients.hidden is not None:
        rows = torch.mm(steep, matrix.t())
        gradients.hidden[at] = rows if low else rows.mul_(scale)
    if gradients.kernel is not None:
        total = gradients.kernel.t() if recipe.transposed else gradients.kernel
        if low:
            total += torch.mm(x.t(), steep)
        else:
            total.addmm_((x * scale).t(), steep)
