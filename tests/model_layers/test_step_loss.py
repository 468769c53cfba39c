"""The loss in the time loop: value and gradient of each form, against NumPy and the plain form."""

from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import pytest

import lossmith as lm
from lossmith.model.layers import StepLossRNN
from tests.model_layers import reference as ref
from tests.model_layers.measured import AXES, CROSS_ENTROPY, close, measured, number


@dataclass(frozen=True)
class Form:
    """A loss in the loop, and what the reference makes of it."""

    loss: dict[str, Any] = field(default_factory=dict)
    y: Any = field(default_factory=lambda: ref.Y)
    sample_weight: Any = None
    there: Any = None
    reverse: bool = False
    counted: Any = None
    weight: Any = None

    def build(self):
        loss = lm.Loss(CROSS_ENTROPY, AXES, **self.loss)
        cell = keras.layers.SimpleRNNCell(ref.UNITS)
        layer = StepLossRNN(
            cell, loss, head=keras.layers.Dense(ref.CLASSES), go_backwards=self.reverse
        )
        layer.build(ref.X.shape)
        return layer

    def expected(self, x, *weights):
        logits, _ = ref.predict(x, weights, there=self.there, reverse=self.reverse)
        reduce = self.loss.get("reduce", "mean")
        counted = self.there if self.counted is None else self.counted
        return ref.reduced(
            ref.errors(logits, ref.Y), counted=counted, weight=self.weight, reduce=reduce
        )


LINEAR = np.linspace(1.0, 0.5, ref.STEPS)
FORMS = {
    "mean": Form(),
    "sum": Form({"reduce": "sum"}),
    "a Keras mask": Form(there=ref.MASK),
    "backwards": Form(reverse=True),
    "backwards with a Keras mask": Form(there=ref.MASK, reverse=True),
    "lengths": Form(
        {"mask": lm.masks.Lengths("y:lengths")},
        y={"y": ref.Y, "lengths": ref.LENGTHS},
        counted=ref.MASK,
    ),
    "lengths backwards": Form(
        {"mask": lm.masks.Lengths("y:lengths")},
        y={"y": ref.Y, "lengths": ref.LENGTHS},
        counted=ref.MASK,
        reverse=True,
    ),
    "a field with its axes the other way round": Form(
        {"mask": lm.masks.Field("y:mask", "t b")},
        y={"y": ref.Y, "mask": ref.MASK.T},
        counted=ref.MASK,
    ),
    "weights by step": Form({"weights": lm.weights.ByStep(linear=(1.0, 0.5))}, weight=LINEAR),
    "weighted mean": Form({"reduce": "weighted_mean"}, sample_weight=ref.WEIGHT, weight=ref.WEIGHT),
    "weights of samples": Form(
        {"reduce": "weighted_mean"},
        sample_weight=ref.WEIGHT[:, :1],
        weight=ref.WEIGHT[:, :1],
    ),
}


@pytest.mark.parametrize("name", FORMS)
def test_value_and_gradient_are_those_of_numpy_and_of_the_whole_sequence(name):
    form = FORMS[name]
    layer = form.build()
    call = {"sample_weight": form.sample_weight, "mask": form.there}
    found = measured(layer, lambda x: layer(x, y=form.y, **call))
    arrays = (ref.X, *ref.WEIGHTS)
    close(found, (form.expected(*arrays), ref.gradients(form.expected, arrays)), 1e-4)
    if form.there is None:
        whole = measured(
            layer, lambda x: layer.loss(form.y, layer(x), sample_weight=form.sample_weight)
        )
        close(found, whole, 1e-5)


@pytest.mark.parametrize("jit", [False, "xla"])
def test_it_runs_eagerly_and_under_xla(jit):
    form = FORMS["backwards with a Keras mask"]
    layer = form.build()
    found = measured(layer, lambda x: layer(x, y=form.y, mask=form.there), jit=jit)
    arrays = (ref.X, *ref.WEIGHTS)
    close(found, (form.expected(*arrays), ref.gradients(form.expected, arrays)), 1e-4)


@pytest.mark.parametrize("reverse", [False, True])
def test_a_step_left_out_may_hold_nan_and_any_label(reverse):
    form = Form(there=ref.MASK, reverse=reverse)
    layer = form.build()
    x = np.where(ref.MASK[..., None], ref.X, np.nan).astype("float32")
    y = np.where(ref.MASK, ref.Y, -99)
    dirty = measured(layer, lambda x: layer(x, y=y, mask=ref.MASK), x=x)
    clean = measured(layer, lambda x: layer(x, y=ref.Y, mask=ref.MASK))
    close(dirty, clean, 1e-6)
    np.testing.assert_array_equal(dirty[1][0][~ref.MASK], 0.0)


def test_a_nan_at_a_step_that_counts_is_shown():
    layer = FORMS["a Keras mask"].build()
    x = ref.X.copy()
    x[0, 3, 0] = np.nan
    assert np.isnan(number(layer(x, y=ref.Y, mask=ref.MASK)))


def test_where_nothing_counts_the_loss_and_its_gradient_are_0():
    layer = FORMS["a Keras mask"].build()
    nothing = np.zeros_like(ref.MASK)
    value, grads = measured(layer, lambda x: layer(x, y=ref.Y, mask=nothing))
    assert value == 0
    assert all(np.all(grad == 0) for grad in grads)


def test_other_cells_give_what_the_plain_layer_of_keras_gives():
    cells = [keras.layers.GRUCell(3), keras.layers.LSTMCell(ref.UNITS)]
    layer = StepLossRNN(cells, lm.Loss(CROSS_ENTROPY, AXES), head=keras.layers.Dense(ref.CLASSES))
    layer.build(ref.X.shape)
    plain = keras.layers.RNN(layer.cell, return_sequences=True)
    weights = [keras.ops.convert_to_numpy(v) for v in layer.trainable_variables]
    found = measured(layer, lambda x: layer(x, y=ref.Y), weights=weights)
    whole = measured(layer, lambda x: layer.loss(ref.Y, layer.head(plain(x))), weights=weights)
    close(found, whole, 1e-5)


def test_without_targets_it_predicts_every_step_in_the_order_of_the_input():
    layer = FORMS["backwards"].build()
    layer.set_weights([*ref.WEIGHTS, *layer.get_weights()[len(ref.WEIGHTS) :]])
    expected, _ = ref.predict(ref.X, ref.WEIGHTS, reverse=True)
    found = keras.ops.convert_to_numpy(layer(ref.X))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_a_regression_without_a_head_carries_float64_where_the_loss_asks_for_it():
    if keras.config.backend() == "jax":
        pytest.skip("JAX has float64 by a global switch only")
    layer = StepLossRNN(
        keras.layers.SimpleRNNCell(2), lm.Loss("mse", "b t f, b t f", dtype="float64")
    )
    value = layer(ref.X, y=ref.X)
    assert keras.backend.standardize_dtype(value.dtype) == "float64"
    expected = np.mean((keras.ops.convert_to_numpy(layer(ref.X)).astype("float64") - ref.X) ** 2)
    np.testing.assert_allclose(number(value), expected, rtol=1e-7)
