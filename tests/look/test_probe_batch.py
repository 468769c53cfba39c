"""`lm.callbacks.ProbeBatch`: the loss at each position of a fixed batch, epoch by epoch."""

import keras
import numpy as np
from keras import ops

import lossmith as lm
from lossmith.look.sinks import Sink

RNG = np.random.default_rng(2)
X = RNG.normal(size=(3, 4, 2)).astype("float32")
Y = {"y": RNG.normal(size=(3, 4)).astype("float32"), "lengths": np.array([4, 2, 1])}
WEIGHTS = {"y": np.array([1.0, 2.0, 0.5], "float32")}
COUNTED = np.arange(4) < Y["lengths"][:, None]


class Kept(Sink):
    def __init__(self):
        self.maps_of, self.closed = {}, 0

    def maps(self, epoch, name, loss, mask, axes):
        self.maps_of[epoch, name] = (loss, mask, axes)

    def close(self):
        self.closed += 1


def model():
    keras.utils.set_random_seed(0)
    x = keras.Input((4, 2), name="x")
    hidden = keras.layers.Dense(2, name="encoder")(x)
    made = lm.Model(x, keras.layers.Dense(1)(keras.layers.Dropout(0.5)(hidden)))
    data = lm.Loss("mse", "b t, b t 1", mask=lm.masks.Lengths("y:lengths"), name="data")
    activity = lm.Loss("l1", "b t h", of="layer:encoder", name="activity")
    kernel = lm.Loss("l2", of="weights:encoder/kernel", reduce="sum", name="kernel")
    made.compile("sgd", loss=data + 0.1 * activity + kernel)
    return made


def trained(made, *callbacks):
    keras.utils.set_random_seed(1)  # dropout on torch draws from it
    return made.fit(X, Y, epochs=2, verbose=0, callbacks=list(callbacks)).history


def test_each_epoch_has_the_map_of_each_term_as_numpy_computes_it_and_the_training_goes_on():
    made, sink = model(), Kept()

    history = trained(made, lm.callbacks.ProbeBatch(X, Y, WEIGHTS, sinks=[sink]))

    assert history == trained(model())
    assert set(sink.maps_of) == {(e, n) for e in (0, 1) for n in ("data", "activity")}
    assert sink.closed == 1
    loss, mask, axes = sink.maps_of[1, "data"]
    output = ops.convert_to_numpy(made(ops.convert_to_tensor(X), training=False))[..., 0]
    errors = WEIGHTS["y"][:, None] * (Y["y"] - output) ** 2
    np.testing.assert_allclose(loss, np.where(COUNTED, errors, 0.0), rtol=1e-5)
    np.testing.assert_array_equal(mask, COUNTED)
    assert axes == "b t"
    assert sink.maps_of[1, "activity"][0].shape == (3, 4, 2)
    assert sink.maps_of[0, "data"][0].tolist() != loss.tolist()
