"""What the tests of the zoo need: inputs, and what a loss does with them. Nothing of lossmith's."""

import warnings
import zlib

import keras
import numpy as np
from keras import ops

from lossmith.core.notation import parse_axes
from tests.faults.usual import masked
from tests.support.grads import value_and_grad

SIZES = {"b": 4, "t": 5, "c": 3, "f": 2, "k": 7, "1": 1}


def shapes(pair, **sizes):
    """The shapes of target and prediction."""
    lengths = SIZES | sizes
    return [tuple(lengths[name] for name in axes.items) for axes in parse_axes(pair.axes).inputs]


def ordinary(pair):
    """Draw a target and a prediction from the axes and domains of a pair."""
    rng = np.random.default_rng(zlib.crc32(pair.sin.encode()))
    true, pred = shapes(pair)
    return draw(rng, pair.y_true, true), draw(rng, pair.y_pred, pred)


def draw(rng, domain, shape):
    """Draw an array from a domain; of each row but the first, the last step is padding."""
    kind, _, pad = domain.partition(" pad=")
    if kind.startswith("int<"):
        return rng.integers(0, int(kind[4:]), shape).astype("int32")
    if kind == "simplex":
        scores = np.exp(rng.normal(size=shape))
        array = scores / scores.sum(axis=-1, keepdims=True)
    elif kind == "binary":
        array = rng.integers(0, 2, shape)
    elif kind == "prob":
        array = rng.uniform(0.05, 0.95, shape)
    elif kind in ("", "real", "logits"):
        array = rng.normal(size=shape)
    else:
        raise ValueError(domain)
    array = array.astype("float32")
    if pad:
        array[1:, -1] = float(pad)
    return array


class Called(keras.losses.Loss):
    """A function as a loss, as it is: nothing is aligned."""

    def __init__(self, function):
        super().__init__()
        self.call = function


def raw(loss):
    """What a loss does before Keras' weights and reduction."""
    return loss.call if isinstance(loss, keras.losses.Loss) else loss


def trained_on(loss):
    """What Keras makes of it: with weights, mask and reduction."""
    return loss if isinstance(loss, keras.losses.Loss) else Called(loss)


def observe(loss, y_true, y_pred, *more, keras_mask=False, jit=False):
    """Value and gradient of the mean of what a loss returns; with weights or a mask, of Keras."""

    def value(output):
        target = ops.convert_to_tensor(y_true)
        if keras_mask:
            return trained_on(loss)(target, masked(output, more[0]))
        if more:
            return trained_on(loss)(target, output, sample_weight=more[0])
        return ops.mean(ops.cast(raw(loss)(target, output), "float32"))

    found, grads = value_and_grad(value, y_pred, jit=jit)
    return [found, *grads]


def outcome(function, *arguments, **options):
    """Return what a function returns, or what it raises: to raise may be the sin."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return function(*arguments, **options)
        except Exception as error:  # noqa: BLE001
            return error


def raised(found):
    return isinstance(found, Exception)


def same(found, other):
    """Whether two observations agree, NaN with NaN."""
    return all(
        np.allclose(a, b, rtol=1e-3, atol=1e-5, equal_nan=True)
        for a, b in zip(found, other, strict=True)
    )


def kept_contract(value, y_pred):
    """Whether a result is floating, and one number for each sample or for each step."""
    if not ops.is_tensor(value) or keras.utils.is_keras_tensor(value):
        return False
    floating = keras.backend.is_float_dtype(keras.backend.standardize_dtype(value.dtype))
    return floating and tuple(value.shape) in (y_pred.shape[:-1], y_pred.shape[:1])


def reloaded(loss):
    return keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))


def traced(pair, loss, batch=None):
    """Run a loss on placeholders; the inputs and the output."""
    inputs = [
        keras.Input(batch_shape=shape, dtype="int32" if "int" in domain else "float32")
        for shape, domain in zip(shapes(pair, b=batch), (pair.y_true, pair.y_pred), strict=True)
    ]
    return inputs, raw(loss)(*inputs)


def numbers_made(pair, loss, batch):
    """How many numbers a loss computes on its way, for a batch of a size."""
    if pair.backend == "jax":
        import jax

        arrays = [np.zeros(shape, "float32") for shape in shapes(pair, b=batch)]
        steps = jax.make_jaxpr(loss)(*arrays).eqns
        return sum(np.prod(out.aval.shape) for step in steps for out in step.outvars)
    inputs, output = traced(pair, loss, batch)
    steps = keras.Function(inputs, output).operations
    return sum(np.prod(step.output.shape) for step in steps)


def slopes(reference, y_true, y_pred, step=1e-5):
    """The gradient of a reference, by central differences in float64."""
    found = np.zeros_like(y_pred)
    for place in np.ndindex(y_pred.shape):
        here = y_pred[place]
        y_pred[place] = here + step
        above = np.sum(reference(y_true, y_pred))
        y_pred[place] = here - step
        found[place] = (above - np.sum(reference(y_true, y_pred))) / (2 * step)
        y_pred[place] = here
    return found
