"""`lm.callbacks.BlameNaN`: the planted batch, sample, position and line, and nothing else."""

import keras
import numpy as np
import pytest
from keras import ops

import lossmith as lm
from lossmith.look.again import Step
from lossmith.look.batch import read_batch
from tests.conftest import BACKEND

BATCH, STEP, SAMPLE, PLACE = 8, 2, 1, 1
PLANTED = (STEP * BATCH + SAMPLE, PLACE)


def relative(y_true, y_pred):
    gap = y_pred - y_true
    ratio = gap / y_true
    return ops.mean(ops.abs(ratio), axis=-1)


@lm.loss("b f, b f", name="relative_error")
def relative_error(y_true, y_pred):
    return ops.abs((y_pred - y_true) / y_true)


@lm.loss("b f, b f", name="root_error", mask=lm.masks.Finite())
def root_error(y_true, y_pred):
    squared = (y_pred - y_true) ** 2
    return ops.sqrt(squared)


def distance(y_true, y_pred):
    squares = ops.sum((y_pred - y_true) ** 2, axis=-1)
    return ops.sqrt(squares)


@keras.saving.register_keras_serializable("test_blame_nan")
class Logarithm(keras.layers.Layer):
    def call(self, inputs):
        low = inputs + 3.0
        return ops.log(low)


def model(loss, **arguments):
    """A model with all that a step changes: weights, seeds, statistics, an optimizer."""
    keras.utils.set_random_seed(3)
    x = keras.Input((3,), name="x")
    hidden = keras.layers.Dropout(0.2)(keras.layers.BatchNormalization()(x))
    made = lm.Model(x, keras.layers.Dense(2)(hidden))
    made.compile("adam", loss=loss, **arguments)
    return made


def unbuilt(loss, **arguments):
    """A plain model whose variables come with the first batch."""
    keras.utils.set_random_seed(3)
    normal, drop = keras.layers.BatchNormalization(), keras.layers.Dropout(0.2)
    made = keras.Sequential([keras.layers.Dense(3), normal, drop, keras.layers.Dense(2)])
    made.compile("adam", loss=loss, **arguments)
    return made


class Variables(keras.callbacks.Callback):
    """Writes down what a step begins with."""

    def __init__(self):
        super().__init__()
        self.before = []

    def on_train_batch_begin(self, batch, logs=None):
        del batch, logs
        self.before.append(variables(self.model))


def data(planted=None):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(32, 3)).astype("float32")
    y = rng.uniform(1.0, 2.0, size=(32, 2)).astype("float32")
    if planted is not None:
        y[PLANTED] = planted
    return x, y


def trained(made, x, y, *callbacks):
    keras.utils.set_random_seed(4)  # what is not built yet, and dropout on torch, draw from it
    arguments = {"batch_size": BATCH, "epochs": 2, "shuffle": False, "verbose": 0}
    return made.fit(x, y, callbacks=list(callbacks), **arguments).history


def variables(made):
    held = [*made.variables, *made.optimizer.variables]
    return [ops.convert_to_numpy(v) for v in held if "metric" not in v.path]


@pytest.fixture
def blame(tmp_path):
    return lm.callbacks.BlameNaN(tmp_path / "new" / "blame.npz")


LOSSES = {
    "a function": (unbuilt, relative, "ratio = gap / y_true"),
    "an lm.Loss": (model, relative_error, "return ops.abs((y_pred - y_true) / y_true)"),
}


@pytest.mark.parametrize("case", LOSSES)
def test_it_names_batch_sample_position_and_line_and_gives_the_weights_back(case, blame, capsys):
    make, loss, line = LOSSES[case]
    x, y = data(planted=0.0)
    stopped, seen = make(loss), Variables()

    history = trained(stopped, x, y, blame, seen)

    found = blame.found
    assert len(history["loss"]) == 1
    assert (found.epoch, found.step) == (0, STEP)
    assert "loss" in found.bad
    assert found.origin.samples == (SAMPLE,)
    assert found.origin.where.tolist() == [[SAMPLE, PLACE]]
    assert found.origin.place.endswith(line)
    assert line in capsys.readouterr().out
    assert len(seen.before) == STEP + 1
    for ours, theirs in zip(variables(stopped), seen.before[-1], strict=True):
        np.testing.assert_array_equal(ours, theirs)
    _check_that_the_files_reproduce_it(stopped, found)


def _check_that_the_files_reproduce_it(made, found):
    saved = read_batch(found.batch)
    assert set(saved.arrays) == {"x", "y", "output"}
    x, y, output = (saved.one(name) for name in ("x", "y", "output"))
    assert x.shape == (BATCH, 3)
    assert np.argwhere(y == 0.0).tolist() == [[SAMPLE, PLACE]]
    made.load_weights(found.weights)
    if BACKEND != "torch":  # its dropout draws from a generator that belongs to no model
        again = ops.convert_to_numpy(made(x, training=True))
        np.testing.assert_allclose(again, output, rtol=1e-5, atol=1e-6)
    values = ops.convert_to_numpy(relative(*map(ops.convert_to_tensor, (y, output))))
    assert np.flatnonzero(~np.isfinite(values)).tolist() == [SAMPLE]


