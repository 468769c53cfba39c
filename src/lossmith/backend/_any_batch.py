"""A function of tensors traced for a batch of unknown size, as exported models have it."""

from __future__ import annotations

from collections.abc import Callable

import keras

from lossmith.backend._gradient import Array, to_numpy
from lossmith.backend._host import Tensor


def any_batch(function: Callable[..., Tensor], *arrays: Array) -> Callable[..., Array]:
    """Trace a function while the length of the first axis of each array is unknown.

    Args:
        function: Takes one tensor for each array and returns one tensor.
        *arrays: Their other axes and their dtypes are fixed.

    Returns:
        The traced function, of arrays with any number of samples. PyTorch traces nothing: there
        it is the function itself.
    """
    name = keras.backend.backend()
    if name == "tensorflow":
        return _tensorflow(function, arrays)
    if name == "jax":
        return _jax(function, arrays)
    return lambda *given: to_numpy(function(*map(keras.ops.convert_to_tensor, given)))


def _tensorflow(function: Callable[..., Tensor], arrays: tuple[Array, ...]) -> Callable[..., Array]:
    import tensorflow as tf

    shapes = [tf.TensorSpec((None, *array.shape[1:]), array.dtype) for array in arrays]
    graph = tf.function(function, autograph=False).get_concrete_function(*shapes)
    return lambda *given: to_numpy(graph(*map(tf.convert_to_tensor, given)))


def _jax(function: Callable[..., Tensor], arrays: tuple[Array, ...]) -> Callable[..., Array]:
    import jax
    from jax import export

    (size,) = export.symbolic_shape("size")
    shapes = [jax.ShapeDtypeStruct((size, *array.shape[1:]), array.dtype) for array in arrays]
    exported = export.export(jax.jit(function))(*shapes)
    return lambda *given: to_numpy(exported.call(*map(jax.numpy.asarray, given)))
