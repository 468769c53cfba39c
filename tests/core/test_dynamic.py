"""Sizes that are unknown while tracing: TensorFlow's None, and Keras' symbolic tensors."""

import keras
import numpy as np
import pytest

import lossmith as lm
from tests.core.reference import placed

tensorflow_only = pytest.mark.skipif(
    keras.config.backend() != "tensorflow", reason="only TensorFlow traces unknown sizes"
)
B_T = (None, None)
B_T_K = (None, None, None)
RNG = np.random.default_rng(0)
Y = RNG.normal(size=(2, 3)).astype("float32")
P = RNG.normal(size=(2, 3, 4)).astype("float32")
LENGTHS = np.array([3, 1], "int32")


def traced(loss, *shapes, xla=False):
    """The loss as a graph whose inputs have these shapes; None is an unknown size, or rank."""
    import tensorflow as tf

    signature = [tf.TensorSpec(shape, "float32") for shape in shapes]
    return tf.function(loss, input_signature=signature, jit_compile=xla)


@tensorflow_only
@pytest.mark.parametrize("shapes", [(B_T, B_T_K), ((2, None), (None, 3, None)), (None, None)])
@pytest.mark.parametrize("reduce", ["mean", "mean t k, mean b", "sum"])
def test_a_loss_of_unknown_sizes_has_the_right_value(shapes, reduce):
    value = traced(lm.Loss("mse", "b t, b t k", reduce=reduce), *shapes)(Y, P)
    errors = (P - Y[..., None]).astype("float64") ** 2
    wanted = errors.sum() if reduce == "sum" else errors.mean()
    np.testing.assert_allclose(value.numpy(), wanted, rtol=1e-5)


@tensorflow_only
def test_lengths_weights_and_slices_work_on_unknown_sizes():
    loss = lm.Loss(
        "mse",
        "b t, b t k",
        mask=lm.masks.Lengths("y:lengths"),
        weights=lm.weights.ByStep(exponential=0.5),
        select=lm.select.Slice(0, 2),
        reduce="mean t k, mean b",
    )
    graph = traced(lambda y, p: loss({"y": y, "lengths": LENGTHS}, p), B_T, B_T_K)
    errors = ((P - Y[..., None]).astype("float64") ** 2 * 0.5 ** np.arange(3)[:, None])[:, :2]
    wanted = (errors[0].mean() + errors[1, :1].mean()) / 2
    np.testing.assert_allclose(graph(Y, P).numpy(), wanted, rtol=1e-5)


@tensorflow_only
@pytest.mark.parametrize("xla", [False, True], ids=["graph", "xla"])
@pytest.mark.parametrize("shapes", [(B_T, B_T), ((None, 3), (None, None)), (None, None)])
@pytest.mark.parametrize("which", [0, 1], ids=["target", "prediction"])
@pytest.mark.parametrize("size", [1, 2])
def test_unequal_lengths_stop_the_run_and_never_broadcast(shapes, which, size, xla):
    import tensorflow as tf

    inputs = [Y, Y + 1.0]
    if shapes[which] == (None, 3):
        pytest.skip("a length that is known differs from the signature")
    inputs[which] = inputs[which][:, :size]
    graph = traced(lm.Loss("mse", "b t, b t"), *shapes, xla=xla)
    with pytest.raises((tf.errors.InvalidArgumentError, lm.LossmithError)):
        graph(*map(tf.constant, inputs))


@tensorflow_only
@pytest.mark.parametrize("which", [0, 1], ids=["target", "prediction"])
def test_without_axes_unequal_lengths_stop_the_run_too(which):
    import tensorflow as tf

    inputs = [Y, Y + 1.0]
    inputs[which] = inputs[which][:1]
    with pytest.raises(tf.errors.InvalidArgumentError, match="two lengths"):
        traced(lm.Loss("mse"), B_T, B_T)(*map(tf.constant, inputs))


