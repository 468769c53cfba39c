"""Keras' automatic mask, and what only TensorFlow has: dynamic shapes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

Tensor = Any


def keras_mask(x: Tensor) -> Tensor | None:
    """Return the mask that Keras' layers attached to `x`, or None.

    With the next two the one use of Keras' private interface: there is no public way.
    """
    from keras.src.backend import get_keras_mask

    return get_keras_mask(x)


def with_keras_mask(x: Tensor, mask: Tensor) -> Tensor:
    """Attach an automatic mask to `x`, as Keras' layers do."""
    from keras.src.backend import set_keras_mask

    set_keras_mask(x, mask)
    return x


def shapes_only() -> bool:
    """Tell whether Keras only works out shapes, as it does before `fit`: masks are then dropped."""
    from keras.src.backend import in_symbolic_scope

    return in_symbolic_scope()


def known(x: Tensor) -> bool:
    """Tell whether a tensor has values now, and is not traced or only a shape."""
    return not (shapes_only() or isinstance(x, keras.KerasTensor)) and has_value(x)


def has_value(x: Tensor) -> bool:
    """Whether a tensor holds numbers, and does not stand for one inside a graph or a `vmap`."""
    if isinstance(x, np.ndarray):
        return x.dtype.kind in "iufb"
    name = keras.backend.backend()
    if name == "jax":
        import jax
        from jax.core import Tracer

        given = isinstance(x, jax.Array) and not isinstance(x, Tracer)
        return given and not jax.numpy.issubdtype(x.dtype, jax.dtypes.extended)  # a random key
    if name == "tensorflow":
        return hasattr(x, "numpy")
    import torch

    private: Any = torch._C  # type: ignore[reportPrivateUsage]  # noqa: SLF001
    return x.device.type != "meta" and not private._functorch.is_functorch_wrapped_tensor(x)  # noqa: SLF001 - no public way to know


def sublayers(layer: Any) -> dict[str, Any]:
    """Return the layers that are public attributes of a layer; torch keeps them apart."""
    attributes = {**vars(layer), **vars(layer).get("_modules", {})}
    return {
        name: value
        for name, value in attributes.items()
        if isinstance(value, keras.layers.Layer) and not name.startswith("_")
    }


def with_rank(x: Tensor, rank: int) -> Tensor:
    """Give a TensorFlow tensor of unknown rank the rank that the axes state."""
    if _is_graph_tensor(x) and x.shape.rank is None:
        import tensorflow as tf

        return tf.ensure_shape(x, [None] * rank)
    return x


def hold_shape(x: Tensor, sizes: Sequence[Any], message: str) -> Tensor:
    """Return `x`, stopping the run where sizes unknown while tracing turn out unequal.

    Only TensorFlow's graphs have such sizes. The reshape keeps the guarantee where XLA
    drops assertions.
    """
    if not _is_graph_tensor(x):
        return x
    import tensorflow as tf

    equal = tf.debugging.assert_equal(tf.shape(x), tf.stack(list(sizes)), message=message)
    with tf.control_dependencies([equal] if equal is not None else []):
        return tf.reshape(x, sizes)


def _is_graph_tensor(x: Tensor) -> bool:
    if keras.backend.backend() != "tensorflow" or isinstance(x, keras.KerasTensor):
        return False
    import tensorflow as tf

    return tf.is_tensor(x)
