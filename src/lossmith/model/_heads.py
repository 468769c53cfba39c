"""Last layers that a loss computes itself: which can be one, and what they are given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from lossmith import backend
from lossmith.backend import Recipe
from lossmith.core.fused import Head
from lossmith.messages import ArgumentError, listed

Call = Callable[..., Any]

# The transpose of an embedding as the last layer; Keras has it since 3.13.
_Reversible: Any = getattr(keras.layers, "ReversibleEmbedding", None)


def check_head(layer: Any) -> Any:
    """Return a layer if its output is `inputs @ kernel + bias`.

    Raises:
        ArgumentError: Otherwise.
    """
    call = type(layer).call
    linear = getattr(layer, "activation", None) in (None, keras.activations.linear)
    known = call is keras.layers.Dense.call or (_Reversible and call is _Reversible.call)
    if known and linear and not layer.quantization_mode:
        return layer
    kinds = ["keras.layers.Dense", *(["keras.layers.ReversibleEmbedding"] if _Reversible else [])]
    activation = keras.activations.serialize(layer.activation) if known and not linear else None
    raise ArgumentError(
        f"{layer.name!r} is no layer that linear_cross_entropy can compute itself",
        got=type(layer).__name__
        + (f" with activation={activation!r}" if activation else "")
        + (" that is quantized" if known and linear else ""),
        expected=f"one of {listed(kinds)}, without an activation and not quantized",
        fix='name the last layer, keras.layers.Dense(vocabulary, name="lm_head"), or call '
        "lm.ops.linear_cross_entropy in a loss of your own",
    )


def head_of(layer: Any, hidden: Any) -> Head:
    """Return a layer that `check_head` let through, and what it is given."""
    if isinstance(layer, keras.layers.Dense):
        bias = None if layer.bias is None else ops.convert_to_tensor(layer.bias)
        return Head(hidden, ops.convert_to_tensor(layer.kernel), bias, Recipe())
    kernel = layer.embeddings if layer.tie_weights else layer.reverse_embeddings
    recipe = Recipe(transposed=layer.tie_weights, soft_cap=layer.logit_soft_cap)
    return Head(hidden, ops.convert_to_tensor(kernel), None, recipe)


def left_out(layer: Any, found: list[Any], *, waits: bool) -> Callable[[Call], Call]:
    """Write down what a layer is given; where it waits, compute its output only if it is needed.

    Args:
        layer: The layer. Of a reversible embedding the calls in reverse are meant.
        found: Where to write it down.
        waits: Whether its output is computed only if it is needed.
    """

    def wrap(call: Call) -> Call:
        def given(inputs: Any, *args: Any, **kwargs: Any) -> Any:
            if not isinstance(layer, keras.layers.Dense) and not kwargs.get("reverse"):
                return call(inputs, *args, **kwargs)
            found.append(inputs)
            if not waits:
                return call(inputs, *args, **kwargs)
            shape = (*inputs.shape[:-1], head_of(layer, inputs).classes)
            dtype = layer.compute_dtype
            return backend.deferred(
                lambda: ops.cast(call(inputs, *args, **kwargs), dtype), shape, dtype
            )

        return given

    return wrap
