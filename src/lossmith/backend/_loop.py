"""A loop over steps that keeps its carry alone, and can be differentiated and compiled by XLA."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import keras

from lossmith.backend._host import Tensor

Function = TypeVar("Function", bound=Callable[..., Any])
_Step = Callable[[Any, Any], Any]


def compiled_once(function: Function) -> Function:
    """Compile a function of tensors at its first call for each shape, where that saves calls time.

    On JAX a loop that runs eagerly is compiled anew at each call, for a second or more. Elsewhere
    the function stays as it is. Arguments by keyword are constants.
    """
    if keras.backend.backend() != "jax":
        return function
    import jax

    names = [
        name
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    ]
    compiled: Any = jax.jit(function, static_argnames=names)
    return compiled


def recomputed(function: Callable[[Any], Any], given: Any) -> Any:
    """Apply a function of nested tensors so that its inner values are not kept for the gradient.

    TensorFlow takes floating tensors alone, and gives no others back: integers go in by closure
    and come out as float64, which holds the seeds that they are.
    """
    if keras.backend.backend() != "tensorflow":
        return keras.remat(function)(given)
    import tensorflow as tf

    flat = [tf.convert_to_tensor(x) for x in keras.tree.flatten(given)]
    floats = [place for place, x in enumerate(flat) if x.dtype.is_floating]
    result: list[Any] = []

    def of_floats(*values: Tensor) -> tuple[Tensor, ...]:
        full = list(flat)
        for place, value in zip(floats, values, strict=True):
            full[place] = value
        found = function(keras.tree.pack_sequence_as(given, full))
        outputs = keras.tree.flatten(found)
        result[:] = [found, [x.dtype for x in outputs]]
        return tuple(x if x.dtype.is_floating else tf.cast(x, tf.float64) for x in outputs)

    outputs = tf.recompute_grad(of_floats)(*(flat[place] for place in floats))
    structure, dtypes = result
    back = [tf.cast(x, dtype) for x, dtype in zip(outputs, dtypes, strict=True)]
    return keras.tree.pack_sequence_as(structure, back)


def fold(step: _Step, carry: Any, slices: Any, *, reverse: bool) -> Any:
    """Run `carry = step(carry, slice)` over the first axis of nested tensors.

    `keras.ops.scan` does it on JAX. On PyTorch it would stack outputs that nobody asked for, and
    on TensorFlow its gradient does not compile with XLA, for want of a bound on the steps.
    """
    if keras.backend.backend() == "jax":
        return keras.ops.scan(lambda c, s: (step(c, s), None), carry, slices, reverse=reverse)[0]
    if keras.backend.backend() == "tensorflow":
        return _tensorflow(step, carry, slices, reverse=reverse)
    length = keras.tree.flatten(slices)[0].shape[0]
    for at in reversed(range(length)) if reverse else range(length):
        carry = step(carry, keras.tree.map_structure(lambda x, at=at: x[at], slices))
    return carry


def _tensorflow(step: _Step, carry: Any, slices: Any, *, reverse: bool) -> Any:
    import tensorflow as tf

    flat = [tf.convert_to_tensor(x) for x in keras.tree.flatten(slices)]
    length = flat[0].shape[0] or tf.shape(flat[0])[0]
    arrays = [
        tf.TensorArray(x.dtype, size=length, element_shape=x.shape[1:]).unstack(x) for x in flat
    ]
    first = [tf.convert_to_tensor(x) for x in keras.tree.flatten(carry)]

    def body(at: Tensor, *values: Tensor) -> tuple[Tensor, ...]:
        place = length - 1 - at if reverse else at
        now = keras.tree.pack_sequence_as(slices, [array.read(place) for array in arrays])
        new = step(keras.tree.pack_sequence_as(carry, list(values)), now)
        return (at + 1, *keras.tree.flatten(new))

    _, *final = tf.while_loop(
        lambda at, *_: at < length,
        body,
        (tf.constant(0), *first),
        shape_invariants=(tf.TensorShape([]), *(x.shape for x in first)),
        maximum_iterations=length,
    )
    return keras.tree.pack_sequence_as(carry, final)