@tensorflow_only
def test_an_axis_written_as_1_that_is_longer_at_run_time_stops_the_run():
    import tensorflow as tf

    graph = traced(lm.Loss("mse", "b 1, b"), B_T, (None,))
    assert graph(tf.zeros((2, 1)), tf.ones((2,))).numpy() == 1.0
    with pytest.raises(tf.errors.InvalidArgumentError):
        graph(tf.zeros((2, 2)), tf.ones((2,)))


@tensorflow_only
def test_a_field_of_another_length_stops_the_run():
    import tensorflow as tf

    loss = lm.Loss("mse", "b t, b t", mask=lm.masks.Field("y:mask", "b t"))

    def call(y, p, mask):
        return loss({"y": y, "mask": mask}, p)

    graph = traced(call, B_T, B_T, B_T)
    assert graph(Y, Y + 1.0, np.ones_like(Y)).numpy() == 1.0
    for shape in ((1, 3), (2, 1), (2, 2)):
        with pytest.raises(tf.errors.InvalidArgumentError, match="two lengths"):
            graph(tf.constant(Y), tf.constant(Y), tf.ones(shape))


@tensorflow_only
@pytest.mark.parametrize("shape", [(1,), (1, 1), (2, 1), (1, 3), (2, 2), (3,)])
def test_sample_weights_of_unknown_size_are_held_to_the_prediction(shape):
    import tensorflow as tf

    graph = traced(lm.Loss("mse", "b t, b t"), B_T, B_T, (None,) * len(shape))
    # Where the shapes do not broadcast either, TensorFlow's own message may come first.
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"two lengths|Incompatible shapes"):
        graph(tf.constant(Y), tf.constant(Y), tf.ones(shape))


# ── symbolic tensors ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("arguments", "shape"),
    [
        ({"reduce": "none"}, (None, None, 4)),
        ({"reduce": "mean"}, ()),
        ({"reduce": "mean t k, mean b"}, ()),
        ({"reduce": "weighted_mean", "weights": lm.weights.ByStep(exponential=0.5)}, ()),
        ({"mask": lm.masks.Finite()}, ()),
        ({"mask": lm.masks.Finite(), "reduce": "sum t, mean"}, ()),
        ({"select": lm.select.Slice(0, -1), "reduce": "none"}, (None, None, 4)),
        ({"select": lm.select.LastStep(), "reduce": "none"}, (None, 4)),
        ({"weights": lm.weights.ByStep(linear=(1.0, 0.5))}, ()),
    ],
    ids=repr,
)
def test_a_loss_of_symbolic_tensors_is_symbolic(arguments, shape):
    y, p = keras.KerasTensor((None, None)), keras.KerasTensor((None, None, 4))
    value = lm.Loss("mse", "b t, b t k", **arguments)(y, p)
    assert isinstance(value, keras.KerasTensor)
    assert value.shape == shape


def test_an_axis_written_as_1_may_be_unknown():
    y, p = keras.KerasTensor((None, None)), keras.KerasTensor((None,))
    assert lm.Loss("mse", "b 1, b", reduce="none")(y, p).shape == (None,)


def test_symbolic_tensors_that_do_not_line_up_are_refused():
    y, p = keras.KerasTensor((None, 3)), keras.KerasTensor((None, 4))
    with pytest.raises(lm.LossmithError, match="t has two lengths"):
        lm.Loss("mse", "b t, b t")(y, p)


def test_a_loss_can_be_a_layer_of_a_functional_model():
    y, p = keras.Input((None,)), keras.Input((None, 4))
    loss = lm.Loss("mse", "b t, b t k", reduce="mean t k")
    model = keras.Model([y, p], loss(y, p))
    found = keras.ops.convert_to_numpy(model([Y, P]))
    sizes = {"b": 2, "t": 3, "k": 4}
    errors = (P.astype("float64") - placed(Y, "bt", "btk", sizes)) ** 2
    np.testing.assert_allclose(found, errors.mean(axis=(1, 2)), rtol=1e-5)