def test_a_clean_training_is_left_alone(blame):
    x, y = data()
    watched, plain = unbuilt(relative), unbuilt(relative)

    ours, theirs = trained(watched, x, y, blame), trained(plain, x, y)

    assert blame.found is None
    np.testing.assert_allclose(ours["loss"], theirs["loss"], rtol=1e-5)
    for one, other in zip(variables(watched), variables(plain), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_a_gradient_that_is_not_finite_is_found_in_the_step_that_makes_it(blame):
    x, y = data()
    made = unbuilt(distance)
    made.build((None, 3))
    made.layers[-1].set_weights([np.zeros((3, 2)), np.ones(2)])
    y[SAMPLE] = 1.0  # what the model predicts: the slope of the square root is infinite

    trained(made, x, y, blame)

    assert blame.found.step == 0
    assert "loss" not in blame.found.bad
    assert blame.found.origin.samples == (SAMPLE,)
    assert blame.found.origin.place.endswith("return ops.sqrt(squares)")
    np.testing.assert_array_equal(made.layers[-1].get_weights()[1], np.ones(2))


def origin_of(made, x, y, sample_weight=None):
    """What a step on a batch would be blamed for; no training, so that nothing is compiled."""
    return Step.of_batch(made, (x, y, sample_weight)).origin(["loss"])


def test_data_that_is_not_finite_is_named_as_such():
    x, y = data(planted=np.nan)
    rows = slice(STEP * BATCH, (STEP + 1) * BATCH)
    weights = np.ones(BATCH, "float32")
    weights[SAMPLE] = np.inf
    bad_x = np.where(np.arange(BATCH)[:, None] == SAMPLE, np.nan, x[rows]).astype("float32")

    of_y = origin_of(model(lm.Loss("mse", "b f, b f")), x[rows], y[rows])
    of_x = origin_of(unbuilt("mse"), bad_x, np.ones((BATCH, 2), "float32"))
    of_weights = origin_of(unbuilt("mse"), x[rows], np.ones((BATCH, 2), "float32"), weights)

    assert (of_y.name, of_y.where.tolist()) == ("y", [[SAMPLE, PLACE]])
    assert (of_x.name, of_x.samples) == ("x", (SAMPLE,))
    assert (of_weights.name, of_weights.samples) == ("sample_weight", (SAMPLE,))


def test_targets_that_a_mask_leaves_out_are_not_blamed():
    x, y = data(planted=np.nan)
    rows = slice(STEP * BATCH, (STEP + 1) * BATCH)
    far = y[rows].copy()
    far[5, 0] = 1e30
    found = origin_of(model(lm.Loss("mse", "b f, b f", mask=lm.masks.Finite())), x[rows], far)
    assert found.samples == (5,)
    assert found.where.tolist() == [[5, 0]]
    assert "Squared()" in found.what


def test_a_gradient_of_an_lm_loss_is_named_by_its_line_and_position():
    x, y = data()
    inputs = keras.Input((3,))
    made = lm.Model(inputs, keras.layers.Dense(2, "relu", kernel_initializer="zeros")(inputs))
    made.compile("sgd", loss=root_error)
    made.set_weights([np.zeros((3, 2)), np.full(2, 0.5)])
    y[PLANTED], y[5, 0] = 0.5, np.nan
    found = origin_of(made, x, y)
    assert "gradient" in found.what
    assert found.place.endswith("return ops.sqrt(squared)")
    assert found.where.tolist() == [list(PLANTED)]


def test_a_layer_is_named_by_its_path_and_the_line_in_it():
    keras.utils.set_random_seed(0)
    inner = keras.Sequential([keras.Input((3,)), Logarithm(name="logarithm")], name="inner")
    made = keras.Sequential([keras.Input((3,)), inner, keras.layers.Dense(2)])
    made.compile("sgd", loss="mse")
    x, y = data()
    x = np.abs(x)
    x[4, 2] = -3.0
    found = origin_of(made, x, y)
    assert found.what == "the output of layer 'inner/logarithm'"
    assert found.place.endswith("return ops.log(low)")
    assert found.where.tolist() == [[4, 2]]


def test_looking_again_changes_nothing():
    x, y = data(planted=0.0)
    made = model(relative_error)
    before = variables(made), [ops.convert_to_numpy(v) for v in made.metrics_variables]
    origin_of(made, x, y)
    after = variables(made), [ops.convert_to_numpy(v) for v in made.metrics_variables]
    for old, new in zip(before, after, strict=True):
        for a, b in zip(old, new, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.skipif(BACKEND == "torch", reason="Keras refuses steps_per_execution on torch")
def test_several_steps_in_one_execution_are_told_apart(blame):
    x, y = data(planted=0.0)
    history = trained(model(relative, steps_per_execution=4), x, y, blame)
    assert len(history["loss"]) == 1
    assert blame.found.step == STEP
    assert blame.found.origin.samples == (SAMPLE,)


def test_a_training_that_raises_leaves_no_watch_behind(blame):
    class Interrupted(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            del batch, logs
            raise KeyboardInterrupt

    x, y = data(planted=0.0)
    made = unbuilt(relative)
    with pytest.raises(KeyboardInterrupt):
        made.fit(x, y, batch_size=BATCH, verbose=0, callbacks=[blame, Interrupted()])
    history = trained(made, x, y)
    assert blame.found is None
    assert len(history["loss"]) == 2


def test_a_model_that_cannot_be_called_has_its_batch_saved_all_the_same(blame):
    class Adversaries(keras.Model):
        """Only its own step of training knows how to run it."""

    x, y = data(planted=np.nan)
    made = Adversaries()
    made.built = True
    made.compile("sgd")
    blame.path.parent.mkdir()
    blame._blame(made, (x, y), 0, ["d_loss"])
    assert "NotImplementedError" in blame.found.origin.what
    np.testing.assert_array_equal(read_batch(blame.path).one("y"), y)
