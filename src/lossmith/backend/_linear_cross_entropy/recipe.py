"""What the three frameworks share: how a loss is made of logits, and how long a chunk is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple


@dataclass(frozen=True)
class Recipe:
    """How a token's loss is made of its logits.

    Attributes:
        label_smoothing: The share of the target that is spread evenly over all classes.
        z_loss: The factor of the squared logarithm of the normaliser.
        soft_cap: What the logits are squeezed under, by `cap * tanh(logits / cap)`; None: nothing.
        transposed: Whether the kernel is (V, D).
        accuracy: Whether to tell where the largest logit is the label's.
        chunk_size: How many tokens a chunk has; None: by the number of classes.
    """

    label_smoothing: float = 0.0
    z_loss: float = 0.0
    soft_cap: float | None = None
    transposed: bool = False
    accuracy: bool = False
    chunk_size: int | None = None

    def classes(self, kernel: Any) -> int:
        """Return how many classes a kernel has."""
        return kernel.shape[0 if self.transposed else 1]

    def chunk(self, kernel: Any, *, logits: int, shortest: int = 256) -> int:
        """Return how many tokens a chunk has: a power of two from `shortest` to 1024.

        Args:
            kernel: Tells how many classes there are.
            logits: How many logits a chunk has at most, if the shortest has no more.
            shortest: How many tokens make the products of matrices worth their start.
        """
        if self.chunk_size is not None:
            return self.chunk_size
        fitting = max(shortest, logits // max(self.classes(kernel), 1))
        return min(1024, 2 ** (fitting.bit_length() - 1))


class Inputs(NamedTuple):
    """What logits are made of.

    Attributes:
        hidden: (N, D).
        kernel: (D, V), or (V, D) where the recipe says transposed.
        bias: (V,), or None.
    """

    hidden: Any
    kernel: Any
    bias: Any


class Tokens(NamedTuple):
    """What a pass knows of each token, (N,); 0 where it does not count.

    Attributes:
        losses: The loss by the recipe.
        surprise: Minus the logarithm of the label's probability.
        correct: 1 where the largest logit is the label's, else 0; 0 where that is not asked for.
    """

    losses: Any
    surprise: Any
    correct: Any
