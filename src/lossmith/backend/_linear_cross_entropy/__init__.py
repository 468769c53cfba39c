"""Cross-entropy of a linear layer without its logits: in chunks of the tokens that count.

A chunk's logits become its losses and, in the same pass, its share of all gradients; then the next
chunk takes their place. Losses that are not summed have their gradients by a second pass.
"""

from __future__ import annotations

from typing import Any

import keras

from lossmith.backend._host import Tensor
from lossmith.backend._linear_cross_entropy.recipe import Inputs, Recipe, Tokens


def linear_cross_entropy_sum(
    inputs: Inputs, weights: Tensor, labels: Tensor, mask: Tensor | None, recipe: Recipe
) -> tuple[Tensor, Tokens]:
    """Return the weighted sum of the losses, and the losses, of which no gradient is had.

    Matrices are multiplied in the dtype of the hidden states; sums are in at least float32.

    Args:
        inputs: Hidden states, kernel and bias.
        weights: (N,); their gradient is the loss of each token.
        labels: (N,) integers, all of them classes.
        mask: (N,) booleans: the tokens that count. None: all.
        recipe: How a loss is made of logits.
    """
    return _framework().summed(inputs, weights, labels, mask, recipe)


def linear_cross_entropies(
    inputs: Inputs, labels: Tensor, mask: Tensor | None, recipe: Recipe
) -> Tokens:
    """Return the loss of each token, with the arguments of `linear_cross_entropy_sum`."""
    return _framework().values(inputs, labels, mask, recipe)


def _framework() -> Any:
    name = keras.backend.backend()
    if name == "jax":
        from lossmith.backend._linear_cross_entropy import jax as framework
    elif name == "tensorflow":
        from lossmith.backend._linear_cross_entropy import tensorflow as framework
    else:
        from lossmith.backend._linear_cross_entropy import torch as framework
    return framework


__all__ = ["Inputs", "Recipe", "Tokens", "linear_cross_entropies", "linear_cross_entropy_sum"]
