"""Losses in PyTorch."""

import numpy as np
import torch
import torch.nn.functional as F
from keras.saving import register_keras_serializable

from tests.zoo import pair
from tests.zoo import reference as ref
from tests.zoo.reference import floats

PAD = -1.0


def in_torch(sin, wrong, right, *, promises=(), **said):
    """Add a pair of losses that promise nothing beyond PyTorch."""
    promises = {"backends": ["torch"], **dict(promises)}
    pair(sin, wrong, right, promises=promises, backend="torch", **said)


@register_keras_serializable("zoo")
def torch_mean(y_true, y_pred):
    return F.mse_loss(y_pred, y_true)


@register_keras_serializable("zoo")
def torch_mean_of_each(y_true, y_pred):
    return F.mse_loss(y_pred, y_true, reduction="none").mean(dim=-1)


in_torch(
    "reduced-by-torch",
    torch_mean,
    torch_mean_of_each,
    axes="b f, b f",
    check="weight-equivalence",
    rule="LSM102",
    why="Losses of PyTorch average the batch unless told otherwise; there is nothing to weigh.",
    witness=lambda: (floats([0, 0], [0, 0]), floats([3, 2], [1, 0]), floats(0, 1)),
    reference=ref.squared,
)


@register_keras_serializable("zoo")
def detached(y_true, y_pred):
    error = np.abs(y_true.detach().numpy() - y_pred.detach().numpy())
    return torch.as_tensor(error).mean(dim=-1)


@register_keras_serializable("zoo")
def attached(y_true, y_pred):
    return (y_true - y_pred).abs().mean(dim=-1)


in_torch(
    "detached-to-numpy",
    detached,
    attached,
    axes="b f, b f",
    check="gradient-arrives",
    rule="LSM503",
    why="The message of PyTorch says to detach; it does not say that the gradient ends there.",
    reference=ref.absolute,
)


@register_keras_serializable("zoo")
def subtracted_in_place(y_true, y_pred):
    y_true[:] = y_true - y_pred
    return y_true.square().mean(dim=-1)


@register_keras_serializable("zoo")
def subtracted(y_true, y_pred):
    error = y_true - y_pred
    return error.square().mean(dim=-1)


in_torch(
    "target-changed-in-place",
    subtracted_in_place,
    subtracted,
    axes="b f, b f",
    check="pure",
    rule="LSM505",
    why="The caller's targets change: the metrics after the loss see others, and the next epoch.",
    reference=ref.squared,
)


@register_keras_serializable("zoo")
def divergence_of_chances(y_true, y_pred):
    return F.kl_div(y_pred, y_true, reduction="none").sum(dim=-1)


@register_keras_serializable("zoo")
def divergence_of_logs(y_true, y_pred):
    return F.kl_div(y_pred.clamp(min=1e-6).log(), y_true, reduction="none").sum(dim=-1)


in_torch(
    "divergence-of-probabilities",
    divergence_of_chances,
    divergence_of_logs,
    axes="b [c], b [c]",
    check="perfect-is-best",
    rule=None,
    why="`kl_div` takes the log of the prediction, and believes what it is given.",
    y_true="simplex",
    y_pred="simplex",
    reference=lambda y, p: np.sum(y * np.log(y / p), axis=-1),
)


class Squashed(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.tanh(x)

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * (1.0 - x**2)


@register_keras_serializable("zoo")
def by_a_wrong_backward(y_true, y_pred):
    return (torch.tanh(y_true) - Squashed.apply(y_pred)).square().mean(dim=-1)


@register_keras_serializable("zoo")
def by_its_own_backward(y_true, y_pred):
    return (torch.tanh(y_true) - torch.tanh(y_pred)).square().mean(dim=-1)


in_torch(
    "backward-of-the-input",
    by_a_wrong_backward,
    by_its_own_backward,
    axes="b f, b f",
    check="gradient",
    rule=None,
    why="The slope of tanh is one minus the square of its value, not of its input.",
    reference=lambda y, p: ref.squared(np.tanh(y), np.tanh(p)),
)


@register_keras_serializable("zoo")
def selected_mean(y_true, y_pred):
    mask = y_true != PAD
    return (y_true - y_pred).abs().masked_select(mask).mean()


@register_keras_serializable("zoo")
def filled_mean(y_true, y_pred):
    mask = y_true != PAD
    error = (y_true.masked_fill(~mask, 0.0) - y_pred.masked_fill(~mask, 0.0)).abs()
    return error.sum() / mask.sum().clamp(min=1).to(error.dtype)


in_torch(
    "selected-from-nothing",
    selected_mean,
    filled_mean,
    axes="b t, b t",
    check="nothing-counted",
    rule="LSM207",
    why="The mean of no elements is NaN.",
    y_true="real pad=-1",
    promises={"normalises": "tokens", "weights": "one number for the batch"},
    witness=lambda: (floats([-1, -1]), floats([2, 3])),
    reference=lambda y, p: np.mean(np.abs(y - p)[y != PAD]),
)
