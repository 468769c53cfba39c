"""Sources of a layer: Keras' mask comes as an argument, and values go to `add_loss`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from lossmith import backend
from lossmith.core.axes import Tensor
from lossmith.core.sources import Sources


@dataclass(frozen=True)
class LayerSources(Sources):
    """The tensors of a layer's call, where Keras may have taken the mask off the output.

    Attributes:
        mask: The mask of a single output; None: the one that is attached to it, if any.
    """

    mask: Any = None

    def keras_mask(self, source: str) -> Tensor | None:
        """Return Keras' automatic mask of a tensor, or None."""
        if source == "output" and self.mask is not None:
            return ops.cast(self.mask, "bool")
        return super().keras_mask(source)


def add_loss(layer: keras.layers.Layer, value: Tensor) -> None:
    """Add a loss that was divided by the count of all replicas.

    Keras takes the mean over replicas of what layers add, where the sum is wanted.
    """
    one = ops.ones((), dtype=value.dtype)
    layer.add_loss(value / backend.replica_share(one))
