"""F13, F14, F15: factors that should move or learn, and do not in plain Keras."""

import keras
import numpy as np
import pytest
from keras import ops

import lossmith as lm

X = np.ones((4, 1), "float32")
BACKEND = keras.config.backend()


def heads(cls):
    x = keras.Input((1,))
    return cls(x, {n: keras.layers.Dense(1, name=n, kernel_initializer="ones")(x) for n in "ab"})


def targets():
    return {"a": 2.0 * X, "b": 3.0 * X}  # errors 1 and 2, squared 1 and 4


class LossOfVariable(keras.losses.Loss):
    """A loss that holds the variable it should learn."""

    def __init__(self):
        super().__init__()
        self.scale = keras.Variable(1.0)

    def call(self, y_true, y_pred):
        return ops.mean((y_pred - y_true) ** 2, axis=-1) * self.scale


class Rewrite(keras.callbacks.Callback):
    """What balancing callbacks do: rewrite the loss weights between epochs."""

    def on_epoch_end(self, epoch, logs=None):  # noqa: ARG002 - Keras' signature
        first, *others = self.model._compile_loss._flat_losses
        self.model._compile_loss._flat_losses = [first._replace(loss_weights=9.0), *others]


def test_f13_a_variable_among_loss_weights_is_frozen_on_jax():
    factor = keras.Variable(1.0)
    model = heads(keras.Model)
    model.compile(
        keras.optimizers.SGD(0.0), loss={"a": "mse", "b": "mse"}, loss_weights=[factor, 1.0]
    )
    first = model.fit(X, targets(), verbose=0).history["loss"][0]
    factor.assign(9.0)
    second = model.fit(X, targets(), verbose=0).history["loss"][0]
    assert (first, second) == pytest.approx((5.0, 5.0 if BACKEND == "jax" else 13.0))


@pytest.mark.skipif(BACKEND == "torch", reason="torch runs eagerly, where it has an effect")
def test_f14_a_callback_that_rewrites_loss_weights_has_no_effect():
    model = heads(keras.Model)
    model.compile(keras.optimizers.SGD(0.0), loss={"a": "mse", "b": "mse"}, loss_weights=[1.0, 1.0])
    history = model.fit(X, targets(), epochs=3, verbose=0, callbacks=[Rewrite()]).history
    assert history["loss"] == pytest.approx([5.0] * 3)


def test_f13_f14_ours_moves_between_epochs():
    factor = lm.schedules.Piecewise([1], [1.0, 9.0], by="epoch")
    model = heads(lm.Model)
    loss = factor * lm.Loss("mse", of=("y:a", "output:a"), name="a")
    model.compile(
        keras.optimizers.SGD(0.0), loss=loss + lm.Loss("mse", of=("y:b", "output:b"), name="b")
    )
    history = model.fit(X, targets(), epochs=3, verbose=0).history
    assert history["loss"] == pytest.approx([5.0, 13.0, 13.0])


def test_f15_a_variable_held_by_a_loss_is_never_trained():
    x = keras.Input((1,))
    model = keras.Model(x, keras.layers.Dense(1, kernel_initializer="ones")(x))
    loss = LossOfVariable()
    model.compile(keras.optimizers.SGD(0.1), loss=loss)
    model.fit(X, 2.0 * X, verbose=0)
    assert float(ops.convert_to_numpy(loss.scale)) == 1.0
    assert len(model.trainable_variables) == 2


def test_f15_ours_is_trained():
    x = keras.Input((1,))
    model = lm.Model(x, keras.layers.Dense(1, kernel_initializer="ones")(x))
    model.compile(keras.optimizers.SGD(0.1), loss=lm.schedules.Learned() * lm.Loss("mse"))
    model.fit(X, 3.0 * X, verbose=0)  # the error is 4, so d/ds (exp(-s) 4 + s) = -3 at s = 0
    variable = next(v for v in model.trainable_variables if "log_variance" in v.path)
    np.testing.assert_allclose(ops.convert_to_numpy(variable), 0.3, rtol=1e-5)
